/** A small op, many times: what one call costs. */
import * as tf from '@tensorflow/tfjs-core';
import { serve } from './serve';

void serve({
  add: () => {
    const x = tf.ones([2, 2]);
    return () => {
      for (let i = 0; i < 10000; i++) tf.add(x, x).dispose();
    };
  },
});
