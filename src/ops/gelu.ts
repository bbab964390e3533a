/**
 * Exact GELU, x Phi(x) = x (1 + erf(x / sqrt 2)) / 2 (Hendrycks and Gimpel, arXiv 1606.08415); never the tanh form,
 * which differs by up to 1e-3. TensorFlow.js's erf is good to 1.5e-7.
 */
import * as tf from '@tensorflow/tfjs-core';
import { hasFused, runFused } from './fused';

/** GELU of every element. Gradient: Phi(x) + x phi(x). */
export function gelu<R extends tf.Rank>(x: tf.Tensor<R>): tf.Tensor<R> {
  const op = tf.customGrad((x, save) => {
    (save as tf.GradSaveFunc)([x as tf.Tensor]);
    return { value: forward(x as tf.Tensor), gradFunc: (dy: tf.Tensor, [x]: tf.Tensor[]) => backward(dy, x) };
  });
  return op(x) as tf.Tensor<R>;
}

function forward(x: tf.Tensor): tf.Tensor {
  if (hasFused('Gelu')) return runFused('Gelu', { x });
  return tf.mul(x, normalCdf(x));
}

function backward(dy: tf.Tensor, x: tf.Tensor): tf.Tensor {
  if (hasFused('GeluGrad')) return runFused('GeluGrad', { dy, x });
  return tf.tidy(() => {
    const density = tf.mul(tf.exp(tf.mul(tf.square(x), -0.5)), 1 / Math.sqrt(2 * Math.PI));
    return tf.mul(dy, tf.add(normalCdf(x), tf.mul(x, density)));
  });
}

function normalCdf(x: tf.Tensor): tf.Tensor {
  return tf.tidy(() => tf.add(tf.mul(tf.erf(tf.mul(x, Math.SQRT1_2)), 0.5), 0.5));
}
