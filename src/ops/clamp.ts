import * as tf from '@tensorflow/tfjs-core';

/** min(max(x, low), high); the gradient is 1 where low <= x <= high (both ends included, as torch.clamp), else 0. */
export function clamp<R extends tf.Rank>(x: tf.Tensor<R>, low: number, high: number): tf.Tensor<R> {
  return tf.clipByValue(x, low, high);
}
