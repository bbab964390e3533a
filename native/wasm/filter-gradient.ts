/**
 * The gradient of a convolution's filter, and with it the product of a transposed matrix with another:
 *
 *   dw[t, i, o] = sum over images and output pixels p of x[p + t, i] dy[p, o].
 *
 * The taps of one filter row and their channels are a run of contiguous floats of x beside dy (a single tap's channels
 * where the dilation is not 1), as in convolution.ts; a row of dw belongs to every float of a run. Four rows times eight
 * output channels are held in registers while the pixels of a block go by; a block's part of x and dy stays in the cache
 * while all tiles of dw see it.
 */
import { loadPart, storePart } from './part';

/** Floats of x and dy in a block, about: 96 kB, so that they stay in a second-level cache. */
// @ts-ignore: decorator
@inline
const BLOCK: i32 = 24576;

/**
 * Unit: groups of four rows of dw, counted run by run (a run's last group may be short).
 *
 * @param image padded input, steps as in `convolve`
 * @param dy [images, height, width, outputs]
 * @param dw [runRows, runColumns, run / 4, outputs], written
 */
export function filterGradient(
  image: usize,
  dy: usize,
  dw: usize,
  images: i32,
  height: i32,
  width: i32,
  outputs: i32,
  imageStep: i32,
  rowStep: i32,
  pixelStep: i32,
  runColumns: i32,
  runRowStep: i32,
  runColumnStep: i32,
  run: i32,
  begin: i32,
  end: i32,
): void {
  const rows = run >> 2;
  const groups = (rows + 3) >> 2;
  const dyStep = outputs << 2;
  for (let g = begin; g < end; g++) {
    const at = firstRow(g, rows, groups);
    memory.fill(dw + at * dyStep, 0, min(4, rows - (g % groups) * 4) * dyStep);
  }
  const pixels = max(16, BLOCK / (outputs + (pixelStep >> 2)));
  const columns = min(width, pixels);
  const lines = max(1, pixels / width);
  for (let b = 0; b < images; b++) {
    for (let top = 0; top < height; top += lines) {
      for (let left = 0; left < width; left += columns) {
        const blockLines = min(lines, height - top);
        const blockColumns = min(columns, width - left);
        const x = image + b * imageStep + top * rowStep + left * pixelStep;
        const d = dy + ((b * height + top) * width + left) * dyStep;
        for (let g = begin; g < end; g++) {
          const r = g / groups;
          const first = (g - r * groups) << 2;
          const line = r / runColumns;
          const from = x + line * runRowStep + (r - line * runColumns) * runColumnStep + (first << 2);
          const to = dw + (r * rows + first) * dyStep;
          block(from, d, to, blockLines, blockColumns, min(4, rows - first), outputs, rowStep, pixelStep, width * dyStep);
        }
      }
    }
  }
}

// @ts-ignore: decorator
@inline
function firstRow(group: i32, rows: i32, groups: i32): i32 {
  const r = group / groups;
  return r * rows + ((group - r * groups) << 2);
}

