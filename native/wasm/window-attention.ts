/**
 * Window attention and its gradient, the fused kernels of src/ops/window-attention.ts (formulas there). One head of one
 * window at a time: its tokens are gathered into scratch, and the products run there on the convolution's tiles, so the
 * N x N matrices never leave the cache.
 *
 * Scratch is one slot a unit, laid out by `slot...` below; N tokens of d floats.
 */
import { convolve, packFilter } from './convolution';
import { exponential } from './exponential';
import { filterGradient } from './filter-gradient';
import { logarithm } from './logarithm';
import { loadPart, storePart } from './part';
import { exponentials, maximum } from './softmax';

/** Floats of one of the slot's arrays of N x d, rounded up to whole vectors. */
// @ts-ignore: decorator
@inline
function roundUp(floats: i32): i32 {
  return (floats + 3) & ~3;
}

/** Bytes of a packed right matrix of `inputs` rows and `outputs` columns. */
// @ts-ignore: decorator
@inline
function packedBytes(inputs: i32, outputs: i32): i32 {
  return ((inputs + 1) * roundUp(outputs)) << 2;
}

/**
 * Units: (head of the group, part of the windows); unit h parts + p does the p-th part of all images' windows for head
 * firstHead + h.
 *
 * @param qkv [images, height, width, 3 channels]
 * @param bias [heads, N, N]
 * @param y [images, height, width, channels]; `lse` [images, windows, heads, N]
 * @param scratch a slot of `slot` bytes a unit
 */
export function windowAttention(
  qkv: usize,
  bias: usize,
  y: usize,
  lse: usize,
  scratch: usize,
  slot: i32,
  images: i32,
  height: i32,
  width: i32,
  channels: i32,
  heads: i32,
  firstHead: i32,
  windowHeight: i32,
  windowWidth: i32,
  shiftY: i32,
  shiftX: i32,
  parts: i32,
  scale: f32,
  begin: i32,
  end: i32,
): void {
  const n = windowHeight * windowWidth;
  const d = channels / heads;
  const across = width / windowWidth;
  const windows = (height / windowHeight) * across;
  const all = images * windows;
  for (let u = begin; u < end; u++) {
    const h = u / parts;
    const part = u - h * parts;
    const head = firstHead + h;
    const q = scratch + u * slot;
    const k = q + (roundUp(n * d) << 2);
    const v = k + (roundUp(n * d) << 2);
    const packed = v + (roundUp(n * d) << 2);
    const zones = packed + max(packedBytes(d, n), packedBytes(n, d));
    const s = zones + (roundUp(n) << 2);
    const last = ((part + 1) * all) / parts;
    for (let w = (part * all) / parts; w < last; w++) {
      const b = w / windows;
      const inImage = w - b * windows;
      const top = (inImage / across) * windowHeight;
      const left = (inImage % across) * windowWidth;
      const source = qkv + ((b * height * width * 3 * channels + head * d) << 2);
      const pixel = (3 * channels) << 2;
      tokens(source, q, false, pixel, d, height, width, windowHeight, windowWidth, top + shiftY, left + shiftX);
      tokens(source + (channels << 2), k, false, pixel, d, height, width, windowHeight, windowWidth, top + shiftY, left + shiftX);
      tokens(source + (channels << 3), v, false, pixel, d, height, width, windowHeight, windowWidth, top + shiftY, left + shiftX);
      times(q, n * d, scale);
      product(q, k, true, packed, s, n, d, n);
      const masked = mark(zones, height, width, windowHeight, windowWidth, shiftY, shiftX, top, left);
      const logs = lse + ((((b * windows + inImage) * heads + head) * n) << 2);
      for (let i = 0; i < n; i++) {
        const row = s + ((i * n) << 2);
        addBias(row, bias + (((head * n + i) * n) << 2), zones, masked, i, n);
        const highest = maximum(row, n);
        const sum = exponentials(row, row, n, f32x4.splat(highest));
        times(row, n, <f32>1 / sum);
        store<f32>(logs + (i << 2), highest + logarithm(sum));
      }
      // q has been used: its place takes the result.
      product(s, v, false, packed, q, n, n, d);
      const to = y + ((b * height * width * channels + head * d) << 2);
      tokens(to, q, true, channels << 2, d, height, width, windowHeight, windowWidth, top + shiftY, left + shiftX);
    }
  }
}

/**
 * Units as above.
 *
 * @param dqkv [images, height, width, 3 channels]; `biasParts` [parts, heads, N, N], this group's heads written
 */
