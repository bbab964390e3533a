import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { imageOf, readPair } from '../../src/data/pairs';
import type { Image } from '../../src/image/image';
import { imresize } from '../../src/image/resize';
import { psnr } from '../../src/metrics/psnr';
import { firstMoments, KernelGen, spaceToDepth } from '../../src/networks/kernel-gen';
import { meanAbsoluteError } from '../../src/ops/mean-absolute-error';
import { permute } from '../../src/nn/parameter';
import { InputError } from '../../src/util/errors';
import { closedFormState } from '../closed-form';
import { leavesNoTensors, startTestEngine, TEST_ENGINE } from '../engines';
import { expectClose, Golden, lossAndGradients } from '../golden';
import { NO_SHARED, SHARED, shared } from '../shared';

beforeAll(startTestEngine);

describe.skipIf(SHARED === undefined)(
  `SelfDZSR's generator against its golden on ${TEST_ENGINE} (${NO_SHARED})`,
  () => {
    const FILE = 'aux-lr-kernelgen.safetensors';
    let golden: Golden;
    let generator: KernelGen;
    beforeAll(async () => {
      golden = Golden.read('alignment', FILE);
      generator = new KernelGen().initialise(1);
      const state = await generator.stateDict(); // for the mean shifts, which have natural values
      generator.loadStateDict(new Map([...state, ...closedFormState(FILE)]), FILE);
    });
    afterAll(() => generator?.dispose());

    const expectGolden = (found: tf.Tensor, key: string, tolerance: number): void => {
      const { shape, data } = golden.get(key);
      expectClose(found.dataSync(), permute(data, shape, [0, 2, 3, 1]), tolerance, key);
    };

    it('makes the reference auxiliary LR', async () => {
      await leavesNoTensors(() => {
        tf.tidy(() => {
          const [hr, lr] = [golden.image('hr'), golden.image('lr')];
          expectGolden(spaceToDepth(hr), 'space_to_depth', 1e-6);
          expectGolden(generator.forward(hr, lr), 'aux', 1e-4);
        });
      });
    });

    it('has the reference position-preserving loss', async () => {
      await leavesNoTensors(() => {
        tf.tidy(() => {
          const { shape, data } = golden.get('filter_demo.kernel');
          const filter = tf.tensor4d(permute(data, shape, [2, 3, 1, 0]), [5, 5, 3, 2]);
          expectClose(firstMoments(filter).dataSync(), golden.get('filter_demo.loss').data, 1e-5, 'demo');
          const total = golden.get('filter').data.reduce((sum, v) => sum + v, 0);
          expectClose(generator.positionLoss().dataSync(), [total], 1e-5, 'all three');
        });
      });
    });

    it('has the reference loss and gradients', async () => {
      await leavesNoTensors(async () => {
        const [hr, lr] = [golden.image('hr'), golden.image('lr')];
        const { loss, gradients } = await lossAndGradients(generator, () =>
          tf.add(meanAbsoluteError(generator.forward(hr, lr), lr), tf.mul(generator.positionLoss(), 100)),
        );
        expectClose([loss], golden.get('total').data, 1e-4, 'total');
        for (const key of [
          'head.0.weight',
          'tail.weight',
          'guide_net.3.bias',
          'conv_7x7.0.weight',
          'conv_3x3.0.weight',
        ]) {
          const expected = golden.get(`grad.${key}`).data;
          // Of the large filters the golden keeps the first output channels.
          expectClose(gradients.get(key)!.data.slice(0, expected.length), expected, 1e-3, key);
        }
        tf.dispose([hr, lr]);
      });
    });
  },
);

describe.skipIf(SHARED === undefined)(`SelfDZSR's Nikon weights on ${TEST_ENGINE} (${NO_SHARED})`, () => {
  let generator: KernelGen;
  beforeAll(() => {
    generator = KernelGen.load(shared('data', 'weights', 'selfdzsr-kernelgen-nikon-x4.safetensors'));
  });
  afterAll(() => generator?.dispose());

  it('load, all 630,927 of them', () => {
    expect(generator.valueCount()).toBe(630_927);
    expect(generator.parameterCount()).toBe(630_927 - 12);
  });

  it.each(['Nikon_010', 'Canon_010'])(
    "make of HR %s an LR that is nearer to the camera's than bicubic",
    async (name) => {
      const file = (size: string): string =>
        shared('data', 'images', 'RealSR-x4-crops', `test_${size}`, `${name}_LR4.png`);
      const pair = await readPair({ name, lr: file('LR'), hr: file('HR') });
      const [lr, hr] = [imageOf(pair.lr), imageOf(pair.hr)];
      const auxiliary = tf.tidy(() =>
        generator.forward(
          tf.tensor4d(hr.data, [1, hr.height, hr.width, 3]),
          tf.tensor4d(lr.data, [1, lr.height, lr.width, 3]),
        ),
      );
      const image = { ...lr, data: auxiliary.dataSync() as Float32Array };
      auxiliary.dispose();
      const from = (other: Image): number => psnr(other, lr, { crop: 4, y: false });
      expect(from(image)).toBeGreaterThan(from(imresize(hr, 1 / 4)) + 1);
    },
  );
});

describe("SelfDZSR's generator", () => {
  it('without its file says which is missing and what brings it', () => {
    expect(() => KernelGen.load('no/such.pth')).toThrow(/no.such\.pth.*fetch selfdzsr-auxlr/);
  });

  it('refuses patches that its guidance network cannot cover', () => {
    const generator = new KernelGen().initialise(1);
    tf.tidy(() => {
      const [hr, lr] = [tf.zeros<tf.Rank.R4>([1, 24, 36, 3]), tf.zeros<tf.Rank.R4>([1, 6, 9, 3])];
      expect(() => generator.forward(hr, lr)).toThrow(InputError);
      expect(() => generator.forward(hr, lr)).toThrow(/at least 7x7 pixels, found 6x9/);
    });
    generator.dispose();
  });
});

describe('First moments of a filter', () => {
  it('are 0 for a filter that is symmetric line by line, and grow with the distance from the middle', () => {
    tf.tidy(() => {
      const at = (y: number, x: number): tf.Tensor4D => {
        const taps = tf.buffer<tf.Rank.R4>([5, 5, 1, 1]);
        taps.set(1, y, x, 0, 0);
        return taps.toTensor();
      };
      const moment = (f: tf.Tensor4D): number => firstMoments(f).dataSync()[0];
      expect(moment(at(2, 2))).toBe(0);
      expect(moment(tf.add(at(0, 1), at(0, 3)))).toBeGreaterThan(0); // columns are apart from their middle line
      // One tap: |2| / 5 of one line in five, |1| / 5 of one column in five.
      expect(moment(at(1, 4))).toBeCloseTo(2 / 25 + 1 / 25, 6);
    });
  });
});
