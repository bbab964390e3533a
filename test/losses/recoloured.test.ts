import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { recoloured } from '../../src/losses/recoloured';
import { leavesNoTensors, startTestEngine, TEST_ENGINE } from '../engines';

beforeAll(startTestEngine);

const SIDE = 32;
const picture = (seed: number): tf.Tensor4D =>
  tf.randomUniform<tf.Rank.R4>([2, SIDE, SIDE, 3], 0, 1, 'float32', seed);
const worst = (a: tf.Tensor, b: tf.Tensor): number => tf.max(tf.abs(tf.sub(a, b))).dataSync()[0];

describe(`A recoloured picture on ${TEST_ENGINE}`, () => {
  it('has the colours of the other one: a shift of all its pixels is undone, up to the edges', async () => {
    await leavesNoTensors(() => {
      tf.tidy(() => {
        const x = picture(1);
        const target = tf.add<tf.Tensor4D>(x, tf.tensor1d([0.2, -0.1, 0.05]));
        expect(worst(recoloured({ target }, x).target, x)).toBeLessThan(1e-6);
      });
    });
  });

  it('takes the colours from a picture a quarter of its size', () => {
    tf.tidy(() => {
      const x = tf.fill<tf.Rank.R4>([2, SIDE / 4, SIDE / 4, 3], 0.5);
      const target = tf.fill<tf.Rank.R4>([2, SIDE, SIDE, 3], 0.3);
      expect(worst(recoloured({ target }, x).target, tf.fill([2, SIDE, SIDE, 3], 0.5))).toBeLessThan(1e-6);
    });
  });

  it('keeps what is fine: a checkerboard of its own stays, one of the other is not taken up', () => {
    tf.tidy(() => {
      const sign = tf.tensor1d(Array.from({ length: SIDE }, (_, i) => (-1) ** i));
      const board = tf.mul(tf.reshape(sign, [1, SIDE, 1, 1]), tf.reshape(sign, [1, 1, SIDE, 1]));
      const grey = tf.fill<tf.Rank.R4>([2, SIDE, SIDE, 3], 0.5);
      const own = tf.add<tf.Tensor4D>(tf.fill([2, SIDE, SIDE, 3], 0.3), tf.mul(board, 0.1));
      const expected = tf.add(grey, tf.mul(board, 0.1));
      const inner = (t: tf.Tensor): tf.Tensor => tf.slice(t, [0, 8, 8, 0], [2, 16, 16, 3]);
      const other = tf.add<tf.Tensor4D>(grey, tf.mul(board, 0.2));
      for (const x of [grey, other]) {
        expect(worst(inner(recoloured({ target: own }, x).target), inner(expected))).toBeLessThan(1e-3);
      }
    });
  });

  it('stays zero where it is masked, and what is masked has no say', () => {
    tf.tidy(() => {
      const x = picture(2);
      const columns = Array.from({ length: SIDE }, (_, i) => (i < 12 ? 1 : 0));
      const mask = tf.tile(tf.reshape<tf.Rank.R4>(tf.tensor1d(columns), [1, 1, SIDE, 1]), [2, SIDE, 1, 1]);
      const target = tf.mul<tf.Tensor4D>(tf.add(x, 0.2), mask);
      const { target: found, mask: kept } = recoloured({ target, mask }, x);
      expect(kept).toBe(mask);
      expect(worst(found, tf.mul(x, mask))).toBeLessThan(1e-6);
      const elsewhere = tf.add<tf.Tensor4D>(x, tf.sub(1, mask));
      expect(worst(recoloured({ target, mask }, elsewhere).target, found)).toBeLessThan(1e-6);
    });
  });
});
