import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CdNet } from '../../src/networks/cdnet';
import { permute } from '../../src/nn/parameter';
import { InputError } from '../../src/util/errors';
import { leavesNoTensors, startTestEngine, TEST_ENGINE } from '../engines';
import { expectClose, Golden } from '../golden';
import { NO_SHARED, SHARED, shared } from '../shared';

describe.skipIf(SHARED === undefined)(`CDNet with its weights on ${TEST_ENGINE} (${NO_SHARED})`, () => {
  let golden: Golden;
  let net: CdNet;
  const expectGolden = (key: string, found: tf.Tensor, tolerance: number): void => {
    const { shape, data } = golden.get(key);
    const expected = shape.length === 4 ? permute(data, shape, [0, 2, 3, 1]) : data;
    expectClose(found.dataSync(), expected, tolerance, key);
  };

  beforeAll(async () => {
    await startTestEngine();
    golden = Golden.read('alignment', 'cdnet.safetensors');
    net = CdNet.load(shared('data', 'weights', 'CD-00014.pt'));
  });
  afterAll(() => net?.dispose());

  it('reads the official checkpoint, and a converted one to the same weights', async () => {
    const converted = CdNet.load(shared('goldens', 'alignment', 'cdnet-00014.safetensors'));
    expect(await net.stateDict()).toEqual(await converted.stateDict());
    expect(net.trainable()).toEqual([]);
    converted.dispose();
  });

  it.each(['64', '32', '21x29'])('has the reference scores at %s', async (size) => {
    await leavesNoTensors(() => {
      tf.tidy(() => {
        const [first, second] = [golden.image(`${size}.img1`), golden.image(`${size}.img2`)];
        expectGolden(`${size}.score`, net.difference(first, second), 1e-5);
        expectGolden(`${size}.score`, net.difference(second, first), 1e-5);
      });
    });
  });

  it.each(['64', '32', '21x29'])('has the reference gradient at %s', async (size) => {
    await leavesNoTensors(() => {
      tf.tidy(() => {
        const second = golden.image(`${size}.img2`);
        const gradient = tf.grad((x) => tf.mean(net.difference(x as tf.Tensor4D, second)))(
          golden.image(`${size}.img1`),
        );
        expectGolden(`${size}.grad_img1`, gradient, 1e-4);
      });
    });
  });

  it('has the reference embedding and map', () => {
    tf.tidy(() => {
      expectGolden('32.embed1', net.embed(golden.image('32.img1')), 1e-5);
      expectGolden('21x29.embed1', net.embed(golden.image('21x29.img1')), 1e-5);
      expectGolden('32.map', net.differenceMap(golden.image('32.img1'), golden.image('32.img2')), 1e-5);
    });
  });

  it('gives equal pictures 1e-4 and no gradient', () => {
    tf.tidy(() => {
      const image = golden.image('32.img1');
      for (const v of net.difference(image, image).dataSync()) expect(Math.abs(v - 1e-4)).toBeLessThan(1e-8);
      const gradient = tf.grad((x) => tf.mean(net.difference(x as tf.Tensor4D, image)))(image);
      expect(gradient.dataSync<'float32'>().every((v) => v === 0)).toBe(true);
    });
  });

  it('released, its wide branch looks up to 10 pixels beside; corrected, at the same place', () => {
    const corrected = CdNet.load(shared('data', 'weights', 'CD-00014.pt'), 'corrected');
    tf.tidy(() => {
      // A column of light at x = 3 of a dark picture: where the embedding answers, averaged over the lines.
      const column = Float32Array.from({ length: 64 }, (_, x) => (x === 3 ? 1 : 0));
      const light = tf.tile(tf.tensor4d(column, [1, 1, 64, 1]), [1, 64, 1, 3]);
      const reach = (n: CdNet): number[] => {
        const change = tf.abs(tf.sub(n.embed(light), n.embed(tf.zerosLike(light))));
        return [...tf.sum(change, [0, 1, 3]).dataSync()].flatMap((v, x) => (v > 1e-3 ? [x] : []));
      };
      // Taps at -15, -12, ..., 15 about the column, nothing else.
      expect(reach(corrected)).toEqual([0, 3, 6, 9, 12, 15, 18]);
      // The first column of the narrow map looks at x = 10, so the light at 3 is seen 10 pixels too far left.
      expect(Math.max(...reach(net))).toBeLessThan(14);
    });
    corrected.dispose();
  });

  it('refuses pictures that its wide branch cannot cover', () => {
    tf.tidy(() => {
      const small = tf.zeros<tf.Rank.R4>([1, 20, 32, 3]);
      expect(() => net.difference(small, small)).toThrow(InputError);
      expect(() => net.difference(small, small)).toThrow(/at least 21x21 pixels, found 20x32/);
    });
  });

  it('says what is wrong with a file of another network', () => {
    const other = shared('data', 'weights', 'raft-small.safetensors');
    expect(() => CdNet.load(other)).toThrow(/missing conv1x1\.weight/);
  });
});

describe('CDNet without its file', () => {
  it('says which file is missing and what brings it', () => {
    expect(() => CdNet.load(join('no', 'such.pt'))).toThrow(/no.such\.pt.*fetch cdnet/);
  });
});