export function windowAttentionGradient(
  dy: usize,
  y: usize,
  qkv: usize,
  bias: usize,
  lse: usize,
  dqkv: usize,
  biasParts: usize,
  scratch: usize,
  slot: i32,
  images: i32,
  height: i32,
  width: i32,
  channels: i32,
  heads: i32,
  firstHead: i32,
  windowHeight: i32,
  windowWidth: i32,
  shiftY: i32,
  shiftX: i32,
  parts: i32,
  scale: f32,
  begin: i32,
  end: i32,
): void {
  const n = windowHeight * windowWidth;
  const d = channels / heads;
  const across = width / windowWidth;
  const windows = (height / windowHeight) * across;
  const all = images * windows;
  const matrix = roundUp(n * d) << 2;
  for (let u = begin; u < end; u++) {
    const h = u / parts;
    const part = u - h * parts;
    const head = firstHead + h;
    const q = scratch + u * slot;
    const k = q + matrix;
    const v = k + matrix;
    const g = v + matrix;
    const result = g + matrix;
    const packed = result + matrix;
    const zones = packed + max(packedBytes(d, n), packedBytes(n, d));
    const s = zones + (roundUp(n) << 2);
    const dp = s + ((n * n) << 2);
    const dbias = biasParts + (((part * heads + head) * n * n) << 2);
    memory.fill(dbias, 0, (n * n) << 2);
    const last = ((part + 1) * all) / parts;
    for (let w = (part * all) / parts; w < last; w++) {
      const b = w / windows;
      const inImage = w - b * windows;
      const top = (inImage / across) * windowHeight;
      const left = (inImage % across) * windowWidth;
      const y0 = top + shiftY;
      const x0 = left + shiftX;
      const pixel = (3 * channels) << 2;
      const at = b * height * width;
      const source = qkv + ((at * 3 * channels + head * d) << 2);
      tokens(source, q, false, pixel, d, height, width, windowHeight, windowWidth, y0, x0);
      tokens(source + (channels << 2), k, false, pixel, d, height, width, windowHeight, windowWidth, y0, x0);
      tokens(source + (channels << 3), v, false, pixel, d, height, width, windowHeight, windowWidth, y0, x0);
      const own = (at * channels + head * d) << 2;
      tokens(dy + own, g, false, channels << 2, d, height, width, windowHeight, windowWidth, y0, x0);
      tokens(y + own, result, false, channels << 2, d, height, width, windowHeight, windowWidth, y0, x0);
      times(q, n * d, scale);
      product(q, k, true, packed, s, n, d, n);
      product(g, v, true, packed, dp, n, d, n);
      const masked = mark(zones, height, width, windowHeight, windowWidth, shiftY, shiftX, top, left);
      const logs = lse + ((((b * windows + inImage) * heads + head) * n) << 2);
      for (let i = 0; i < n; i++) {
        const row = s + ((i * n) << 2);
        addBias(row, bias + (((head * n + i) * n) << 2), zones, masked, i, n);
        const mean = inner(g + ((i * d) << 2), result + ((i * d) << 2), d);
        logitGradients(row, dp + ((i * n) << 2), dbias + ((i * n) << 2), load<f32>(logs + (i << 2)), mean, n);
      }
      const to = dqkv + ((at * 3 * channels + head * d) << 2);
      // dv = P^T dy; dk = dlogits^T (scale q); dq = scale dlogits k.
      filterGradient(s, g, result, 1, 1, n, d, 0, 0, n << 2, 1, 0, 0, n << 2, 0, (n + 3) >> 2);
      tokens(to + (channels << 3), result, true, pixel, d, height, width, windowHeight, windowWidth, y0, x0);
      filterGradient(dp, q, result, 1, 1, n, d, 0, 0, n << 2, 1, 0, 0, n << 2, 0, (n + 3) >> 2);
      tokens(to + (channels << 2), result, true, pixel, d, height, width, windowHeight, windowWidth, y0, x0);
      product(dp, k, false, packed, result, n, n, d);
      times(result, n * d, scale);
      tokens(to, result, true, pixel, d, height, width, windowHeight, windowWidth, y0, x0);
    }
  }
}

/** A window's tokens copied from the image to `rows` [N, d], or back. `top`, `left`: the window's corner, rolled. */
function tokens(
  image: usize,
  rows: usize,
  back: bool,
  pixel: i32,
  d: i32,
  height: i32,
  width: i32,
  windowHeight: i32,
  windowWidth: i32,
  top: i32,
  left: i32,
): void {
  const bytes = d << 2;
  let row = rows;
  for (let r = 0; r < windowHeight; r++) {
    const y = top + r < height ? top + r : top + r - height;
    for (let c = 0; c < windowWidth; c++, row += bytes) {
      const x = left + c < width ? left + c : left + c - width;
      const at = image + (y * width + x) * pixel;
      const from = back ? row : at;
      const to = back ? at : row;
      for (let i = 0; i < d; i += 4) storePart(to + (i << 2), loadPart(from + (i << 2), d - i), d - i);
    }
  }
}

