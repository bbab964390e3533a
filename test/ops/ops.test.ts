import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { imresize } from '../../src/image/resize';
import { clamp } from '../../src/ops/clamp';
import { conv2d, depthwiseConv2d } from '../../src/ops/conv';
import { gelu } from '../../src/ops/gelu';
import { layerNorm } from '../../src/ops/layer-norm';
import { meanAbsoluteError } from '../../src/ops/mean-absolute-error';
import { pixelShuffle, pixelUnshuffle } from '../../src/ops/pixel-shuffle';
import { interpolationMatrix, resize, resizeAntialiased } from '../../src/ops/resize';
import { Random } from '../../src/util/random';
import { leavesNoTensors, startTestEngine, TEST_ENGINE } from '../engines';
import { checkGradients, randomTensor } from '../gradient-check';

type T4 = tf.Tensor4D;

describe(`ops on ${TEST_ENGINE}`, () => {
  const random = new Random('ops');
  const draw = (...shape: number[]): tf.Tensor => randomTensor(random, shape);

  beforeAll(startTestEngine);

  describe('pixel shuffle', () => {
    it("puts channel c r r + i r + j at row i, column j of colour c's block", () => {
      tf.tidy(() => {
        const x = tf.tensor4d(
          Float32Array.from({ length: 2 * 3 * 12 }, (_, i) => i),
          [1, 2, 3, 12],
        );
        const y = pixelShuffle(x, 2).arraySync();
        const source = x.arraySync();
        for (let h = 0; h < 2; h++) {
          for (let w = 0; w < 3; w++) {
            for (let c = 0; c < 3; c++) {
              for (let i = 0; i < 2; i++) {
                for (let j = 0; j < 2; j++) {
                  expect(y[0][h * 2 + i][w * 2 + j][c]).toBe(source[0][h][w][c * 4 + i * 2 + j]);
                }
              }
            }
          }
        }
      });
    });

    it('is undone by pixel unshuffle', () => {
      tf.tidy(() => {
        const x = draw(2, 3, 5, 27) as T4;
        expect(pixelUnshuffle(pixelShuffle(x, 3), 3).dataSync()).toEqual(x.dataSync());
      });
    });

    it('has the gradient of finite differences', () => {
      tf.tidy(() => checkGradients((x) => pixelShuffle(x as T4, 2), [draw(2, 3, 4, 8)]));
    });
  });

  describe('GELU', () => {
    it('is x Phi(x), to 5e-7', () => {
      tf.tidy(() => {
        // Phi from tables of the normal distribution.
        const phi = [
          [-3, 0.0013498980316301],
          [-1, 0.158655253931457],
          [-0.5, 0.308537538725987],
          [0, 0.5],
          [0.5, 0.691462461274013],
          [1, 0.841344746068543],
          [3, 0.99865010196837],
        ];
        const y = gelu(tf.tensor1d(phi.map(([x]) => x))).dataSync();
        phi.forEach(([x, p], i) => expect(Math.abs(y[i] - x * p)).toBeLessThan(5e-7));
      });
    });

    it('has the gradient of finite differences, also on values that are not contiguous', () => {
      tf.tidy(() => {
        checkGradients((x) => gelu(x), [randomTensor(random, [3, 4, 6], -3, 3)]);
        checkGradients((x) => gelu(tf.transpose(x, [2, 0, 1])), [randomTensor(random, [3, 4, 6], -3, 3)]);
      });
    });
  });

  describe('layer norm', () => {
    it('gives every pixel mean 0 and variance 1 before weight and bias', () => {
      tf.tidy(() => {
        const y = layerNorm(draw(2, 3, 3, 36) as T4, tf.ones([36]), tf.zeros([36]), 1e-6);
        const { mean, variance } = tf.moments(y, -1);
        mean.dataSync().forEach((m) => expect(Math.abs(m)).toBeLessThan(1e-6));
        variance.dataSync().forEach((v) => expect(Math.abs(v - 1)).toBeLessThan(1e-4));
      });
    });

    it('has the gradients of finite differences', () => {
      tf.tidy(() =>
        checkGradients(
          (x, w, b) => layerNorm(x, w as tf.Tensor1D, b as tf.Tensor1D, 1e-5),
          [draw(2, 3, 2, 7), draw(7), draw(7)],
        ),
      );
    });
  });

  describe('resize', () => {
    it('half-pixel bilinear, align-corners bilinear and nearest give the values of their definitions', () => {
      tf.tidy(() => {
        const x = tf.tensor4d([0, 1, 2, 3], [1, 1, 4, 1]);
        const row = (y: T4): number[] => [...y.dataSync()];
        expect(row(resize(x, 1, 8, { mode: 'bilinear' }))).toEqual([
          0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3,
        ]);
        expect(row(resize(x, 1, 7, { mode: 'bilinear', alignCorners: true }))).toEqual([
          0, 0.5, 1, 1.5, 2, 2.5, 3,
        ]);
        expect(row(resize(x, 1, 2, { mode: 'nearest' }))).toEqual([0, 2]);
      });
    });

    it('bicubic uses a = -0.75: the taps halfway between pixels are -3/32, 19/32, 19/32, -3/32', () => {
      const { data } = interpolationMatrix(8, 4, { mode: 'bicubic' });
      expect([...data.subarray(8, 16)]).toEqual(
        [0, -3 / 32, 19 / 32, 19 / 32, -3 / 32, 0, 0, 0].map(Math.fround),
      );
    });

    it.each(['nearest', 'bilinear', 'bicubic'] as const)('%s keeps a constant constant', (mode) => {
      tf.tidy(() => {
        const y = resize(tf.fill([1, 5, 7, 2], 0.3), 11, 4, { mode });
        y.dataSync().forEach((v) => expect(v).toBeCloseTo(0.3, 6));
      });
    });

    it.each([
      { mode: 'bilinear' },
      { mode: 'bilinear', alignCorners: true },
      { mode: 'bicubic', alignCorners: true },
      { mode: 'nearest' },
    ] as const)('%o has the gradient of finite differences on a map that is not square', (options) => {
      tf.tidy(() => checkGradients((x) => resize(x as T4, 9, 4, options), [draw(2, 4, 7, 3)]));
    });

    it('antialiased is what becomes of a picture file (image/resize), with its gradient', () => {
      tf.tidy(() => {
        const x = draw(1, 16, 24, 3) as T4;
        const image = { width: 24, height: 16, channels: 3, data: x.dataSync<'float32'>() };
        const { data } = imresize(image, 1 / 4);
        resizeAntialiased(x, 4, 6)
          .dataSync()
          .forEach((v, i) => expect(v).toBeCloseTo(data[i], 5));
        checkGradients((t) => resizeAntialiased(t as T4, 4, 6), [x]);
      });
    });
  });

  describe('convolution', () => {
    const cases = [
      { name: '3x3, padding 1', kernel: [3, 3], options: { padding: 1 } },
      { name: '7x7, stride 2, no padding', kernel: [7, 7], options: { stride: 2 } },
      { name: '3x3, stride 2, padding 1', kernel: [3, 3], options: { stride: 2, padding: 1 } },
      { name: '1x1', kernel: [1, 1], options: {} },
      { name: '3x3, dilation 2, padding 2', kernel: [3, 3], options: { dilation: 2, padding: 2 } },
      { name: '3x2, dilation 3, padding 5 and 1', kernel: [3, 2], options: { dilation: 3, padding: [5, 1] } },
    ] as const;

    it.each(cases)('$name has the gradients of finite differences', ({ kernel, options }) => {
      tf.tidy(() =>
        checkGradients(
          (x, w, b) => conv2d(x as T4, w as T4, b as tf.Tensor1D, options),
          [draw(2, 10, 12, 3), draw(kernel[0], kernel[1], 3, 4), draw(4)],
        ),
      );
    });

    it.each(cases)('$name has the values of the sum that defines it', ({ kernel, options }) => {
      tf.tidy(() => {
        const [kh, kw] = kernel;
        const {
          stride = 1,
          dilation = 1,
          padding = 0,
        } = options as { stride?: number; dilation?: number; padding?: number };
        const [ph, pw] = Array.isArray(padding) ? (padding as number[]) : [padding, padding];
        const x = draw(1, 10, 12, 2) as T4;
        const w = draw(kh, kw, 2, 3) as T4;
        const b = draw(3) as tf.Tensor1D;
        const y = conv2d(x, w, b, options);
        const [xs, ws, bs, ys] = [x.arraySync(), w.arraySync(), b.arraySync(), y.arraySync()];
        for (let i = 0; i < y.shape[1]; i++) {
          for (let j = 0; j < y.shape[2]; j++) {
            for (let o = 0; o < 3; o++) {
              let sum = bs[o];
              for (let u = 0; u < kh; u++) {
                for (let v = 0; v < kw; v++) {
                  const [r, c] = [i * stride + u * dilation - ph, j * stride + v * dilation - pw];
                  for (let k = 0; k < 2; k++) sum += (xs[0][r]?.[c]?.[k] ?? 0) * ws[u][v][k][o];
                }
              }
              expect(Math.abs(ys[0][i][j][o] - sum)).toBeLessThan(1e-5);
            }
          }
        }
      });
    });

    it.each([
      { name: '3x3', kernel: [3, 3], options: { padding: 1 } },
      { name: '1x11 striped', kernel: [1, 11], options: { padding: [0, 5] } },
      { name: '11x1 striped', kernel: [11, 1], options: { padding: [5, 0] } },
      { name: '4x4, stride 4, rows left over', kernel: [4, 4], options: { stride: 4 } },
    ] as const)('depthwise $name has the gradients of finite differences', ({ kernel, options }) => {
      tf.tidy(() =>
        checkGradients(
          (x, w, b) => depthwiseConv2d(x as T4, w as T4, b as tf.Tensor1D, options),
          [draw(2, 13, 14, 5), draw(kernel[0], kernel[1], 5, 1), draw(5)],
        ),
      );
    });
  });

  describe('a convolution that sums nothing', () => {
    const cases: { what: string; x: T4['shape']; side: number; padding: number }[] = [
      { what: 'no columns', x: [2, 4, 0, 3], side: 3, padding: 1 },
      { what: 'no columns, 1x1', x: [2, 4, 0, 3], side: 1, padding: 0 },
      { what: 'no columns of many channels', x: [2, 4, 0, 200], side: 3, padding: 1 },
      { what: 'fewer columns than the filter', x: [2, 4, 2, 3], side: 3, padding: 0 },
      { what: 'padding alone', x: [2, 4, 0, 3], side: 3, padding: 2 },
      { what: 'no pictures', x: [0, 4, 4, 3], side: 3, padding: 1 },
      { what: 'no channels', x: [2, 4, 4, 0], side: 3, padding: 1 },
      { what: 'no channels, 1x1', x: [2, 4, 4, 0], side: 1, padding: 0 },
    ];

    it.each(cases)('$what: is its bias, and only the bias has a gradient', ({ x: shape, side, padding }) => {
      const c = shape[3];
      const check = (op: typeof depthwiseConv2d, filter: tf.Tensor, bias: tf.Tensor): void => {
        const [x, outputs] = [tf.zeros(shape), bias.size];
        const { value, grads } = tf.valueAndGrads((x, w, b) =>
          op(x as T4, w as T4, b as tf.Tensor1D, { padding }),
        )([x, filter, bias]);
        const pixels = value.size / outputs;
        expect(value.dataSync()).toEqual(tf.tile(bias, [pixels]).dataSync());
        grads.forEach((gradient, i) => {
          expect(gradient.shape).toEqual([x, filter, bias][i].shape);
          expect([...gradient.dataSync()].every((v) => v === (i === 2 ? pixels : 0))).toBe(true);
        });
      };
      tf.tidy(() => {
        check(conv2d, draw(side, side, c, 5), draw(5));
        if (c > 0) check(depthwiseConv2d, draw(side, side, c, 1), draw(c));
      });
    });
  });

  it('clamp passes the gradient inside and on its bounds, and none outside', () => {
    tf.tidy(() => {
      const gradient = tf.grad((x) => tf.sum(clamp(x, 0, 1)))(tf.tensor1d([-0.1, 0, 0.5, 1, 1.1]));
      expect([...gradient.dataSync()]).toEqual([0, 1, 1, 1, 0]);
    });
  });

  it('mean absolute error gives both sides sign / N, and 0 at a tie', () => {
    tf.tidy(() => {
      const [da, db] = tf.grads((a, b) => meanAbsoluteError(a, b))([
        tf.tensor1d([1, 2, 3, 4]),
        tf.tensor1d([2, 2, 1, 5]),
      ]);
      expect([...da.dataSync()]).toEqual([-0.25, 0, 0.25, -0.25]);
      expect([...db.dataSync()].map((v) => v + 0)).toEqual([0.25, 0, -0.25, 0.25]);
    });
  });

  it('leave no tensors behind in value and gradient', async () => {
    const [x, w, d, n] = [draw(1, 8, 8, 4), draw(3, 3, 4, 4), draw(3, 3, 4, 1), draw(4)];
    await leavesNoTensors(() => {
      const f = (x: tf.Tensor, w: tf.Tensor, d: tf.Tensor, n: tf.Tensor): tf.Tensor => {
        const y = depthwiseConv2d(conv2d(x as T4, w as T4, undefined, { padding: 1 }), d as T4, undefined, {
          padding: 1,
        });
        const z = layerNorm(gelu(y), n as tf.Tensor1D, n as tf.Tensor1D, 1e-6);
        const r = resize(pixelShuffle(z, 2), 7, 9, { mode: 'bicubic' });
        return meanAbsoluteError(clamp(r, -1, 1), tf.zerosLike(r));
      };
      tf.dispose(tf.valueAndGrads(f)([x, w, d, n]));
    });
    tf.dispose([x, w, d, n]);
  });
});
