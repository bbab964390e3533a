/** Softmax over rows: e^(x - max) / sum. A row with a NaN is NaN throughout. */
import { exponential } from './exponential';
import { horizontalSum } from './horizontal';
import { loadPart, storePart } from './part';

// @ts-ignore: decorator
@inline
const LOWEST: f32 = -3.4028234e38;

/** x, y [N, length]. Unit: rows. */
export function softmax(x: usize, y: usize, length: i32, begin: i32, end: i32): void {
  const row = length << 2;
  for (let k = begin; k < end; k++) softmaxRow(x + k * row, y + k * row, length);
}

// @ts-ignore: decorator
@inline
function softmaxRow(x: usize, y: usize, length: i32): void {
  const top = f32x4.splat(maximum(x, length));
  const sum = exponentials(x, y, length, top);
  const factor = f32x4.splat(<f32>1 / sum);
  let i = 0;
  for (; i + 4 <= length; i += 4) v128.store(y + (i << 2), f32x4.mul(v128.load(y + (i << 2)), factor));
  if (i < length) storePart(y + (i << 2), f32x4.mul(loadPart(y + (i << 2), length - i), factor), length - i);
}

/** The largest of `length` floats. */
// @ts-ignore: decorator
@inline
export function maximum(x: usize, length: i32): f32 {
  let top = f32x4.splat(LOWEST);
  let i = 0;
  for (; i + 4 <= length; i += 4) top = f32x4.pmax(v128.load(x + (i << 2)), top);
  let largest = f32x4.extract_lane(top, 0);
  largest = max(max(largest, f32x4.extract_lane(top, 1)), max(f32x4.extract_lane(top, 2), f32x4.extract_lane(top, 3)));
  for (; i < length; i++) largest = max(largest, load<f32>(x + (i << 2)));
  return largest;
}

/** y = e^(x - top) for `length` floats; their sum. */
// @ts-ignore: decorator
@inline
export function exponentials(x: usize, y: usize, length: i32, top: v128): f32 {
  let total = f32x4.splat(0);
  let i = 0;
  for (; i + 4 <= length; i += 4) {
    const e = exponential(f32x4.sub(v128.load(x + (i << 2)), top));
    v128.store(y + (i << 2), e);
    total = f32x4.add(total, e);
  }
  let sum = horizontalSum(total);
  if (i < length) {
    const e = exponential(f32x4.sub(loadPart(x + (i << 2), length - i), top));
    storePart(y + (i << 2), e, length - i);
    for (; i < length; i++) sum += load<f32>(y + (i << 2));
  }
  return sum;
}
