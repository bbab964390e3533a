/**
 * Batch norm over every axis but the last, as torch.nn.BatchNorm2d on NHWC maps: y = (x - mean) / sqrt(variance + eps)
 * * weight + bias, with the batch's mean and biased variance in training and the running ones at test.
 *
 * An engine may supply the training form as two fused kernels (`fused.ts`):
 *
 *   BatchNormTraining      inputs x [..., C], weight, bias [C]; attrs epsilon
 *                          outputs y [..., C]; mean, variance (biased), rstd = 1 / sqrt(variance + epsilon), all [C]
 *   BatchNormTrainingGrad  inputs dy, x [..., C], weight, mean, rstd [C]
 *                          outputs dx [..., C], dweight, dbias [C]
 */
import * as tf from '@tensorflow/tfjs-core';
import { channelSum } from './channel-sum';
import { hasFused, runFused } from './fused';
import { requirePerChannel } from './shapes';

/**
 * With given statistics, which are constants to the gradient.
 * @param x [..., C]
 * @param mean,variance [C], held by variables (they must outlive the gradient)
 */
export function batchNorm<R extends tf.Rank>(
  x: tf.Tensor<R>,
  weight: tf.Tensor1D,
  bias: tf.Tensor1D,
  mean: tf.Tensor1D,
  variance: tf.Tensor1D,
  epsilon: number,
): tf.Tensor<R> {
  requirePerChannel('batchNorm', x, { weight, bias, mean, variance });
  const op = tf.customGrad((...args) => {
    const [x, weight, bias, save] = args as unknown as [tf.Tensor, tf.Tensor1D, tf.Tensor1D, tf.GradSaveFunc];
    const rstd = tf.rsqrt(tf.add(variance, epsilon));
    const slope = tf.mul(weight, rstd);
    save([x, slope, rstd]);
    return {
      value: tf.add(tf.mul(x, slope), tf.sub(bias, tf.mul(mean, slope))),
      gradFunc: (dy: tf.Tensor, [x, slope, rstd]: tf.Tensor[]) => {
        const dweight = tf.mul(channelSum(tf.mul(dy, tf.sub(x, mean))), rstd);
        return [tf.mul(dy, slope), dweight, channelSum(dy)];
      },
    };
  });
  return op(x, weight, bias) as tf.Tensor<R>;
}

/**
 * With the statistics of the batch.
 * @param x [..., C], at least two values a channel
 * @param onStatistics called with the batch's mean and biased variance, [C] each, which live only during the call
 */
export function batchNormTraining<R extends tf.Rank>(
  x: tf.Tensor<R>,
  weight: tf.Tensor1D,
  bias: tf.Tensor1D,
  epsilon: number,
  onStatistics: (mean: tf.Tensor1D, variance: tf.Tensor1D) => void,
): tf.Tensor<R> {
  requirePerChannel('batchNormTraining', x, { weight, bias });
  const op = tf.customGrad((...args) => {
    const [x, weight, bias, save] = args as unknown as [tf.Tensor, tf.Tensor1D, tf.Tensor1D, tf.GradSaveFunc];
    const fused = hasFused('BatchNormTraining');
    const [y, mean, variance, rstd] = fused
      ? runFused<tf.Tensor[]>('BatchNormTraining', { x, weight, bias }, { epsilon })
      : forward(x, weight, bias, epsilon);
    onStatistics(mean as tf.Tensor1D, variance as tf.Tensor1D);
    save([x, weight, mean, rstd]);
    return {
      value: y,
      gradFunc: (dy: tf.Tensor, [x, weight, mean, rstd]: tf.Tensor[]) =>
        fused
          ? runFused<tf.Tensor[]>('BatchNormTrainingGrad', { dy, x, weight, mean, rstd })
          : backward(dy, x, weight, mean, rstd),
    };
  });
  return op(x, weight, bias) as tf.Tensor<R>;
}

function forward(x: tf.Tensor, weight: tf.Tensor, bias: tf.Tensor, epsilon: number): tf.Tensor[] {
  return tf.tidy(() => {
    const count = x.size / x.shape[x.rank - 1];
    const mean = tf.div(channelSum(x), count);
    const centred = tf.sub(x, mean);
    const variance = tf.div(channelSum(tf.square(centred)), count);
    const rstd = tf.rsqrt(tf.add(variance, epsilon));
    return [tf.add(tf.mul(centred, tf.mul(weight, rstd)), bias), mean, variance, rstd];
  });
}

/** With g = dy weight: dx = rstd (g - mean(g) - xhat mean(g xhat)), means over the batch. */
function backward(
  dy: tf.Tensor,
  x: tf.Tensor,
  weight: tf.Tensor,
  mean: tf.Tensor,
  rstd: tf.Tensor,
): tf.Tensor[] {
  return tf.tidy(() => {
    const count = x.size / x.shape[x.rank - 1];
    const xhat = tf.mul(tf.sub(x, mean), rstd);
    const dbias = channelSum(dy);
    const dweight = channelSum(tf.mul(dy, xhat));
    const common = tf.add(tf.div(dbias, count), tf.mul(xhat, tf.div(dweight, count)));
    return [tf.mul(tf.sub(dy, common), tf.mul(weight, rstd)), dweight, dbias];
  });
}
