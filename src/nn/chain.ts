/** Layers one after the other. */
import * as tf from '@tensorflow/tfjs-core';

/**
 * The last layer's output, [B, H, W, C]. What is made on the way is freed at once (a gradient keeps what it needs), so a
 * picture passes through a deep network in the memory of one layer.
 */
export function chain(
  x: tf.Tensor4D,
  layers: readonly { forward(x: tf.Tensor4D): tf.Tensor4D }[],
): tf.Tensor4D {
  let y = x;
  for (const layer of layers) {
    const next = tf.tidy(() => layer.forward(y));
    if (y !== x && y !== next) y.dispose();
    y = next;
  }
  return y;
}
