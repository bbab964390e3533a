import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { blur } from '../../src/ops/blur';
import { pictureNorm } from '../../src/ops/picture-norm';
import { Random } from '../../src/util/random';
import { leavesNoTensors, startTestEngine, TEST_ENGINE } from '../engines';
import { expectClose } from '../golden';
import { checkGradients, randomTensor } from '../gradient-check';

beforeAll(startTestEngine);

describe(`Ops of the alignment networks on ${TEST_ENGINE}`, () => {
  const random = new Random('norm-blur');
  const draw = (...shape: number[]): tf.Tensor => randomTensor(random, shape);

  describe('the norm over a picture', () => {
    it('gives every picture mean 0 and variance 1, then scales and shifts its channels', () => {
      tf.tidy(() => {
        const x = draw(2, 3, 4, 2) as tf.Tensor4D;
        const y = pictureNorm(x, tf.tensor1d([2, -1]), tf.tensor1d([0.5, 3]), 1e-5);
        const values = x.dataSync();
        const expected = [0, 1].flatMap((n) => {
          const own = [...values.slice(24 * n, 24 * (n + 1))];
          const mean = own.reduce((a, b) => a + b) / 24;
          const variance = own.reduce((sum, v) => sum + (v - mean) ** 2, 0) / 24;
          return own.map(
            (v, i) => ((v - mean) / Math.sqrt(variance + 1e-5)) * [2, -1][i % 2] + [0.5, 3][i % 2],
          );
        });
        expectClose(y.dataSync(), expected, 1e-5, 'y');
      });
    });

    it('has the gradient of x, weight and bias', async () => {
      await leavesNoTensors(() => {
        tf.tidy(() => {
          checkGradients(
            (x, w, b) => pictureNorm(x as tf.Tensor4D, w as tf.Tensor1D, b as tf.Tensor1D, 1e-5),
            [draw(2, 3, 2, 4), draw(4), draw(4)],
          );
        });
      });
    });
  });

  describe.each([0, 1, 2])('the blur with padding %i', (padding) => {
    const kernel = (): tf.Tensor2D =>
      tf.tensor2d(
        Array.from({ length: 16 }, (_, i) => (i % 5) - 0.3 * i),
        [4, 4],
      );

    it('filters each channel by the kernel', () => {
      tf.tidy(() => {
        const x = draw(2, 5, 6, 3) as tf.Tensor4D;
        const y = blur(x, kernel(), padding);
        expect(y.shape).toEqual([2, 2 + 2 * padding, 3 + 2 * padding, 3]);
        const [xs, taps] = [x.arraySync(), kernel().arraySync()];
        const expected = tf.buffer(y.shape);
        for (let n = 0; n < 2; n++)
          for (let r = 0; r < y.shape[1]; r++)
            for (let c = 0; c < y.shape[2]; c++)
              for (let k = 0; k < 3; k++) {
                let sum = 0;
                for (let i = 0; i < 4; i++)
                  for (let j = 0; j < 4; j++)
                    sum += taps[i][j] * (xs[n][r + i - padding]?.[c + j - padding]?.[k] ?? 0);
                expected.set(sum, n, r, c, k);
              }
        expectClose(y.dataSync(), expected.values, 1e-5, 'blurred');
      });
    });

    it('has its gradient', async () => {
      await leavesNoTensors(() => {
        tf.tidy(() => checkGradients((x) => blur(x as tf.Tensor4D, kernel(), padding), [draw(1, 5, 4, 2)]));
      });
    });
  });
});
