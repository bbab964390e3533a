/** The gradients of a depthwise convolution; symbols as in depthwise.ts. */
import { one } from './depthwise-pixel';
import { loadPart, storePart } from './part';

/**
 * dx[b, y, x, c] = sum over taps (i, j) with y = strideY v + i - top and x = strideX u + j - left of dy[b, v, u, c] w[i, j, c],
 * for dilation 1. (With stride 1 it is itself a depthwise convolution, with the filter turned.)
 * Unit: input rows, over all images.
 */
export function depthwiseInputGradient(
  dy: usize,
  filter: usize,
  dx: usize,
  height: i32,
  width: i32,
  channels: i32,
  outHeight: i32,
  outWidth: i32,
  rows: i32,
  columns: i32,
  strideY: i32,
  strideX: i32,
  top: i32,
  left: i32,
  begin: i32,
  end: i32,
): void {
  const pixel = channels << 2;
  const line = outWidth * pixel;
  for (let row = begin; row < end; row++) {
    const b = row / height;
    const y = row - b * height + top;
    // Tap rows are i = y - strideY v in [0, rows), that is v from v1 down to v0; the taps go up by strideY.
    const v1 = min(outHeight - 1, y / strideY);
    const v0 = y < rows ? 0 : (y - rows) / strideY + 1;
    const i = y - strideY * v1;
    for (let column = 0; column < width; column++) {
      const x = column + left;
      const u1 = min(outWidth - 1, x / strideX);
      const u0 = x < columns ? 0 : (x - columns) / strideX + 1;
      const j = x - strideX * u1;
      one(
        dy + ((b * outHeight + v1) * outWidth + u1) * pixel,
        filter + (i * columns + j) * pixel,
        0,
        dx + (row * width + column) * pixel,
        0,
        channels,
        v1 - v0 + 1,
        u1 - u0 + 1,
        strideY * columns * pixel,
        strideX * pixel,
        -line,
        -pixel,
        1,
      );
    }
  }
}

/**
 * A group of output rows' part of dw[i, j, c] = sum over b, v, u of x[b, strideY v + dilationY i - top, ...] dy[b, v, u, c].
 * Unit: groups of `group` output rows, over all images; group g writes parts[g] of [groups, rows, columns, channels].
 */
export function depthwiseFilterGradient(
  x: usize,
  dy: usize,
  parts: usize,
  height: i32,
  width: i32,
  channels: i32,
  outRows: i32,
  outHeight: i32,
  outWidth: i32,
  rows: i32,
  columns: i32,
  strideY: i32,
  strideX: i32,
  dilationY: i32,
  dilationX: i32,
  top: i32,
  left: i32,
  group: i32,
  begin: i32,
  end: i32,
): void {
  const pixel = channels << 2;
  const part = rows * columns * pixel;
  for (let g = begin; g < end; g++) {
    const to = parts + g * part;
    memory.fill(to, 0, part);
    const last = min(outRows, (g + 1) * group);
    for (let row = g * group; row < last; row++) {
      const b = row / outHeight;
      const y = (row - b * outHeight) * strideY - top;
      for (let i = 0; i < rows; i++) {
        const line = y + i * dilationY;
        if (line < 0 || line >= height) continue;
        for (let j = 0; j < columns; j++) {
          // Output columns [u0, u1) for which this tap is inside.
          const s = j * dilationX - left;
          const u0 = s < 0 ? (strideX - 1 - s) / strideX : 0;
          const u1 = width > s ? min(outWidth, (width - 1 - s) / strideX + 1) : 0;
          if (u1 <= u0) continue;
          addProducts(
            x + ((b * height + line) * width + s + u0 * strideX) * pixel,
            dy + (row * outWidth + u0) * pixel,
            to + (i * columns + j) * pixel,
            u1 - u0,
            channels,
            strideX * pixel,
          );
        }
      }
    }
  }
}

/** sum[c] += sum over `count` pixels of x[p, c] dy[p, c]. */
function addProducts(x: usize, dy: usize, sum: usize, count: i32, channels: i32, xStep: i32): void {
  const step = channels << 2;
  let c = 0;
  for (; c + 64 <= step; c += 64) {
    const to = sum + c;
    let s0 = v128.load(to);
    let s1 = v128.load(to, 16);
    let s2 = v128.load(to, 32);
    let s3 = v128.load(to, 48);
    let a = x + c;
    let d = dy + c;
    for (let p = 0; p < count; p++, a += xStep, d += step) {
      s0 = f32x4.add(s0, f32x4.mul(v128.load(a), v128.load(d)));
      s1 = f32x4.add(s1, f32x4.mul(v128.load(a, 16), v128.load(d, 16)));
      s2 = f32x4.add(s2, f32x4.mul(v128.load(a, 32), v128.load(d, 32)));
      s3 = f32x4.add(s3, f32x4.mul(v128.load(a, 48), v128.load(d, 48)));
    }
    v128.store(to, s0);
    v128.store(to, s1, 16);
    v128.store(to, s2, 32);
    v128.store(to, s3, 48);
  }
  for (; c < step; c += 16) {
    const used = (step - c) >> 2;
    let s = loadPart(sum + c, used);
    let a = x + c;
    let d = dy + c;
    for (let p = 0; p < count; p++, a += xStep, d += step) {
      s = f32x4.add(s, f32x4.mul(loadPart(a, used), loadPart(d, used)));
    }
    storePart(sum + c, s, used);
  }
}
