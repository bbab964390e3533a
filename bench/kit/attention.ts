/** Window attention of SwinIR-light (60 channels, 6 heads, 8x8 windows, batch 8, 32x32) from qkv to the heads' outputs. */
import * as tf from '@tensorflow/tfjs-core';
import { relativePositionBias } from '../../src/ops/relative-position-bias';
import { windowAttention } from '../../src/ops/window-attention';
import { serve, type Run } from './serve';

function attention(shift: number): () => Run {
  return () => {
    const qkv = tf.randomNormal([8, 32, 32, 180]);
    const table = tf.randomNormal([225, 6]);
    const dy = tf.randomNormal([8, 32, 32, 60]);
    const options = {
      heads: 6,
      scale: 10 ** -0.5,
      groups: [{ window: [8, 8], shift: [shift, shift] }],
    } as const;
    const gradients = tf.grads((qkv, table) =>
      windowAttention(qkv as tf.Tensor4D, relativePositionBias(table as tf.Tensor2D, [8, 8]), options),
    );
    return () => tf.dispose(gradients([qkv, table], dy));
  };
}

void serve({ plain: attention(0), shifted: attention(4) });
