import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import * as colour from '../../src/image/colour';
import { linearToSrgb, srgbToLinear } from '../../src/ops/srgb';
import { startTestEngine, TEST_ENGINE } from '../engines';

describe(`sRGB's curve on ${TEST_ENGINE}`, () => {
  beforeAll(startTestEngine);

  const values = [-0.02, 0, 0.001, 0.0031308, 0.0032, 0.04045, 0.041, 0.2, 0.7, 1, 1.1];

  it.each(['srgbToLinear', 'linearToSrgb'] as const)('%s is that of numbers, at both its pieces', (name) => {
    const of = { srgbToLinear, linearToSrgb }[name];
    const found = tf.tidy(() => of(tf.tensor1d(values)).dataSync());
    values.forEach((v, i) => expect(found[i]).toBeCloseTo(colour[name](v), 6));
  });

  it('both have the slope of their finite differences, also at 0', () => {
    for (const of of [srgbToLinear<tf.Tensor>, linearToSrgb<tf.Tensor>]) {
      const points = [0, 0.002, 0.02, 0.3, 0.9];
      const step = 1e-3;
      tf.tidy(() => {
        const x = tf.tensor1d(points);
        const slope = tf
          .grad((v) => tf.sum(of(v)))(x)
          .dataSync();
        const rise = tf.sub(of(tf.add(x, step)), of(tf.sub(x, step))).dataSync();
        points.forEach((_, i) => expect(slope[i]).toBeCloseTo(rise[i] / (2 * step), 1));
      });
    }
  });
});
