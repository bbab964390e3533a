/**
 * Pixel shuffle in PyTorch's colour-major channel order (Shi et al., CVPR 2016):
 * out[b, h r + i, w r + j, c] = in[b, h, w, c r r + i r + j].
 * TensorFlow's depthToSpace expects the block-major order and has no gradient, so it is not used.
 */
import * as tf from '@tensorflow/tfjs-core';
import { hasFused, runFused } from './fused';
import { misfit } from './shapes';

/** [B, H, W, C r r] to [B, H r, W r, C]. */
export function pixelShuffle(x: tf.Tensor4D, r: number): tf.Tensor4D {
  if (x.shape[3] % (r * r) !== 0) throw misfit('pixelShuffle', { x, r });
  const op = tf.customGrad((x) => ({
    value: shuffle(x as tf.Tensor4D, r),
    gradFunc: (dy: tf.Tensor) => pixelUnshuffle(dy as tf.Tensor4D, r),
  }));
  return op(x) as tf.Tensor4D;
}

function shuffle(x: tf.Tensor4D, r: number): tf.Tensor4D {
  if (hasFused('PixelShuffle')) return runFused('PixelShuffle', { x }, { r });
  const [b, h, w, crr] = x.shape;
  const c = crr / (r * r);
  return tf.tidy(() => {
    const blocks = tf.reshape(x, [b * h, w, c, r, r]);
    const rows = tf.transpose(blocks, [0, 3, 1, 4, 2]); // [b h, r, w, r, c]
    return tf.reshape(rows, [b, h * r, w * r, c]);
  });
}

/** The inverse of `pixelShuffle`, which is also its gradient: [B, H r, W r, C] to [B, H, W, C r r]. */
export function pixelUnshuffle(y: tf.Tensor4D, r: number): tf.Tensor4D {
  if (y.shape[1] % r !== 0 || y.shape[2] % r !== 0) throw misfit('pixelUnshuffle', { y, r });
  if (hasFused('PixelUnshuffle')) return runFused('PixelUnshuffle', { y }, { r });
  const [b, hr, wr, c] = y.shape;
  return tf.tidy(() => {
    const rows = tf.reshape(y, [(b * hr) / r, r, wr / r, r, c]);
    const blocks = tf.transpose(rows, [0, 2, 4, 1, 3]); // [b h, w, c, r, r]
    return tf.reshape(blocks, [b, hr / r, wr / r, c * r * r]);
  });
}
