import * as tf from '@tensorflow/tfjs-core';

/**
 * mean |a - b| over every element, a scalar. The gradient of a tie is 0, as in PyTorch (TensorFlow.js's abs would give
 * -1 there). Both inputs get gradients.
 */
export function meanAbsoluteError(a: tf.Tensor, b: tf.Tensor): tf.Scalar {
  const op = tf.customGrad((a, b, save) => {
    const difference = tf.sub(a as tf.Tensor, b as tf.Tensor);
    (save as tf.GradSaveFunc)([difference]);
    return {
      value: tf.mean(tf.abs(difference)),
      gradFunc: (dy: tf.Tensor, [difference]: tf.Tensor[]) => {
        const da = tf.mul(tf.sign(difference), tf.div(dy, difference.size));
        return [da, tf.neg(da)];
      },
    };
  });
  return op(a, b) as tf.Scalar;
}
