import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { transposedConv2d } from '../../src/ops/transposed-conv';
import { Random } from '../../src/util/random';
import { leavesNoTensors, startTestEngine, TEST_ENGINE } from '../engines';
import { checkGradients } from '../gradient-check';

beforeAll(startTestEngine);

describe(`Transposed convolution on ${TEST_ENGINE}`, () => {
  const random = new Random(5, 'transposed');
  const draw = (...shape: [number, number, number, number]): tf.Tensor4D =>
    tf.tensor4d(
      Float32Array.from({ length: shape.reduce((a, b) => a * b) }, () => random.uniform(-1, 1)),
      shape,
    );

  it('writes every input through the filter, stride apart, and cuts the padding off', () => {
    tf.tidy(() => {
      const [x, filter] = [draw(2, 3, 2, 2), draw(4, 4, 3, 2)];
      const y = transposedConv2d(x, filter, tf.tensor1d([0.5, 0, -1]), { stride: 2, padding: 1 });
      expect(y.shape).toEqual([2, 6, 4, 3]);
      // The definition, pixel by pixel.
      const [xs, fs] = [x.arraySync(), filter.arraySync()];
      const expected = tf.buffer([2, 6, 4, 3]);
      for (let b = 0; b < 2; b++)
        for (let o = 0; o < 3; o++)
          for (let r = 0; r < 6; r++)
            for (let c = 0; c < 4; c++) {
              let sum = [0.5, 0, -1][o];
              for (let i = 0; i < 3; i++)
                for (let j = 0; j < 2; j++) {
                  const [ky, kx] = [r + 1 - 2 * i, c + 1 - 2 * j];
                  if (ky < 0 || ky > 3 || kx < 0 || kx > 3) continue;
                  for (let k = 0; k < 2; k++) sum += xs[b][i][j][k] * fs[ky][kx][o][k];
                }
              expected.set(sum, b, r, c, o);
            }
      const worst = tf.max(tf.abs(tf.sub(y, expected.toTensor()))).dataSync()[0];
      expect(worst).toBeLessThan(1e-5);
    });
  });

  it('has the gradient of finite differences in input, filter and bias', async () => {
    await leavesNoTensors(() => {
      tf.tidy(() => {
        checkGradients(
          (x, f, b) =>
            transposedConv2d(x as tf.Tensor4D, f as tf.Tensor4D, b as tf.Tensor1D, { stride: 2, padding: 1 }),
          [draw(1, 3, 2, 2), draw(4, 4, 2, 2), tf.tensor1d([0.2, -0.4])],
        );
      });
    });
  });
});
