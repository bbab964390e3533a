/** Gradients against finite differences, for ops that have no golden of their own. */
import * as tf from '@tensorflow/tfjs-core';
import { expect } from 'vitest';

/**
 * Claims that the gradient of sum(op(inputs) * cotangent) in every input is its central difference. The cotangent is
 * fixed and irregular; float32 limits the agreement to about 1e-2 of the largest gradient at a step of 1e-2.
 * @param tolerance of each tensor's largest difference, relative to its largest gradient
 */
export function expectGradientOf(
  op: (...inputs: tf.Tensor[]) => tf.Tensor,
  inputs: readonly tf.Tensor[],
  { step = 1e-2, tolerance = 1e-2 }: { step?: number; tolerance?: number } = {},
): void {
  tf.tidy(() => {
    const weigh = (y: tf.Tensor): tf.Scalar => {
      const cotangent = Float32Array.from({ length: y.size }, (_, i) => Math.sin(1 + 2.399 * i));
      return tf.sum(tf.mul(y, tf.tensor(cotangent, y.shape)));
    };
    const gradients = tf.grads((...x: tf.Tensor[]) => weigh(op(...x)))([...inputs]);
    inputs.forEach((input, which) => {
      const values = input.dataSync().slice() as Float32Array;
      const value = (at: number, by: number): number =>
        tf.tidy(() => {
          const moved = values.slice();
          moved[at] += by;
          const all = inputs.map((x, i) => (i === which ? tf.tensor(moved, input.shape) : x));
          return weigh(op(...all)).dataSync()[0];
        });
      const found = gradients[which].dataSync();
      let worst = 0;
      let scale = 0;
      for (let i = 0; i < values.length; i++) {
        const expected = (value(i, step) - value(i, -step)) / (2 * step);
        worst = Math.max(worst, Number.isFinite(found[i]) ? Math.abs(found[i] - expected) : Infinity);
        scale = Math.max(scale, Math.abs(expected));
      }
      expect(scale, `input ${which}: some gradient`).toBeGreaterThan(0);
      expect(worst, `input ${which}: gradients up to ${scale}`).toBeLessThanOrEqual(tolerance * scale);
    });
  });
}
