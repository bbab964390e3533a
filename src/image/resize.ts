import { mirror, type Image } from './image';
import { toUint8 } from './quantise';
import { InputError } from '../util/errors';

/**
 * MATLAB's `imresize(I, scale, 'bicubic')` with antialiasing, which made the LR images of the super-resolution
 * benchmarks. Cubic kernel with a = -0.5 (Keys, "Cubic convolution interpolation for digital image processing", 1981),
 * widened by 1/scale when shrinking.
 *
 * Two switches tell the versions apart. Border: newer MATLAB and BasicSR mirror the picture (`symmetric`), older
 * MATLAB repeats its last row (`replicate`; Set5 and Set14 as shipped with SelfExSR). Rounding: a uint8 picture in
 * MATLAB is rounded and clipped after each of the two passes (`per-pass`); converted to double first, once at the end
 * (`final`; BasicSR's script); a float picture never (`none`).
 *
 * Left out on purpose: other kernels, and antialiasing off.
 */

export type ResizeBorder = 'symmetric' | 'replicate';
export type ResizeRounding = 'none' | 'final' | 'per-pass';

export interface ResizeOptions {
  /** What lies beyond the edge. Default `symmetric`. */
  readonly border?: ResizeBorder;
  /** Default `none`. `final` is the rule for making LR images as BasicSR does. */
  readonly rounding?: ResizeRounding;
  /** Of weights, products and sums. Default `float64`; pyiqa and BasicSR compute in `float32`. */
  readonly precision?: 'float64' | 'float32';
}

/** A scale for both axes (output length ceil(n * scale)), or the output size (each axis then has its own scale). */
export type ScaleOrSize = number | { readonly width: number; readonly height: number };

/**
 * The picture resized. With rounding `none` values stay floats (bicubic overshoot included, not clamped); with `final`
 * or `per-pass` the picture is taken as 8-bit (`toUint8`), rounded half up as MATLAB does, and given as value/255.
 */
export function imresize(image: Image, scaleOrSize: ScaleOrSize, options: ResizeOptions = {}): Image {
  const { rounding = 'none' } = options;
  const source = new Float64Array(rounding === 'none' ? image.data : toUint8(image));
  const plane = { ...image, data: source };
  const { width, height, channels, data } = resizePlanes(plane, scaleOrSize, options);
  const unit = rounding === 'none' ? 1 : 255;
  for (let i = 0; i < data.length; i++) data[i] /= unit;
  return { width, height, channels, data: new Float32Array(data) };
}

/** Like `Image`, in float64 and on whatever scale: 0..255 where rounding is asked for. */
export interface Planes {
  readonly width: number;
  readonly height: number;
  readonly channels: number;
  /** Row-major, channels last. */
  readonly data: Float64Array;
}

/** `imresize` in float64: the core that every picture goes through. Rounding is to whole numbers in 0..255. */
export function resizePlanes(planes: Planes, scaleOrSize: ScaleOrSize, options: ResizeOptions = {}): Planes {
  const { border = 'symmetric', rounding = 'none', precision = 'float64' } = options;
  const float32 = precision === 'float32';
  const [width, scaleX] = outputLength(planes.width, scaleOrSize, 'width');
  const [height, scaleY] = outputLength(planes.height, scaleOrSize, 'height');
  const columns = atPrecision(cubicWeights(planes.width, width, scaleX, border), float32);
  const rows = atPrecision(cubicWeights(planes.height, height, scaleY, border), float32);
  // MATLAB starts with the axis that shrinks most; rows on a tie.
  const passes = scaleY <= scaleX ? [resizeRows, resizeColumns] : [resizeColumns, resizeRows];
  let result = planes;
  passes.forEach((pass, i) => {
    result = pass(result, pass === resizeRows ? rows : columns, float32);
    if (rounding === 'per-pass' || (rounding === 'final' && i === 1)) roundToUint8(result.data);
  });
  return result;
}

function outputLength(n: number, scaleOrSize: ScaleOrSize, axis: 'width' | 'height'): [number, number] {
  const m = typeof scaleOrSize === 'number' ? Math.ceil(n * scaleOrSize) : scaleOrSize[axis];
  if (!Number.isInteger(m) || m < 1 || n < 1) {
    throw new InputError(`cannot resize ${axis} ${n} to ${m}: expected at least one whole pixel`);
  }
  return [m, typeof scaleOrSize === 'number' ? scaleOrSize : m / n];
}

/** Which inputs make an output along one axis: output i = sum over k < taps of weight[i*taps+k] * input[index[i*taps+k]]. */
export interface AxisWeights {
  readonly length: number;
  readonly taps: number;
  /** length * taps input positions, 0-based, the border already folded in. */
  readonly index: Int32Array;
  /** length * taps weights; each output's add up to 1. */
  readonly weight: Float64Array;
}

/** A picture through one set of weights along its rows and another along its columns, in float64 between the two. */
export function applyAxes(image: Image, columns: AxisWeights, rows: AxisWeights): Image {
  const planes = { ...image, data: new Float64Array(image.data) };
  const { width, height, channels, data } = resizeColumns(resizeRows(planes, rows, false), columns, false);
  return { width, height, channels, data: new Float32Array(data) };
}

