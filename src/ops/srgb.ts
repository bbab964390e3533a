/** sRGB's curve (IEC 61966-2-1) on tensors, differentiable: the twins of the functions of these names in `image/colour`. */
import * as tf from '@tensorflow/tfjs-core';
import { noGradient } from './no-gradient';

/** Encoded values in [0,1] to linear light in [0,1]; below 0 the straight part goes on. */
export function srgbToLinear<T extends tf.Tensor>(v: T): T {
  const dark = noGradient(() => tf.lessEqual(v, 0.04045));
  // The branch not taken gets a harmless argument, so that its gradient is 0 and not NaN.
  const bright = tf.where(dark, tf.onesLike(v), v);
  return tf.where(dark, tf.div(v, 12.92), tf.pow(tf.div(tf.add(bright, 0.055), 1.055), 2.4)) as T;
}

/** Linear light to encoded values, the inverse of `srgbToLinear`. */
export function linearToSrgb<T extends tf.Tensor>(v: T): T {
  const dark = noGradient(() => tf.lessEqual(v, 0.0031308));
  const bright = tf.where(dark, tf.onesLike(v), v);
  return tf.where(dark, tf.mul(v, 12.92), tf.sub(tf.mul(tf.pow(bright, 1 / 2.4), 1.055), 0.055)) as T;
}
