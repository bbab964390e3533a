/**
 * Resizing as two constant matrices, out = M_h X M_w^T: every interpolation that PyTorch's `interpolate` offers and the
 * kit needs is separable and linear, and so is its gradient (the transposed matrices). TensorFlow.js's own resizes are
 * not used: bicubic is missing and the gradient of half-pixel bilinear ignores the half-pixel rule.
 *
 * Resizing of image files is `image/resize.ts`; this file is for tensors inside a network.
 */
import * as tf from '@tensorflow/tfjs-core';
import { cubicWeights } from '../image/resize';
import { hasFused, runFused } from './fused';

export type ResizeMode = 'nearest' | 'bilinear' | 'bicubic';

export interface ResizeOptions {
  readonly mode: ResizeMode;
  /** True: the corner pixels' centres coincide. False (PyTorch's default): half-pixel centres. Not for `nearest`. */
  readonly alignCorners?: boolean;
}

/** [B, H, W, C] to [B, height, width, C], as torch.nn.functional.interpolate without antialiasing or clamping. */
export function resize(x: tf.Tensor4D, height: number, width: number, options: ResizeOptions): tf.Tensor4D {
  // Only an engine that never differentiates has this kernel; the matrices bring their own gradient.
  if (hasFused('Resize')) return runFused('Resize', { x }, { height, width, ...options });
  const [, h, w] = x.shape;
  const rows = interpolationMatrix(h, height, options);
  const columns = interpolationMatrix(w, width, options);
  return resizeSeparable(x, rows, columns);
}

/** [B, H, W, C] to [B, height, width, C], smaller, by MATLAB's antialiased bicubic (`image/resize`), not clamped. */
export function resizeAntialiased(x: tf.Tensor4D, height: number, width: number): tf.Tensor4D {
  const [, h, w] = x.shape;
  return resizeSeparable(x, antialiasedMatrix(h, height), antialiasedMatrix(w, width));
}

function antialiasedMatrix(from: number, to: number): AxisMatrix {
  const { taps, index, weight } = cubicWeights(from, to, to / from, 'symmetric');
  const data = new Float64Array(to * from);
  weight.forEach((value, i) => (data[Math.floor(i / taps) * from + index[i]] += value));
  return { out: to, in: from, data: Float32Array.from(data) };
}

/** A linear map of one axis: `data` is row-major [out, in]. */
export interface AxisMatrix {
  readonly out: number;
  readonly in: number;
  readonly data: Float32Array;
}

/** [B, H, W, C] to [B, rows.out, columns.out, C]: rows X columns^T in every channel, differentiable in x. */
export function resizeSeparable(x: tf.Tensor4D, rows: AxisMatrix, columns: AxisMatrix): tf.Tensor4D {
  const op = tf.customGrad((x) => ({
    value: applyMatrices(x as tf.Tensor4D, rows, columns, false),
    gradFunc: (dy: tf.Tensor) => applyMatrices(dy as tf.Tensor4D, rows, columns, true),
  }));
  return op(x) as tf.Tensor4D;
}

function applyMatrices(
  x: tf.Tensor4D,
  rows: AxisMatrix,
  columns: AxisMatrix,
  transpose: boolean,
): tf.Tensor4D {
  const [b, h, w, c] = x.shape;
  const height = transpose ? rows.in : rows.out;
  const width = transpose ? columns.in : columns.out;
  return tf.tidy(() => {
    const mh = tf.tensor3d(rows.data, [1, rows.out, rows.in]);
    const mw = tf.tensor3d(columns.data, [1, columns.out, columns.in]);
    const tall = tf.matMul(mh, tf.reshape(x, [b, h, w * c]), transpose); // [b, height, w c]
    const done = tf.matMul(mw, tf.reshape(tall, [b * height, w, c]), transpose); // [b height, width, c]
    return tf.reshape(done, [b, height, width, c]);
  });
}

/** Weights of a 1-D interpolation from `from` to `to` samples. Border samples are repeated, as in PyTorch. */
export function interpolationMatrix(from: number, to: number, options: ResizeOptions): AxisMatrix {
  const { mode, alignCorners = false } = options;
  const data = new Float64Array(to * from);
  const put = (row: number, column: number, weight: number) => {
    data[row * from + Math.min(from - 1, Math.max(0, column))] += weight;
  };
  for (let i = 0; i < to; i++) {
    if (mode === 'nearest') {
      put(i, Math.floor((i * from) / to), 1);
      continue;
    }
    const halfPixel = ((i + 0.5) * from) / to - 0.5;
    const source = alignCorners ? (to > 1 ? (i * (from - 1)) / (to - 1) : 0) : halfPixel;
    if (mode === 'bilinear') {
      const s = Math.max(0, source);
      const left = Math.floor(s);
      put(i, left, 1 - (s - left));
      put(i, left + 1, s - left);
    } else {
      const left = Math.floor(source);
      for (let tap = -1; tap <= 2; tap++) put(i, left + tap, cubic(source - left - tap));
    }
  }
  return { out: to, in: from, data: Float32Array.from(data) };
}

/** Keys' cubic kernel with PyTorch's a = -0.75 (MATLAB's is -0.5). */
function cubic(t: number): number {
  const a = -0.75;
  const d = Math.abs(t);
  if (d <= 1) return (a + 2) * d ** 3 - (a + 3) * d ** 2 + 1;
  if (d < 2) return a * d ** 3 - 5 * a * d ** 2 + 8 * a * d - 4 * a;
  return 0;
}
