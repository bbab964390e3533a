/**
 * Every pixel repeated 2x2 (nearest-neighbour upsampling by 2), with its gradient, the sum of the four copies. Copies of
 * whole rows, on every engine; TensorFlow.js's own resize has no gradient kernel everywhere.
 */
import * as tf from '@tensorflow/tfjs-core';
import { hasFused, runFused } from './fused';

/** [B, H, W, C] to [B, 2H, 2W, C]. */
export function nearestUpsample2(x: tf.Tensor4D): tf.Tensor4D {
  const op = tf.customGrad((x) => ({
    value: repeat(x as tf.Tensor4D),
    gradFunc: (dy: tf.Tensor) => sumOfCopies(dy as tf.Tensor4D),
  }));
  return op(x) as tf.Tensor4D;
}

function repeat(x: tf.Tensor4D): tf.Tensor4D {
  if (hasFused('NearestUpsample2')) return runFused('NearestUpsample2', { x });
  const [b, h, w, c] = x.shape;
  return tf.tidy(() => {
    const pixels = tf.reshape(x, [b * h * w, c]);
    const rows = tf.reshape(tf.concat([pixels, pixels], 1), [b * h, 2 * w * c]);
    return tf.reshape(tf.concat([rows, rows], 1), [b, 2 * h, 2 * w, c]);
  });
}

function sumOfCopies(dy: tf.Tensor4D): tf.Tensor4D {
  const [b, h2, w2, c] = dy.shape;
  return tf.tidy(() => {
    const [upper, lower] = tf.split(tf.reshape(dy, [(b * h2) / 2, 2 * w2 * c]), 2, 1);
    const [left, right] = tf.split(tf.reshape(tf.add(upper, lower), [(b * h2 * w2) / 4, 2 * c]), 2, 1);
    return tf.reshape(tf.add(left, right), [b, h2 / 2, w2 / 2, c]);
  });
}