/**
 * Weights of the antialiased cubic from `n` inputs to `m` outputs at scale s. In MATLAB's 1-based coordinates the
 * output x looks at u = x/s + (1 - 1/s)/2, through a kernel of width 4 (or 4/s when s < 1).
 */
export function cubicWeights(n: number, m: number, s: number, border: ResizeBorder): AxisWeights {
  const squeeze = Math.min(s, 1);
  const support = 4 / squeeze;
  const taps = Math.ceil(support) + 2;
  const index = new Int32Array(m * taps);
  const weight = new Float64Array(m * taps);
  for (let i = 0; i < m; i++) {
    const u = (i + 1) / s + 0.5 * (1 - 1 / s);
    const left = Math.floor(u - support / 2);
    let sum = 0;
    for (let k = 0; k < taps; k++) {
      const w = squeeze * cubic(squeeze * (u - left - k));
      weight[i * taps + k] = w;
      index[i * taps + k] = fold(left + k - 1, n, border);
      sum += w;
    }
    for (let k = 0; k < taps; k++) weight[i * taps + k] /= sum;
  }
  return withoutIdleTaps({ length: m, taps, index, weight });
}

/** Keys' cubic with a = -0.5. */
function cubic(x: number): number {
  const a = Math.abs(x);
  if (a <= 1) return (1.5 * a - 2.5) * a * a + 1;
  if (a <= 2) return ((-0.5 * a + 2.5) * a - 4) * a + 2;
  return 0;
}

/** Position `j` (0-based, may lie outside) folded into 0 … n-1. */
function fold(j: number, n: number, border: ResizeBorder): number {
  return border === 'replicate' ? Math.min(Math.max(j, 0), n - 1) : mirror(j, n);
}

/** Cuts the first and last taps that are zero for every output: two of eighteen at scale 1/4. */
function withoutIdleTaps(full: AxisWeights): AxisWeights {
  const { length, taps } = full;
  const idle = (k: number): boolean => {
    for (let i = 0; i < length; i++) if (full.weight[i * taps + k] !== 0) return false;
    return true;
  };
  let [first, last] = [0, taps - 1];
  while (idle(first)) first++;
  while (idle(last)) last--;
  const kept = last - first + 1;
  const index = new Int32Array(length * kept);
  const weight = new Float64Array(length * kept);
  for (let i = 0; i < length; i++) {
    index.set(full.index.subarray(i * taps + first, i * taps + last + 1), i * kept);
    weight.set(full.weight.subarray(i * taps + first, i * taps + last + 1), i * kept);
  }
  return { length, taps: kept, index, weight };
}

function atPrecision(axis: AxisWeights, float32: boolean): AxisWeights {
  return float32 ? { ...axis, weight: axis.weight.map(Math.fround) } : axis;
}

/** Changes the height. An output row is a weighted sum of input rows, each read from end to end. */
function resizeRows(planes: Planes, { length, taps, index, weight }: AxisWeights, float32: boolean): Planes {
  const stride = planes.width * planes.channels;
  const out = new Float64Array(length * stride);
  for (let y = 0; y < length; y++) {
    const row = out.subarray(y * stride, (y + 1) * stride);
    for (let k = 0; k < taps; k++) {
      const w = weight[y * taps + k];
      if (w === 0) continue;
      const from = index[y * taps + k] * stride;
      const input = planes.data.subarray(from, from + stride);
      if (float32) for (let x = 0; x < stride; x++) row[x] = Math.fround(row[x] + Math.fround(w * input[x]));
      else for (let x = 0; x < stride; x++) row[x] += w * input[x];
    }
  }
  return { ...planes, height: length, data: out };
}

/** Changes the width. */
function resizeColumns(
  planes: Planes,
  { length, taps, index, weight }: AxisWeights,
  float32: boolean,
): Planes {
  const { width, height, channels, data } = planes;
  const out = new Float64Array(height * length * channels);
  const offset = index.map((j) => j * channels);
  for (let y = 0; y < height; y++) {
    const input = data.subarray(y * width * channels, (y + 1) * width * channels);
    const row = out.subarray(y * length * channels, (y + 1) * length * channels);
    for (let x = 0; x < length; x++) {
      for (let c = 0; c < channels; c++) {
        let sum = 0;
        for (let t = x * taps; t < (x + 1) * taps; t++) {
          const product = weight[t] * input[offset[t] + c];
          sum = float32 ? Math.fround(sum + Math.fround(product)) : sum + product;
        }
        row[x * channels + c] = sum;
      }
    }
  }
  return { ...planes, width: length, data: out };
}

/** MATLAB's conversion to uint8, in place: half up, clipped. */
function roundToUint8(data: Float64Array): void {
  for (let i = 0; i < data.length; i++) data[i] = Math.min(Math.max(Math.floor(data[i] + 0.5), 0), 255);
}
