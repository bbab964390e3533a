import * as tf from '@tensorflow/tfjs-core';
import type { FlowEstimator } from '../src/flow/estimator';

/** A flow estimator that always answers `flow`, and remembers what it was asked. */
export function fixedFlow(flow: tf.Tensor4D): FlowEstimator & { asked: tf.Tensor4D[] } {
  const asked: tf.Tensor4D[] = [];
  return {
    name: 'pwc-net-rgb',
    asked,
    estimate(first, second) {
      asked.push(tf.keep(tf.clone(first)), tf.keep(tf.clone(second)));
      return tf.clone(flow);
    },
  };
}
