/**
 * Gradients against finite differences. For a random direction d and a random weighting c of the outputs,
 * the slope of s(t) = sum c f(x + t d) at 0 must be the inner product of d and the gradient of s.
 */
import * as tf from '@tensorflow/tfjs-core';
import { expect } from 'vitest';
import { Random } from '../src/util/random';

/** A tensor of uniform values in [low, high). */
export function randomTensor(random: Random, shape: readonly number[], low = -1, high = 1): tf.Tensor {
  const size = shape.reduce((a, b) => a * b, 1);
  return tf.tensor(
    Float32Array.from({ length: size }, () => random.uniform(low, high)),
    [...shape],
  );
}

export interface GradientCheck {
  /** Step of the finite difference. */
  readonly epsilon?: number;
  /** Allowed error relative to the size of the slope's terms. */
  readonly tolerance?: number;
}

/** Checks df/dx for every input of `f`, in three random directions each. */
export function checkGradients(
  f: (...inputs: tf.Tensor[]) => tf.Tensor,
  inputs: readonly tf.Tensor[],
  { epsilon = 2e-2, tolerance = 5e-3 }: GradientCheck = {},
): void {
  const random = new Random('gradient-check');
  tf.tidy(() => {
    const weights = randomTensor(random, f(...inputs).shape);
    const gradients = tf.grads((...xs: tf.Tensor[]) => tf.sum(tf.mul(f(...xs), weights)))([...inputs]);
    const score = (xs: readonly tf.Tensor[]): number => {
      // Summed in double precision: the difference of two near sums is what is measured.
      return total(tf.mul(f(...xs), weights));
    };
    inputs.forEach((x, i) => {
      expect(gradients[i].shape, `shape of gradient ${i}`).toEqual(x.shape);
      for (let trial = 0; trial < 3; trial++) {
        const direction = randomTensor(random, x.shape);
        const at = (t: number): number =>
          score(inputs.map((input, j) => (j === i ? tf.add(input, tf.mul(direction, t)) : input)));
        const measured = (at(epsilon) - at(-epsilon)) / (2 * epsilon);
        const terms = tf.mul(gradients[i], direction);
        const computed = total(terms);
        const scale = Math.sqrt(total(tf.square(terms)));
        expect(
          Math.abs(measured - computed),
          `input ${i}: measured ${measured}, computed ${computed}`,
        ).toBeLessThan(tolerance * Math.max(scale, 1e-3) + tolerance * Math.abs(computed));
      }
    });
  });
}

/** Sum of all elements in double precision. */
function total(x: tf.Tensor): number {
  return (x.dataSync() as Float32Array).reduce((sum, v) => sum + v, 0);
}
