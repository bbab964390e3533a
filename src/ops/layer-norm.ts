/**
 * Layer norm over the last (channel) axis with the biased variance, as torch.nn.LayerNorm and the channel norm of
 * SeeMoRe: xhat = (x - mean) / sqrt(var + eps); y = xhat * weight + bias.
 */
import * as tf from '@tensorflow/tfjs-core';
import { channelSum } from './channel-sum';
import { hasFused, runFused } from './fused';
import { requirePerChannel } from './shapes';

/**
 * @param x [..., C]
 * @param weight [C]
 * @param bias [C]
 * @param epsilon added to the variance: 1e-5 in SwinIR and DAT, 1e-6 in SeeMoRe
 */
export function layerNorm<R extends tf.Rank>(
  x: tf.Tensor<R>,
  weight: tf.Tensor1D,
  bias: tf.Tensor1D,
  epsilon: number,
): tf.Tensor<R> {
  requirePerChannel('layerNorm', x, { weight, bias });
  const op = tf.customGrad((x, weight, bias, save) => {
    const fused = hasFused('LayerNorm');
    const [value, xhat, rstd] = fused
      ? runFused<tf.Tensor[]>(
          'LayerNorm',
          { x: x as tf.Tensor, weight: weight as tf.Tensor, bias: bias as tf.Tensor },
          { epsilon },
        )
      : forward(x as tf.Tensor, weight as tf.Tensor, bias as tf.Tensor, epsilon);
    (save as tf.GradSaveFunc)([xhat, rstd, weight as tf.Tensor]);
    return {
      value,
      gradFunc: (dy: tf.Tensor, [xhat, rstd, weight]: tf.Tensor[]) =>
        fused
          ? runFused<tf.Tensor[]>('LayerNormGrad', { dy, xhat, rstd, weight })
          : backward(dy, xhat, rstd, weight),
    };
  });
  return op(x, weight, bias) as tf.Tensor<R>;
}

function forward(x: tf.Tensor, weight: tf.Tensor, bias: tf.Tensor, epsilon: number): tf.Tensor[] {
  return tf.tidy(() => {
    const centred = tf.sub(x, tf.mean(x, -1, true));
    const rstd = tf.rsqrt(tf.add(tf.mean(tf.square(centred), -1, true), epsilon)); // [..., 1]
    const xhat = tf.mul(centred, rstd);
    return [tf.add(tf.mul(xhat, weight), bias), xhat, rstd];
  });
}

/** With g = dy * weight: dx = rstd * (g - mean(g) - xhat * mean(g * xhat)), means over the channels. */
function backward(dy: tf.Tensor, xhat: tf.Tensor, rstd: tf.Tensor, weight: tf.Tensor): tf.Tensor[] {
  return tf.tidy(() => {
    const g = tf.mul(dy, weight);
    const along = tf.mul(xhat, tf.mean(tf.mul(g, xhat), -1, true));
    const dx = tf.mul(rstd, tf.sub(tf.sub(g, tf.mean(g, -1, true)), along));
    return [dx, channelSum(tf.mul(dy, xhat)), channelSum(dy)];
  });
}