/** Adds a block's part to `rows` (1 to 4) rows of dw. */
function block(
  x: usize,
  dy: usize,
  dw: usize,
  lines: i32,
  columns: i32,
  rows: i32,
  outputs: i32,
  xLine: i32,
  xStep: i32,
  dyLine: i32,
): void {
  const step = outputs << 2;
  // Rows beyond the run repeat its last one and are not stored.
  const e1 = min(1, rows - 1) << 2;
  const e2 = min(2, rows - 1) << 2;
  const e3 = min(3, rows - 1) << 2;
  let first = 0;
  for (; first + 8 <= outputs; first += 8) {
    const to = dw + (first << 2);
    let c00 = v128.load(to);
    let c01 = v128.load(to, 16);
    let c10 = f32x4.splat(0);
    let c11 = f32x4.splat(0);
    let c20 = f32x4.splat(0);
    let c21 = f32x4.splat(0);
    let c30 = f32x4.splat(0);
    let c31 = f32x4.splat(0);
    if (rows > 1) {
      c10 = v128.load(to + step);
      c11 = v128.load(to + step, 16);
    }
    if (rows > 2) {
      c20 = v128.load(to + 2 * step);
      c21 = v128.load(to + 2 * step, 16);
    }
    if (rows > 3) {
      c30 = v128.load(to + 3 * step);
      c31 = v128.load(to + 3 * step, 16);
    }
    for (let l = 0; l < lines; l++) {
      let a = x + l * xLine;
      let d = dy + l * dyLine + (first << 2);
      const end = d + columns * step;
      while (d < end) {
        const w0 = v128.load(d);
        const w1 = v128.load(d, 16);
        let s = v128.load32_splat(a);
        c00 = f32x4.add(c00, f32x4.mul(s, w0));
        c01 = f32x4.add(c01, f32x4.mul(s, w1));
        s = v128.load32_splat(a + e1);
        c10 = f32x4.add(c10, f32x4.mul(s, w0));
        c11 = f32x4.add(c11, f32x4.mul(s, w1));
        s = v128.load32_splat(a + e2);
        c20 = f32x4.add(c20, f32x4.mul(s, w0));
        c21 = f32x4.add(c21, f32x4.mul(s, w1));
        s = v128.load32_splat(a + e3);
        c30 = f32x4.add(c30, f32x4.mul(s, w0));
        c31 = f32x4.add(c31, f32x4.mul(s, w1));
        a += xStep;
        d += step;
      }
    }
    v128.store(to, c00);
    v128.store(to, c01, 16);
    if (rows > 1) {
      v128.store(to + step, c10);
      v128.store(to + step, c11, 16);
    }
    if (rows > 2) {
      v128.store(to + 2 * step, c20);
      v128.store(to + 2 * step, c21, 16);
    }
    if (rows > 3) {
      v128.store(to + 3 * step, c30);
      v128.store(to + 3 * step, c31, 16);
    }
  }
  for (; first < outputs; first += 4) {
    const used = min(4, outputs - first);
    const to = dw + (first << 2);
    let c0 = loadPart(to, used);
    let c1 = f32x4.splat(0);
    let c2 = f32x4.splat(0);
    let c3 = f32x4.splat(0);
    if (rows > 1) c1 = loadPart(to + step, used);
    if (rows > 2) c2 = loadPart(to + 2 * step, used);
    if (rows > 3) c3 = loadPart(to + 3 * step, used);
    for (let l = 0; l < lines; l++) {
      let a = x + l * xLine;
      let d = dy + l * dyLine + (first << 2);
      const end = d + columns * step;
      while (d < end) {
        const w0 = loadPart(d, used);
        c0 = f32x4.add(c0, f32x4.mul(v128.load32_splat(a), w0));
        c1 = f32x4.add(c1, f32x4.mul(v128.load32_splat(a + e1), w0));
        c2 = f32x4.add(c2, f32x4.mul(v128.load32_splat(a + e2), w0));
        c3 = f32x4.add(c3, f32x4.mul(v128.load32_splat(a + e3), w0));
        a += xStep;
        d += step;
      }
    }
    storePart(to, c0, used);
    if (rows > 1) storePart(to + step, c1, used);
    if (rows > 2) storePart(to + 2 * step, c2, used);
    if (rows > 3) storePart(to + 3 * step, c3, used);
  }
}

/** out[n] = left[n]^T right[n] for left [n, rows, a], right [n, rows, b] at the given steps, 0 where all share one. Unit: n. */
export function transposedProducts(
  left: usize,
  leftStep: i32,
  right: usize,
  rightStep: i32,
  out: usize,
  rows: i32,
  a: i32,
  b: i32,
  begin: i32,
  end: i32,
): void {
  for (let n = begin; n < end; n++) {
    const l = left + n * leftStep;
    const r = right + n * rightStep;
    filterGradient(l, r, out + ((n * a * b) << 2), 1, 1, rows, b, 0, 0, a << 2, 1, 0, 0, a << 2, 0, (a + 3) >> 2);
  }
}
