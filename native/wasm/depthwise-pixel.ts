import { activate } from './activation';
import { loadPart, storePart } from './part';

/**
 * One pixel of a depthwise convolution, or of its input gradient: the channels from `first` on, over `rows` x `columns` taps
 * at the given steps in the image and in the filter.
 */
export function one(
  x: usize,
  w: usize,
  bias: usize,
  out: usize,
  first: i32,
  channels: i32,
  rows: i32,
  columns: i32,
  tapRow: i32,
  tapColumn: i32,
  tapY: i32,
  tapX: i32,
  slope: f32,
): void {
  let c = first << 2;
  const end = channels << 2;
  for (; c + 64 <= end; c += 64) {
    let s0 = f32x4.splat(0);
    let s1 = s0;
    let s2 = s0;
    let s3 = s0;
    if (bias != 0) {
      s0 = v128.load(bias + c);
      s1 = v128.load(bias + c, 16);
      s2 = v128.load(bias + c, 32);
      s3 = v128.load(bias + c, 48);
    }
    for (let i = 0; i < rows; i++) {
      let a = x + i * tapY + c;
      let t = w + i * tapRow + c;
      for (let j = 0; j < columns; j++) {
        s0 = f32x4.add(s0, f32x4.mul(v128.load(a), v128.load(t)));
        s1 = f32x4.add(s1, f32x4.mul(v128.load(a, 16), v128.load(t, 16)));
        s2 = f32x4.add(s2, f32x4.mul(v128.load(a, 32), v128.load(t, 32)));
        s3 = f32x4.add(s3, f32x4.mul(v128.load(a, 48), v128.load(t, 48)));
        a += tapX;
        t += tapColumn;
      }
    }
    if (slope != 1) {
      s0 = activate(s0, slope);
      s1 = activate(s1, slope);
      s2 = activate(s2, slope);
      s3 = activate(s3, slope);
    }
    v128.store(out + c, s0);
    v128.store(out + c, s1, 16);
    v128.store(out + c, s2, 32);
    v128.store(out + c, s3, 48);
  }
  for (; c < end; c += 16) {
    const used = (end - c) >> 2;
    let s = bias == 0 ? f32x4.splat(0) : loadPart(bias + c, used);
    for (let i = 0; i < rows; i++) {
      let a = x + i * tapY + c;
      let t = w + i * tapRow + c;
      for (let j = 0; j < columns; j++) {
        s = f32x4.add(s, f32x4.mul(loadPart(a, used), loadPart(t, used)));
        a += tapX;
        t += tapColumn;
      }
    }
    if (slope != 1) s = activate(s, slope);
    storePart(out + c, s, used);
  }
}
