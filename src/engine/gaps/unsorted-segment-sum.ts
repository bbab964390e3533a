import * as tf from '@tensorflow/tfjs-core';

/**
 * Sum of the rows of `x` that carry the same segment id: the gradient of a gather. Rows with an id outside [0, segments)
 * are left out, as in TensorFlow.
 * @param x [N, ...]
 * @param ids [N], int32
 * @returns [segments, ...]
 */
export function unsortedSegmentSum(x: tf.Tensor, ids: tf.Tensor1D, segments: number): tf.Tensor {
  return tf.tidy(() => {
    const exists = tf.logicalAnd(tf.greaterEqual(ids, 0), tf.less(ids, segments));
    const rows = tf.where<tf.Tensor>(exists, ids, tf.scalar(segments, 'int32')); // those left out: one row more
    const inner = x.shape.slice(1);
    const sums = tf.scatterND(tf.expandDims(rows, 1), x, [segments + 1, ...inner]); // adds up duplicates
    return tf.slice(sums, new Array<number>(x.rank).fill(0), [segments, ...inner]);
  });
}
