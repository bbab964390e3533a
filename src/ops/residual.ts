import * as tf from '@tensorflow/tfjs-core';

/**
 * x + factor y, for x and y of one shape. The gradient needs neither of them: TensorFlow.js's own sum would keep both until
 * the backward pass, a map for every residual connection.
 */
export function residual(x: tf.Tensor4D, y: tf.Tensor4D, factor = 1): tf.Tensor4D {
  const scaled = <T extends tf.Tensor>(t: T): T => (factor === 1 ? t : tf.mul(t, factor));
  const op = tf.customGrad((x, y) => ({
    value: tf.add(x as tf.Tensor, scaled(y as tf.Tensor)),
    gradFunc: (dy: tf.Tensor) => [dy, scaled(dy)],
  }));
  return op(x, y) as tf.Tensor4D;
}
