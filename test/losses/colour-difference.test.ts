import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { rgbToLab } from '../../src/image/colour';
import { cielabTerm, toLab } from '../../src/losses/colour-difference';
import { Random } from '../../src/util/random';
import { leavesNoTensors, startTestEngine, TEST_ENGINE } from '../engines';
import { checkGradients } from '../gradient-check';

beforeAll(startTestEngine);

describe(`The weight-free colour term on ${TEST_ENGINE}`, () => {
  const random = new Random(11, 'colour');
  const draw = (n: number, low: number, high: number): Float32Array =>
    Float32Array.from({ length: n }, () => random.uniform(low, high));

  it('converts to CIELAB as the image code does, black and white included', () => {
    tf.tidy(() => {
      const data = draw(3 * 60, 0, 1);
      data.set([0, 0, 0, 1, 1, 1, 0.02, 0.03, 0.04, 0.5, 0.5, 0.5]);
      const expected = rgbToLab({ width: 10, height: 6, channels: 3, data }).data;
      const found = toLab(tf.tensor4d(data, [1, 6, 10, 3])).dataSync();
      for (let i = 0; i < expected.length; i++) expect(Math.abs(found[i] - expected[i])).toBeLessThan(2e-3);
    });
  });

  it('is the mean CIELAB distance of each picture', () => {
    tf.tidy(() => {
      // Lightness 50 and 60 on a grey picture: 10 apart, softened by far less than 1e-4.
      const grey = (l: number): number => {
        const linear = ((l + 16) / 116) ** 3;
        return 1.055 * linear ** (1 / 2.4) - 0.055;
      };
      const first = tf.fill<tf.Rank.R4>([2, 3, 3, 3], grey(50));
      const second = tf.concat([
        tf.fill<tf.Rank.R4>([1, 3, 3, 3], grey(60)),
        tf.fill<tf.Rank.R4>([1, 3, 3, 3], grey(50)),
      ]);
      const [apart, same] = cielabTerm.difference(first, second).dataSync();
      expect(apart).toBeCloseTo(10, 3);
      expect(same).toBeCloseTo(0.01, 3);
    });
  });

  it('has the gradient of finite differences, in dark pixels too', async () => {
    await leavesNoTensors(() => {
      tf.tidy(() => {
        const shape: [number, number, number, number] = [2, 2, 3, 3];
        for (const [low, high] of [
          [0.1, 0.9],
          [0.005, 0.03],
        ]) {
          const [a, b] = [tf.tensor4d(draw(36, low, high), shape), tf.tensor4d(draw(36, low, high), shape)];
          checkGradients((x, y) => cielabTerm.difference(x as tf.Tensor4D, y as tf.Tensor4D), [a, b], {
            epsilon: 1e-3,
            tolerance: 3e-2,
          });
        }
      });
    });
  });

  it('has a finite gradient on black, white and equal pictures', () => {
    tf.tidy(() => {
      const extremes = tf.tensor4d([0, 0, 0, 1, 1, 1, 0, 1, 0, 0.04045, 0, 1], [1, 2, 2, 3]);
      for (const other of [tf.zerosLike(extremes), tf.onesLike(extremes), extremes]) {
        const gradient = tf
          .grad((x) => cielabTerm.difference(x as tf.Tensor4D, other))(extremes)
          .dataSync<'float32'>();
        expect(gradient.every(Number.isFinite)).toBe(true);
      }
    });
  });
});
