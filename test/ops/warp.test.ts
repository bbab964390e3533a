import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { maskedWarp, warp } from '../../src/ops/warp';
import { permute } from '../../src/nn/parameter';
import { Random } from '../../src/util/random';
import { leavesNoTensors, startTestEngine, TEST_ENGINE } from '../engines';
import { Golden } from '../golden';
import { checkGradients } from '../gradient-check';
import { NO_SHARED, SHARED } from '../shared';

beforeAll(startTestEngine);

describe.skipIf(SHARED === undefined)(`Warp against its golden on ${TEST_ENGINE} (${NO_SHARED})`, () => {
  const golden = SHARED === undefined ? undefined! : Golden.read('alignment', 'backwarp.safetensors');

  const expectNear = (found: tf.Tensor4D, key: string, tolerance: number): void => {
    const { shape, data } = golden.get(key);
    const expected = permute(data, shape, [0, 2, 3, 1]);
    const values = found.dataSync<'float32'>();
    expect(values.length).toBe(expected.length);
    const worst = values.reduce((m, v, i) => Math.max(m, Math.abs(v - expected[i])), 0);
    expect(worst, key).toBeLessThanOrEqual(tolerance);
  };

  it('samples, masks and scales the flow as the official code does', async () => {
    await leavesNoTensors(() => {
      tf.tidy(() => {
        const [image, flow] = [golden.image('input'), golden.image('flow')];
        const raw = warp(image, flow, 'released');
        const { warped, mask } = maskedWarp(image, flow, 'released');
        expectNear(raw, 'official.raw', 1e-5);
        expectNear(warp(tf.ones([2, 9, 13, 1]), flow, 'released'), 'official.ones_warped', 1e-5);
        expectNear(mask, 'official.mask', 0);
        expectNear(warped, 'official.masked', 1e-5);
      });
    });
  });

  it('moves by exactly the flow under the exact rule', () => {
    tf.tidy(() => {
      const [image, flow] = [golden.image('input'), golden.image('flow')];
      expectNear(maskedWarp(image, flow, 'exact').warped, 'corner_aligned.masked', 1e-5);
      expectNear(warp(image, flow, 'exact'), 'alignformer.flow_warp', 1e-5);
    });
  });
});

describe(`Warp on ${TEST_ENGINE}`, () => {
  // Sample positions 0.1 to 0.9 between pixels: at whole pixels the derivative by the flow jumps.
  const irregular = (shape: [number, number, number, number], random: Random): tf.Tensor4D => {
    const whole = (): number => random.integer(-2, 2);
    return tf.tensor4d(
      Float32Array.from({ length: shape.reduce((a, b) => a * b) }, () => whole() + random.uniform(0.1, 0.9)),
      shape,
    );
  };

  it('has the gradient of finite differences in image and flow, samples outside included', async () => {
    await leavesNoTensors(() => {
      tf.tidy(() => {
        const random = new Random(7, 'warp');
        const image = tf.tensor4d(
          Float32Array.from({ length: 2 * 4 * 5 * 3 }, () => random.uniform()),
          [2, 4, 5, 3],
        );
        const flow = irregular([2, 4, 5, 2], random);
        checkGradients((i, f) => warp(i as tf.Tensor4D, f as tf.Tensor4D, 'exact'), [image, flow]);
      });
    });
  });

  it('scales the gradient by the flow with the released factor', () => {
    tf.tidy(() => {
      const random = new Random(8, 'warp');
      const image = tf.tensor4d(
        Float32Array.from({ length: 32 }, () => random.uniform()),
        [1, 4, 8, 1],
      );
      const flow = tf.fill<tf.Rank.R4>([1, 4, 8, 2], 0.3);
      checkGradients((f) => warp(image, f as tf.Tensor4D, 'released'), [flow]);
    });
  });

  it('gives zero, not an error, for positions far outside', () => {
    tf.tidy(() => {
      const flow = tf.tensor4d([1e9, 0, -1e9, 0, 0, Infinity, 0, 0], [1, 2, 2, 2]);
      expect([...warp(tf.ones([1, 2, 2, 1]), flow, 'exact').dataSync()]).toEqual([0, 0, 0, 1]);
      const { warped, mask } = maskedWarp(tf.fill([1, 2, 2, 1], 3), flow, 'exact');
      expect([...warped.dataSync()]).toEqual([0, 0, 0, 3]);
      expect([...mask.dataSync()]).toEqual([0, 0, 0, 1]);
    });
  });

  it('keeps the pictures of a batch apart', () => {
    tf.tidy(() => {
      const image = tf.tensor4d([1, 2, 3, 4, 5, 6, 7, 8], [2, 2, 2, 1]);
      const flow = tf.tensor4d([1, 0, 0, 1, 0, 0, 0, 0, 0, 0, -1, 1, 0, -1, 0, 0], [2, 2, 2, 2]);
      expect([...warp(image, flow, 'exact').dataSync()]).toEqual([2, 4, 3, 4, 5, 7, 5, 8]);
    });
  });
});
