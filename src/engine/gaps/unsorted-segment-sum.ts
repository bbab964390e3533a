import * as tf from '@tensorflow/tfjs-core';

/**
 * Sum of the rows of `x` that carry the same segment id: the gradient of a gather. A one-hot matrix product, which is
 * exact and fast where segments are few (the bias tables of window attention); rows with an id outside
 * [0, segments) are left out, as in TensorFlow.
 * @param x [N, ...]
 * @param ids [N], int32
 * @returns [segments, ...]
 */
export function unsortedSegmentSum(x: tf.Tensor, ids: tf.Tensor1D, segments: number): tf.Tensor {
  return tf.tidy(() => {
    const rows = tf.reshape(x, [ids.size, -1]);
    // Cast afterwards: the WebAssembly backend's float32 one-hot holds the bits of integers.
    const member = tf.cast(tf.oneHot(ids, segments), 'float32'); // [N, segments]
    const sums = tf.matMul(member, tf.cast(rows, 'float32'), true);
    return tf.cast(tf.reshape(sums, [segments, ...x.shape.slice(1)]), x.dtype);
  });
}
