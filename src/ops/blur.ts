/**
 * One small filter over every channel, the blur of StyleGAN2's resampling (Karras et al., CVPR 2020):
 *
 *   out[y, x, c] = sum over i, j of kernel[i, j] in[y + i - padding, x + j - padding, c], zero outside.
 */
import * as tf from '@tensorflow/tfjs-core';
import { depthwiseConv2d } from './conv';

/**
 * Differentiable in x alone.
 * @param x [B, H, W, C]
 * @param kernel [k, k], k > padding
 * @returns [B, H + 2 padding - k + 1, W + 2 padding - k + 1, C]
 */
export function blur(x: tf.Tensor4D, kernel: tf.Tensor2D, padding: number): tf.Tensor4D {
  const op = tf.customGrad((x, save) => {
    (save as tf.GradSaveFunc)([kernel]);
    return {
      value: filtered(x as tf.Tensor4D, kernel, padding),
      gradFunc: (dy: tf.Tensor, [kernel]: tf.Tensor[]) =>
        tf.tidy(() => {
          const turned = tf.reverse(kernel as tf.Tensor2D);
          return filtered(dy as tf.Tensor4D, turned, turned.shape[0] - 1 - padding);
        }),
    };
  });
  return op(x);
}

function filtered(x: tf.Tensor4D, kernel: tf.Tensor2D, padding: number): tf.Tensor4D {
  const [k, channels] = [kernel.shape[0], x.shape[3]];
  return tf.tidy(() => {
    const filter = tf.tile(tf.reshape<tf.Rank.R4>(kernel, [k, k, 1, 1]), [1, 1, channels, 1]);
    return depthwiseConv2d(x, filter, undefined, { padding });
  });
}
