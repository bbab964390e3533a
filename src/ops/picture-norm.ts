/**
 * Norm over a whole picture, torch.nn.GroupNorm with one group: with mean and biased variance over height, width and
 * channels, xhat = (x - mean) / sqrt(var + eps); y = xhat * weight + bias, channel by channel.
 */
import * as tf from '@tensorflow/tfjs-core';
import { channelSum } from './channel-sum';
import { requirePerChannel } from './shapes';

/**
 * @param x [B, H, W, C]
 * @param weight,bias [C]
 */
export function pictureNorm(
  x: tf.Tensor4D,
  weight: tf.Tensor1D,
  bias: tf.Tensor1D,
  epsilon: number,
): tf.Tensor4D {
  requirePerChannel('pictureNorm', x, { weight, bias });
  const op = tf.customGrad((...args) => {
    const [x, weight, bias, save] = args as [tf.Tensor4D, tf.Tensor1D, tf.Tensor1D, tf.GradSaveFunc];
    const [value, xhat, rstd] = tf.tidy((): tf.Tensor[] => {
      const centred = tf.sub(x, tf.mean(x, PICTURE, true));
      const rstd = tf.rsqrt(tf.add(tf.mean(tf.square(centred), PICTURE, true), epsilon)); // [B, 1, 1, 1]
      const xhat = tf.mul(centred, rstd);
      return [tf.add(tf.mul(xhat, weight), bias), xhat, rstd];
    });
    save([xhat, rstd, weight]);
    return {
      value,
      gradFunc: (dy: tf.Tensor, [xhat, rstd, weight]: tf.Tensor[]) =>
        tf.tidy(() => {
          // With g = dy * weight: dx = rstd * (g - mean(g) - xhat * mean(g * xhat)), means over the picture.
          const g = tf.mul(dy, weight);
          const along = tf.mul(xhat, tf.mean(tf.mul(g, xhat), PICTURE, true));
          const dx = tf.mul(rstd, tf.sub(tf.sub(g, tf.mean(g, PICTURE, true)), along));
          return [dx, channelSum(tf.mul(dy, xhat)), channelSum(dy)];
        }),
    };
  });
  return op(x, weight, bias) as tf.Tensor4D;
}

/** Axes of one picture of a batch. */
const PICTURE = [1, 2, 3];
