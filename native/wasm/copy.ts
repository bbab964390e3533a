/** Boxes of runs copied between two layouts (slice, concat, split, pad, transpose, pixel shuffle), and constants. */
import { copyRun } from './run';

/**
 * A box of n0 x n1 x n2 x n3 x n4 runs of `run` bytes, at the given steps in source and destination.
 * Unit: the n0 x n1 outer positions.
 */
export function copyBox(
  from: usize,
  to: usize,
  n1: i32,
  n2: i32,
  n3: i32,
  n4: i32,
  run: i32,
  from0: i32,
  from1: i32,
  from2: i32,
  from3: i32,
  from4: i32,
  to0: i32,
  to1: i32,
  to2: i32,
  to3: i32,
  to4: i32,
  begin: i32,
  end: i32,
): void {
  let i0 = begin / n1;
  let i1 = begin - i0 * n1;
  for (let u = begin; u < end; u++) {
    const a = from + i0 * from0 + i1 * from1;
    const b = to + i0 * to0 + i1 * to1;
    for (let i2 = 0; i2 < n2; i2++) {
      for (let i3 = 0; i3 < n3; i3++) {
        let p = a + i2 * from2 + i3 * from3;
        let q = b + i2 * to2 + i3 * to3;
        if (run == 4) {
          for (let i4 = 0; i4 < n4; i4++, p += from4, q += to4) store<u32>(q, load<u32>(p));
        } else {
          for (let i4 = 0; i4 < n4; i4++, p += from4, q += to4) copyRun(p, q, run);
        }
      }
    }
    if (++i1 == n1) {
      i1 = 0;
      i0++;
    }
  }
}

/** out[i] = value. Unit: floats. */
export function fill(out: usize, value: f32, begin: i32, end: i32): void {
  const v = f32x4.splat(value);
  let i = begin;
  for (; i + 4 <= end; i += 4) v128.store(out + (i << 2), v);
  for (; i < end; i++) store<f32>(out + (i << 2), value);
}
