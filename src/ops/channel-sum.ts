import * as tf from '@tensorflow/tfjs-core';

/** Sum over every axis but the last: [..., C] to [C]. The gradient of a per-channel bias. */
export function channelSum(x: tf.Tensor): tf.Tensor1D {
  return tf.tidy(() => tf.sum(tf.reshape(x, [-1, x.shape[x.rank - 1]]), 0));
}
