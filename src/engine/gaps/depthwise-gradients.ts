/** The gradients of a depthwise convolution (one output per channel), from slices, products and a depthwise convolution. */
import * as tf from '@tensorflow/tfjs-core';
import { placeWindow, readExtent, spreadForInput, type ConvGeometry, type Size4 } from './conv-gradients';

/** dx: [B, H', W', C] and [kh, kw, C, 1] to [B, H, W, C]. The same rule as for a full convolution. */
export function depthwiseInputGradient(
  dy: tf.Tensor4D,
  filter: tf.Tensor4D,
  inputShape: Size4,
  at: ConvGeometry,
): tf.Tensor4D {
  return tf.tidy(() => {
    const spread = spreadForInput(dy, filter.shape, inputShape, at);
    return tf.depthwiseConv2d(spread, tf.reverse(filter, [0, 1]), 1, 'valid', 'NHWC', [...at.dilation]);
  });
}

/** dw: [B, H, W, C] and [B, H', W', C] to [kh, kw, C, 1]. One product and sum a tap. */
export function depthwiseFilterGradient(
  x: tf.Tensor4D,
  dy: tf.Tensor4D,
  filterShape: Size4,
  at: ConvGeometry,
): tf.Tensor4D {
  return tf.tidy(() => {
    const [kh, kw, c] = filterShape;
    const [b, h, w] = dy.shape;
    const read = placeWindow(x, readExtent(dy.shape, filterShape, at), at.before);
    const flat = tf.reshape(dy, [b * h * w, c]);
    const taps: tf.Tensor[] = [];
    for (let i = 0; i < kh; i++) {
      for (let j = 0; j < kw; j++) {
        const begin = [0, i * at.dilation[0], j * at.dilation[1], 0];
        const end = [b, begin[1] + (h - 1) * at.stride[0] + 1, begin[2] + (w - 1) * at.stride[1] + 1, c];
        const seen = tf.stridedSlice(read, begin, end, [1, at.stride[0], at.stride[1], 1]);
        taps.push(tf.tidy(() => tf.sum(tf.mul(tf.reshape(seen, [b * h * w, c]), flat), 0)));
      }
    }
    return tf.reshape(tf.stack(taps), [kh, kw, c, 1]);
  });
}
