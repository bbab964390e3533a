/** A 3x3 convolution of 64 channels on 8 maps of 64x64. */
import * as tf from '@tensorflow/tfjs-core';
import { conv2d } from '../../src/ops/conv';
import { serve } from './serve';

function tensors(): [tf.Tensor4D, tf.Tensor4D, tf.Tensor1D] {
  return [tf.randomNormal([8, 64, 64, 64]), tf.randomNormal([3, 3, 64, 64]), tf.randomNormal([64])];
}

void serve({
  forward: () => {
    const [x, w, b] = tensors();
    return () => conv2d(x, w, b, { padding: 1 }).dispose();
  },
  'forward+backward': () => {
    const [x, w, b] = tensors();
    const dy = tf.randomNormal([8, 64, 64, 64]);
    const conv = (x: tf.Tensor, w: tf.Tensor, b: tf.Tensor): tf.Tensor =>
      conv2d(x as tf.Tensor4D, w as tf.Tensor4D, b as tf.Tensor1D, { padding: 1 });
    const gradients = tf.grads(conv);
    return () => tf.dispose(gradients([x, w, b], dy));
  },
});
