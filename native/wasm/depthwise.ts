/**
 * Depthwise convolution (one filter a channel). Where the whole filter lies inside the image, eight pixels of an output
 * row are computed at a time for four channels; at the left and right borders one pixel for sixteen channels, over the
 * taps that hit the image. No padded copy is made: on small filters it would cost as much as the convolution.
 */
import { activate } from './activation';
import { one } from './depthwise-pixel';

/**
 * y[b, v, u, c] = f(bias[c] + sum over taps of x[b, strideY v + dilationY i - top, strideX u + dilationX j - left, c] w[i, j, c]).
 * Unit: output rows, over all images. `slope` as in `convolve`.
 *
 * @param x [B, height, width, channels]
 * @param filter tap (0, 0); `tapRow`, `tapColumn`: bytes to the next tap down and right, negative to turn the filter
 * @param bias [channels], or 0
 * @param out [B, outHeight, outWidth, channels]
 */
export function depthwise(
  x: usize,
  filter: usize,
  bias: usize,
  out: usize,
  height: i32,
  width: i32,
  channels: i32,
  outHeight: i32,
  outWidth: i32,
  rows: i32,
  columns: i32,
  tapRow: i32,
  tapColumn: i32,
  strideY: i32,
  strideX: i32,
  dilationY: i32,
  dilationX: i32,
  top: i32,
  left: i32,
  slope: f32,
  begin: i32,
  end: i32,
): void {
  const pixel = channels << 2;
  const line = width * pixel;
  const stepX = strideX * pixel;
  const tapX = dilationX * pixel;
  const tapY = dilationY * line;
  // Output columns whose taps are all inside: [inner, outer).
  const reach = width - 1 + left - (columns - 1) * dilationX;
  const inner = min(outWidth, max(0, (left + strideX - 1) / strideX));
  const outer = reach < 0 ? inner : max(inner, min(outWidth, reach / strideX + 1));
  const vectors = channels & ~3;
  for (let row = begin; row < end; row++) {
    const b = row / outHeight;
    const y = (row - b * outHeight) * strideY - top;
    const i0 = y < 0 ? (dilationY - 1 - y) / dilationY : 0;
    const i1 = min(rows, height > y ? (height - y + dilationY - 1) / dilationY : 0);
    // The pixel at column 0 of the first tap row used.
    const source = x + (b * height + y + i0 * dilationY) * line;
    const weights = filter + i0 * tapRow;
    const tapRows = i1 - i0;
    const to = out + row * outWidth * pixel;
    for (let u = 0; u < outWidth; u++) {
      if (u == inner && outer - inner >= 8) {
        while (u < outer) {
          // The last eight may overlap the ones before.
          const at = min(u, outer - 8);
          const from = source + (at * strideX - left) * pixel;
          for (let c = 0; c < vectors; c += 4) {
            const start = bias == 0 ? f32x4.splat(0) : v128.load(bias + (c << 2));
            eight(from + (c << 2), weights + (c << 2), start, to + at * pixel + (c << 2), tapRows, columns, tapRow, tapColumn, tapY, tapX, stepX, pixel, slope);
          }
          if (vectors < channels) {
            for (let k = 0; k < 8; k++) {
              one(from + k * stepX, weights, bias, to + (at + k) * pixel, vectors, channels, tapRows, columns, tapRow, tapColumn, tapY, tapX, slope);
            }
          }
          u += 8;
        }
        u = outer;
        if (u >= outWidth) break;
      }
      const s = u * strideX - left;
      const j0 = s < 0 ? (dilationX - 1 - s) / dilationX : 0;
      const j1 = min(columns, width > s ? (width - s + dilationX - 1) / dilationX : 0);
      one(source + s * pixel + j0 * tapX, weights + j0 * tapColumn, bias, to + u * pixel, 0, channels, tapRows, j1 - j0, tapRow, tapColumn, tapY, tapX, slope);
    }
  }
}

/** Eight output pixels, four channels. */
function eight(
  x: usize,
  w: usize,
  start: v128,
  out: usize,
  rows: i32,
  columns: i32,
  tapRow: i32,
  tapColumn: i32,
  tapY: i32,
  tapX: i32,
  stepX: i32,
  pixel: i32,
  slope: f32,
): void {
  let s0 = start;
  let s1 = start;
  let s2 = start;
  let s3 = start;
  let s4 = start;
  let s5 = start;
  let s6 = start;
  let s7 = start;
  for (let i = 0; i < rows; i++) {
    let a = x + i * tapY;
    let t = w + i * tapRow;
    for (let j = 0; j < columns; j++) {
      const f = v128.load(t);
      let p = a;
      s0 = f32x4.add(s0, f32x4.mul(v128.load(p), f));
      p += stepX;
      s1 = f32x4.add(s1, f32x4.mul(v128.load(p), f));
      p += stepX;
      s2 = f32x4.add(s2, f32x4.mul(v128.load(p), f));
      p += stepX;
      s3 = f32x4.add(s3, f32x4.mul(v128.load(p), f));
      p += stepX;
      s4 = f32x4.add(s4, f32x4.mul(v128.load(p), f));
      p += stepX;
      s5 = f32x4.add(s5, f32x4.mul(v128.load(p), f));
      p += stepX;
      s6 = f32x4.add(s6, f32x4.mul(v128.load(p), f));
      p += stepX;
      s7 = f32x4.add(s7, f32x4.mul(v128.load(p), f));
      a += tapX;
      t += tapColumn;
    }
  }
  if (slope != 1) {
    s0 = activate(s0, slope);
    s1 = activate(s1, slope);
    s2 = activate(s2, slope);
    s3 = activate(s3, slope);
    s4 = activate(s4, slope);
    s5 = activate(s5, slope);
    s6 = activate(s6, slope);
    s7 = activate(s7, slope);
  }
  v128.store(out, s0);
  v128.store(out + pixel, s1);
  v128.store(out + 2 * pixel, s2);
  v128.store(out + 3 * pixel, s3);
  v128.store(out + 4 * pixel, s4);
  v128.store(out + 5 * pixel, s5);
  v128.store(out + 6 * pixel, s6);
  v128.store(out + 7 * pixel, s7);
}