/** out [m, n] = left [m, k] times right [k, n], or times the transpose of right [n, k]. */
function product(left: usize, right: usize, transposed: bool, packed: usize, out: usize, m: i32, k: i32, n: i32): void {
  packFilter(right, 0, packed, 1, k, n, 0, transposed ? 1 : n, transposed ? k : 1, 0, 0, 0, 1);
  convolve(left, packed, 0, out, 1, m, n, 0, 0, k << 2, 1, 1, 0, 0, k << 2, 1, 0, (m + 3) >> 2);
}

/** x *= factor for `count` floats. */
function times(x: usize, count: i32, factor: f32): void {
  const f = f32x4.splat(factor);
  let i = 0;
  for (; i + 4 <= count; i += 4) v128.store(x + (i << 2), f32x4.mul(v128.load(x + (i << 2)), f));
  if (i < count) storePart(x + (i << 2), f32x4.mul(loadPart(x + (i << 2), count - i), f), count - i);
}

/** Sum of a b over `count` floats. */
function inner(a: usize, b: usize, count: i32): f32 {
  let sum: f32 = 0;
  for (let i = 0; i < count << 2; i += 4) sum += load<f32>(a + i) * load<f32>(b + i);
  return sum;
}

/** Writes each token's zone; false where all are of one zone, so that nothing is masked. */
function mark(
  zones: usize,
  height: i32,
  width: i32,
  windowHeight: i32,
  windowWidth: i32,
  shiftY: i32,
  shiftX: i32,
  top: i32,
  left: i32,
): bool {
  if (shiftY == 0 && shiftX == 0) return false;
  if (top + windowHeight <= height - windowHeight && left + windowWidth <= width - windowWidth) return false;
  let to = zones;
  for (let r = top; r < top + windowHeight; r++) {
    const down: f32 = r < height - windowHeight ? 0 : r < height - shiftY ? 1 : 2;
    for (let c = left; c < left + windowWidth; c++, to += 4) {
      const right: f32 = c < width - windowWidth ? 0 : c < width - shiftX ? 1 : 2;
      store<f32>(to, 3 * down + right);
    }
  }
  return true;
}

/** One row of logits: the bias, and -100 for tokens of another zone than token i. */
function addBias(row: usize, bias: usize, zones: usize, masked: bool, i: i32, n: i32): void {
  const zone = masked ? v128.load32_splat(zones + (i << 2)) : f32x4.splat(0);
  const mask = f32x4.splat(-100);
  let j = 0;
  for (; j + 4 <= n; j += 4) {
    const at = j << 2;
    let v = f32x4.add(v128.load(row + at), v128.load(bias + at));
    if (masked) v = f32x4.add(v, v128.and(f32x4.ne(v128.load(zones + at), zone), mask));
    v128.store(row + at, v);
  }
  for (; j < n; j++) {
    const at = j << 2;
    const other = masked && load<f32>(zones + at) != load<f32>(zones + (i << 2));
    store<f32>(row + at, load<f32>(row + at) + load<f32>(bias + at) - (other ? <f32>100 : <f32>0));
  }
}

/** One row: logits become P = e^(logit - lse), dP becomes P (dP - mean), which is also added to dbias. */
function logitGradients(row: usize, dp: usize, dbias: usize, lse: f32, mean: f32, n: i32): void {
  const log = f32x4.splat(lse);
  const m = f32x4.splat(mean);
  let j = 0;
  for (; j + 4 <= n; j += 4) {
    const at = j << 2;
    const p = exponential(f32x4.sub(v128.load(row + at), log));
    const gradient = f32x4.mul(p, f32x4.sub(v128.load(dp + at), m));
    v128.store(row + at, p);
    v128.store(dp + at, gradient);
    v128.store(dbias + at, f32x4.add(v128.load(dbias + at), gradient));
  }
  if (j < n) {
    const at = j << 2;
    const left = n - j;
    const p = exponential(f32x4.sub(loadPart(row + at, left), log));
    const gradient = f32x4.mul(p, f32x4.sub(loadPart(dp + at, left), m));
    storePart(row + at, p, left);
    storePart(dp + at, gradient, left);
    storePart(dbias + at, f32x4.add(loadPart(dbias + at, left), gradient), left);
  }
}
