import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { batchNorm, batchNormTraining } from '../../src/ops/batch-norm';
import { channelAttention } from '../../src/ops/channel-attention';
import { conv2d, depthwiseConv2d } from '../../src/ops/conv';
import { countMacs } from '../../src/ops/mac-count';
import { nearestUpsample2 } from '../../src/ops/nearest-upsample';
import { reflectPad } from '../../src/ops/reflect-pad';
import { Random } from '../../src/util/random';
import { leavesNoTensors, startTestEngine, TEST_ENGINE } from '../engines';
import { expectClose } from '../golden';
import { checkGradients, randomTensor } from '../gradient-check';

type T1 = tf.Tensor1D;
type T4 = tf.Tensor4D;

describe(`ops of the networks on ${TEST_ENGINE}`, () => {
  const random = new Random('network-ops');
  const draw = (...shape: number[]): tf.Tensor => randomTensor(random, shape);

  beforeAll(startTestEngine);

  describe('channel attention', () => {
    it('weighs the maps of a head by the softmax of their cosines', () => {
      tf.tidy(() => {
        const [b, h, w, heads, d] = [2, 3, 5, 3, 4];
        const c = heads * d;
        const qkv = draw(b, h, w, 3 * c) as T4;
        const temperature = tf.tensor1d([0.7, 1, 1.6]);
        const x = qkv.dataSync();
        const map = (image: number, channel: number): number[] =>
          Array.from({ length: h * w }, (_, n) => x[(image * h * w + n) * 3 * c + channel]);
        const dot = (p: number[], q: number[]): number => p.reduce((s, v, n) => s + v * q[n], 0);
        const expected = new Float64Array(b * h * w * c);
        for (let image = 0; image < b; image++) {
          for (let i = 0; i < c; i++) {
            const head = Math.floor(i / d);
            const q = map(image, i);
            const weights = Array.from({ length: d }, (_, j) => {
              const k = map(image, c + head * d + j);
              return Math.exp((temperature.dataSync()[head] * dot(q, k)) / Math.sqrt(dot(q, q) * dot(k, k)));
            });
            const total = weights.reduce((s, v) => s + v, 0);
            weights.forEach((weight, j) =>
              map(image, 2 * c + head * d + j).forEach((v, n) => {
                expected[(image * h * w + n) * c + i] += (weight / total) * v;
              }),
            );
          }
        }
        expectClose(channelAttention(qkv, temperature).dataSync(), expected, 2e-6, 'y');
      });
    });

    it('has the gradient of qkv and temperature', async () => {
      await leavesNoTensors(() => {
        tf.tidy(() => {
          const inputs = [draw(2, 3, 4, 18), tf.tensor1d([0.7, 1.4])];
          checkGradients((qkv, t) => channelAttention(qkv as T4, t as T1), inputs);
        });
      });
    });

    it('is finite where a map is 0 everywhere', () => {
      tf.tidy(() => {
        const gradient = tf.grad((qkv) => channelAttention(qkv as T4, tf.tensor1d([1])));
        const dqkv = gradient(tf.zeros([1, 2, 2, 6])).dataSync();
        expect(dqkv.every(Number.isFinite)).toBe(true);
      });
    });
  });

  describe('batch norm', () => {
    const statistics = (x: tf.Tensor): { mean: T1; variance: T1 } => {
      const { mean, variance } = tf.moments(tf.reshape(x, [-1, x.shape[x.rank - 1]]), 0);
      return { mean: mean as T1, variance: variance as T1 };
    };

    it('in training has mean 0 and variance 1 before the scale, and reports what it used', async () => {
      await leavesNoTensors(() => {
        tf.tidy(() => {
          const x = tf.add<T4>(draw(3, 4, 5, 6), 2);
          const one = tf.ones<tf.Rank.R1>([6]);
          const zero = tf.zeros<tf.Rank.R1>([6]);
          const seen: Float32Array[] = [];
          const y = batchNormTraining(x, one, zero, 1e-5, (mean, variance) => {
            seen.push(mean.dataSync().slice() as Float32Array, variance.dataSync().slice() as Float32Array);
          });
          const before = statistics(x);
          expectClose(seen[0], before.mean.dataSync(), 1e-6, 'mean');
          expectClose(seen[1], before.variance.dataSync(), 1e-5, 'variance');
          const after = statistics(y);
          expect(Math.max(...tf.abs(after.mean).dataSync())).toBeLessThan(1e-6);
          expectClose(after.variance.dataSync(), new Float32Array(6).fill(1), 1e-4, 'variance after');
        });
      });
    });

    it('in training has the gradient of x, weight and bias', () => {
      tf.tidy(() => {
        const inputs = [draw(2, 3, 3, 4), draw(4), draw(4)];
        checkGradients(
          (x, w, b) => batchNormTraining(x as T4, w as T1, b as T1, 1e-5, () => undefined),
          inputs,
        );
      });
    });

    it('at test is a fixed line per channel, with its gradient', () => {
      tf.tidy(() => {
        const x = draw(2, 3, 3, 4) as T4;
        const [weight, bias] = [draw(4) as T1, draw(4) as T1];
        const mean = tf.variable(draw(4)) as unknown as T1;
        const variance = tf.variable(tf.add(draw(4), 1.5)) as unknown as T1;
        const line = tf.div(tf.sub(x, mean), tf.sqrt(tf.add(variance, 1e-5)));
        const expected = tf.add(tf.mul(line, weight), bias).dataSync();
        expectClose(batchNorm(x, weight, bias, mean, variance, 1e-5).dataSync(), expected, 1e-5, 'y');
        checkGradients(
          (x, w, b) => batchNorm(x as T4, w as T1, b as T1, mean, variance, 1e-5),
          [x, weight, bias],
        );
        tf.dispose([mean, variance]);
      });
    });
  });

  describe('convolutions with an activation', () => {
    const leaky = { kind: 'leakyRelu', slope: 0.2 } as const;

    it('apply it after the bias', () => {
      tf.tidy(() => {
        const x = draw(2, 5, 6, 3) as T4;
        const filter = draw(3, 3, 3, 4) as T4;
        const bias = draw(4) as T1;
        const plain = conv2d(x, filter, bias, { padding: 1 });
        const withLeaky = conv2d(x, filter, bias, { padding: 1, activation: leaky });
        const withRelu = conv2d(x, filter, bias, { padding: 1, activation: 'relu' });
        expectClose(withLeaky.dataSync(), tf.leakyRelu(plain, 0.2).dataSync(), 1e-6, 'LeakyReLU');
        expectClose(withRelu.dataSync(), tf.relu(plain).dataSync(), 1e-6, 'ReLU');
        const noBias = conv2d(x, filter, undefined, { activation: leaky });
        expectClose(
          noBias.dataSync(),
          tf.leakyRelu(conv2d(x, filter, undefined), 0.2).dataSync(),
          1e-6,
          'no bias',
        );
      });
    });

    it('have the gradients of the composition', async () => {
      await leavesNoTensors(() => {
        tf.tidy(() => {
          const x = draw(2, 5, 6, 3);
          const filter = draw(3, 3, 3, 4);
          const perChannel = draw(3, 3, 3, 1);
          const [bias, bias3] = [draw(4), draw(3)];
          const dy4 = draw(2, 5, 6, 4);
          const fused = tf.grads((x, f, b) =>
            conv2d(x as T4, f as T4, b as T1, { padding: 1, activation: leaky }),
          )([x, filter, bias], dy4);
          const composed = tf.grads((x, f, b) =>
            tf.leakyRelu(conv2d(x as T4, f as T4, b as T1, { padding: 1 }), 0.2),
          )([x, filter, bias], dy4);
          fused.forEach((g, i) => expectClose(g.dataSync(), composed[i].dataSync(), 1e-5, `gradient ${i}`));
          const dy3 = draw(2, 5, 6, 3);
          const depthwise = tf.grads((x, f, b) =>
            depthwiseConv2d(x as T4, f as T4, b as T1, { padding: 1, activation: 'relu' }),
          )([x, perChannel, bias3], dy3);
          const apart = tf.grads((x, f, b) =>
            tf.relu(depthwiseConv2d(x as T4, f as T4, b as T1, { padding: 1 })),
          )([x, perChannel, bias3], dy3);
          depthwise.forEach((g, i) =>
            expectClose(g.dataSync(), apart[i].dataSync(), 1e-5, `depthwise gradient ${i}`),
          );
        });
      });
    });
  });

  it('nearest upsampling repeats every pixel 2x2, and its gradient is their sum', () => {
    tf.tidy(() => {
      const x = draw(2, 2, 3, 5) as T4;
      const y = nearestUpsample2(x).arraySync();
      const source = x.arraySync();
      y.forEach((image, b) =>
        image.forEach((row, i) =>
          row.forEach((pixel, j) => expect(pixel).toEqual(source[b][i >> 1][j >> 1])),
        ),
      );
      checkGradients((x) => nearestUpsample2(x as T4), [x]);
    });
  });

  it('reflection mirrors without repeating the edge, with its gradient', () => {
    tf.tidy(() => {
      const x = tf.tensor4d([1, 2, 3, 4, 5, 6], [1, 2, 3, 1]);
      const y = reflectPad(x, 1, 2).arraySync();
      expect(y[0].map((row) => row.map(([v]) => v))).toEqual([
        [1, 2, 3, 2, 1],
        [4, 5, 6, 5, 4],
        [1, 2, 3, 2, 1],
      ]);
      checkGradients((x) => reflectPad(x as T4, 1, 2), [draw(2, 3, 4, 2)]);
    });
  });

  it('convolutions report their products once a forward pass, gradients none', () => {
    tf.tidy(() => {
      const x = draw(2, 6, 5, 3) as T4;
      const run = (): T4 => conv2d(x, draw(3, 3, 3, 4) as T4, undefined, { stride: 2, padding: 1 });
      expect(countMacs(() => void run())).toBe(2 * 3 * 3 * 4 * 27);
      const depthwise = (): T4 => depthwiseConv2d(x, draw(3, 3, 3, 1) as T4, undefined);
      expect(countMacs(() => void depthwise())).toBe(2 * 4 * 3 * 3 * 9);
      const both = tf.grad((x) => conv2d(x as T4, draw(1, 1, 3, 4) as T4, undefined));
      expect(countMacs(() => void both(x))).toBe(2 * 6 * 5 * 4 * 3);
    });
  });
});
