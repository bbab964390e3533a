/** Values that stand outside differentiation: PyTorch's `no_grad` and `detach`. */
import * as tf from '@tensorflow/tfjs-core';

/**
 * What `compute` returns, as a constant: nothing in it is recorded for a gradient, and its intermediates are freed at
 * once.
 * @param compute returns a tensor that it made itself
 */
export function noGradient<T extends tf.Tensor>(compute: () => T): T {
  // Inside a custom gradient the tape is off; one without inputs is never visited on the way back.
  return tf.customGrad(() => ({ value: compute(), gradFunc: () => [] }))();
}

/** As `noGradient`, for several tensors at once; they are copied once more than a single one. */
export function noGradients(compute: () => tf.Tensor[]): tf.Tensor[] {
  let shapes: number[][] = [];
  const flat = noGradient(() =>
    tf.tidy(() => {
      const found = compute();
      shapes = found.map((t) => t.shape);
      return tf.concat1d(found.map((t): tf.Tensor1D => tf.reshape(t, [-1])));
    }),
  );
  const sizes = shapes.map((shape) => shape.reduce((a, b) => a * b, 1));
  return tf.split(flat, sizes).map((part, i) => tf.reshape(part, shapes[i]));
}

/** x itself, through which no gradient passes. */
export function stopGradient<T extends tf.Tensor>(x: T): T {
  return noGradient(() => tf.clone(x));
}
