import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { softened } from '../../src/losses/flow-aligned';
import { warp } from '../../src/ops/warp';
import { leavesNoTensors, startTestEngine, TEST_ENGINE } from '../engines';
import { checkGradients } from '../gradient-check';

beforeAll(startTestEngine);

const SIDE = 32;
const still = (x: number, y: number): tf.Tensor4D =>
  tf.tile(tf.tensor4d([x, y], [1, 1, 1, 2]), [1, SIDE, SIDE, 1]);
/** A wave of `period` pixels along x, in the middle of whose picture edges do not matter. */
const wave = (period: number): tf.Tensor4D => {
  const line = Array.from({ length: SIDE }, (_, i) => Math.cos((2 * Math.PI * i) / period));
  return tf.tile(tf.reshape<tf.Rank.R4>(tf.tensor1d(line), [1, 1, SIDE, 1]), [1, SIDE, 1, 3]);
};
/** Root mean square of whole periods in the middle. */
const strength = (x: tf.Tensor4D): number =>
  Math.sqrt(tf.mean(tf.square(tf.slice(x, [0, 8, 8, 0], [1, 16, 16, 3]))).dataSync()[0]);

describe(`A picture as soft as interpolation makes another on ${TEST_ENGINE}`, () => {
  it('is as it was where the flow is whole pixels', async () => {
    await leavesNoTensors(() => {
      tf.tidy(() => {
        const x = tf.randomUniform<tf.Rank.R4>([1, SIDE, SIDE, 3], 0, 1, 'float32', 3);
        expect([...softened(x, still(2, -3)).dataSync()]).toEqual([...x.dataSync()]);
      });
    });
  });

  it.each([0.1, 0.25, 0.5, -0.3])(
    'at %f pixels loses what a warped wave loses, and does not move',
    (shift) => {
      tf.tidy(() => {
        for (const period of [16, 8, 4]) {
          const x = wave(period);
          const soft = softened(x, still(shift, 0));
          const warped = strength(warp(x, still(shift, 0), 'exact'));
          expect(strength(soft) / strength(x)).toBeLessThan(1);
          expect(Math.abs(strength(soft) - warped)).toBeLessThan(
            0.1 * (strength(x) - warped) + 0.05 * warped,
          );
          const scaled = tf.mul<tf.Tensor4D>(x, strength(soft) / strength(x));
          expect(strength(tf.sub(soft, scaled))).toBeLessThan(1e-3);
        }
      });
    },
  );

  it('has the right gradient', () => {
    const flow = tf.randomUniform<tf.Rank.R4>([1, 5, 4, 2], -2, 2, 'float32', 7);
    const x = tf.randomUniform<tf.Rank.R4>([1, 5, 4, 2], 0, 1, 'float32', 8);
    checkGradients((x) => softened(x as tf.Tensor4D, flow), [x]);
    tf.dispose([flow, x]);
  });
});
