import * as tf from '@tensorflow/tfjs-core';
import { hasFused, runFused } from './fused';

/** Sum over every axis but the last: [..., C] to [C]. The gradient of a per-channel bias. Fused kernel: `ChannelSum`, input x. */
export function channelSum(x: tf.Tensor): tf.Tensor1D {
  if (hasFused('ChannelSum')) return runFused<tf.Tensor1D>('ChannelSum', { x });
  return tf.tidy(() => tf.sum(tf.reshape(x, [-1, x.shape[x.rank - 1]]), 0));
}
