/**
 * The gradients of a convolution written as convolutions, so that any engine with a forward convolution has them.
 *
 * With y[b,p,o] = sum over taps t and channels i of x[b, s p + d t - pad, i] w[t,i,o] (stride s, dilation d):
 *
 *   dw[t,i,o] = sum over b and p of x[b, s p + d t - pad, i] dy[b,p,o]
 *
 * is again a convolution: x with batch and channels swapped is the image, dy with batch and channels swapped is the
 * filter, and stride and dilation exchange their roles. And
 *
 *   dx[b,q,i] = sum over t and o of dy[b, (q + pad - d t) / s, o] w[t,i,o], where the division is exact,
 *
 * is dy with s - 1 zeros between its pixels, convolved with w turned by 180 degrees and its channels swapped.
 */
import * as tf from '@tensorflow/tfjs-core';

export type Size4 = [number, number, number, number];

/** Stride, dilation and the zeros added before (top, left) the first sample: all that the gradients need to know. */
export interface ConvGeometry {
  readonly stride: readonly [number, number];
  readonly dilation: readonly [number, number];
  readonly before: readonly [number, number];
}

/**
 * dw: [B, H, W, I] and [B, H', W', O] to [kh, kw, I, O].
 * Stride and dilation must not both exceed 1 on an axis, as in every forward kernel of TensorFlow.js.
 */
export function filterGradient(
  x: tf.Tensor4D,
  dy: tf.Tensor4D,
  filterShape: Size4,
  at: ConvGeometry,
): tf.Tensor4D {
  return tf.tidy(() => {
    const read = placeWindow(x, readExtent(dy.shape, filterShape, at), at.before); // [B, >= H, >= W, I]
    const image = tf.transpose(read, [3, 1, 2, 0]); // [I, H, W, B]
    const filter = tf.transpose(dy, [1, 2, 0, 3]); // [H', W', B, O]
    const taps = tf.conv2d(image, filter, [...at.dilation], 'valid', 'NHWC', [...at.stride]); // [I, kh, kw, O]
    return tf.transpose(taps, [1, 2, 0, 3]);
  });
}

/** dx: [B, H', W', O] and [kh, kw, I, O] to [B, H, W, I]. */
export function inputGradient(
  dy: tf.Tensor4D,
  filter: tf.Tensor4D,
  inputShape: Size4,
  at: ConvGeometry,
): tf.Tensor4D {
  return tf.tidy(() => {
    const turned = tf.transpose(tf.reverse(filter, [0, 1]), [0, 1, 3, 2]); // [kh, kw, O, I]
    const spread = spreadForInput(dy, filter.shape, inputShape, at);
    return tf.conv2d(spread, turned, 1, 'valid', 'NHWC', [...at.dilation]);
  });
}

/** dy spread by the stride and padded (or cut) so that a valid stride-1 convolution of it has the input's size. */
export function spreadForInput(
  dy: tf.Tensor4D,
  filterShape: Size4,
  inputShape: Size4,
  at: ConvGeometry,
): tf.Tensor4D {
  const reach = [0, 1].map((a) => at.dilation[a] * (filterShape[a] - 1)) as [number, number];
  const size: [number, number] = [inputShape[1] + reach[0], inputShape[2] + reach[1]];
  const before: [number, number] = [reach[0] - at.before[0], reach[1] - at.before[1]];
  return placeWindow(insertZeros(dy, at.stride), size, before);
}

/** Rows and columns of (padded) input that a forward convolution with these sizes reads. */
export function readExtent(dyShape: Size4, filterShape: Size4, at: ConvGeometry): [number, number] {
  return [0, 1].map(
    (a) => at.stride[a] * (dyShape[a + 1] - 1) + at.dilation[a] * (filterShape[a] - 1) + 1,
  ) as [number, number];
}

/** The `size` window of an infinite zero plane that holds x with its first pixel at `before` (negative: outside). */
export function placeWindow(
  x: tf.Tensor4D,
  size: readonly [number, number],
  before: readonly [number, number],
): tf.Tensor4D {
  const [b, h, w, c] = x.shape;
  const cut = before.map((n) => Math.max(0, -n));
  const lead = before.map((n) => Math.max(0, n));
  const keep = [h, w].map((n, a) => Math.max(0, Math.min(n - cut[a], size[a] - lead[a])));
  const inside = tf.slice(x, [0, cut[0], cut[1], 0], [b, keep[0], keep[1], c]);
  return tf.pad(inside, [
    [0, 0],
    [lead[0], size[0] - lead[0] - keep[0]],
    [lead[1], size[1] - lead[1] - keep[1]],
    [0, 0],
  ]);
}

/** `stride - 1` zeros between neighbouring pixels. */
function insertZeros(x: tf.Tensor4D, [sh, sw]: readonly [number, number]): tf.Tensor4D {
  if (sh === 1 && sw === 1) return x;
  const [b, h, w, c] = x.shape;
  const cells = tf.reshape(x, [b * h, 1, w, c]);
  const wide = tf.pad(tf.reshape(cells, [b * h, w, 1, c]), [
    [0, 0],
    [0, 0],
    [0, sw - 1],
    [0, 0],
  ]); // [b h, w, sw, c]
  const tall = tf.pad(tf.reshape(wide, [b, h, 1, w * sw * c]), [
    [0, 0],
    [0, 0],
    [0, sh - 1],
    [0, 0],
  ]);
  const full: tf.Tensor4D = tf.reshape(tall, [b, h * sh, w * sw, c]);
  return tf.slice(full, [0, 0, 0, 0], [b, (h - 1) * sh + 1, (w - 1) * sw + 1, c]);
}
