/**
 * Sums along an axis. Long axes are summed in groups of fixed size, whose sums are then summed in turn: that bounds the
 * rounding error, and makes the result independent of the number of threads.
 */
import { horizontalSum } from './horizontal';
import { loadPart, storePart } from './part';

/**
 * x [outer, length, inner] with inner > 1 to out [outer, groups, inner], each group the sum of `group` positions times
 * `scale`. Unit: outer x groups.
 */
export function sumColumns(
  x: usize,
  out: usize,
  length: i32,
  inner: i32,
  group: i32,
  groups: i32,
  scale: f32,
  begin: i32,
  end: i32,
): void {
  const row = inner << 2;
  const factor = f32x4.splat(scale);
  for (let u = begin; u < end; u++) {
    const o = u / groups;
    const first = (u - o * groups) * group;
    const count = min(group, length - first);
    const from = x + (o * length + first) * row;
    const to = out + u * row;
    let c = 0;
    for (; c + 64 <= row; c += 64) {
      let p = from + c;
      let s0 = f32x4.splat(0);
      let s1 = s0;
      let s2 = s0;
      let s3 = s0;
      for (let k = 0; k < count; k++, p += row) {
        s0 = f32x4.add(s0, v128.load(p));
        s1 = f32x4.add(s1, v128.load(p, 16));
        s2 = f32x4.add(s2, v128.load(p, 32));
        s3 = f32x4.add(s3, v128.load(p, 48));
      }
      v128.store(to + c, f32x4.mul(s0, factor));
      v128.store(to + c, f32x4.mul(s1, factor), 16);
      v128.store(to + c, f32x4.mul(s2, factor), 32);
      v128.store(to + c, f32x4.mul(s3, factor), 48);
    }
    for (; c < row; c += 16) {
      const used = (row - c) >> 2;
      let p = from + c;
      let s = f32x4.splat(0);
      for (let k = 0; k < count; k++, p += row) s = f32x4.add(s, loadPart(p, used));
      storePart(to + c, f32x4.mul(s, factor), used);
    }
  }
}

/** The same for the products a b of two arrays [length, inner], in groups. Unit: groups. */
export function sumProductColumns(
  a: usize,
  b: usize,
  out: usize,
  length: i32,
  inner: i32,
  group: i32,
  begin: i32,
  end: i32,
): void {
  const row = inner << 2;
  for (let u = begin; u < end; u++) {
    const first = u * group;
    const count = min(group, length - first);
    for (let c = 0; c < row; c += 16) {
      const used = (row - c) >> 2;
      let p = a + first * row + c;
      let q = b + first * row + c;
      let s = f32x4.splat(0);
      for (let k = 0; k < count; k++, p += row, q += row) {
        s = f32x4.add(s, f32x4.mul(loadPart(p, used), loadPart(q, used)));
      }
      storePart(out + u * row + c, s, used);
    }
  }
}

/** x [outer, length] to out [outer, groups], each group the sum of `group` floats times `scale`. Unit: outer x groups. */
export function sumRows(
  x: usize,
  out: usize,
  length: i32,
  group: i32,
  groups: i32,
  scale: f32,
  begin: i32,
  end: i32,
): void {
  for (let u = begin; u < end; u++) {
    const o = u / groups;
    const first = (u - o * groups) * group;
    const count = min(group, length - first);
    let p = x + ((o * length + first) << 2);
    let s0 = f32x4.splat(0);
    let s1 = s0;
    let s2 = s0;
    let s3 = s0;
    let left = count;
    for (; left >= 16; left -= 16, p += 64) {
      s0 = f32x4.add(s0, v128.load(p));
      s1 = f32x4.add(s1, v128.load(p, 16));
      s2 = f32x4.add(s2, v128.load(p, 32));
      s3 = f32x4.add(s3, v128.load(p, 48));
    }
    for (; left > 0; left -= 4, p += 16) s0 = f32x4.add(s0, loadPart(p, left));
    const s = f32x4.add(f32x4.add(s0, s1), f32x4.add(s2, s3));
    store<f32>(out + (u << 2), horizontalSum(s) * scale);
  }
}
