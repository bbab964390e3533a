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

/** x itself, through which no gradient passes. */
export function stopGradient<T extends tf.Tensor>(x: T): T {
  return noGradient(() => tf.clone(x));
}
