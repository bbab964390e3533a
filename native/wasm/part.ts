/** The last one to three floats of a row: loaded and stored without touching what lies behind them. */

/** The first `count` (from 4 on: four) floats at `p`, then zeros. */
// @ts-ignore: decorator
@inline
export function loadPart(p: usize, count: i32): v128 {
  if (count >= 4) return v128.load(p);
  if (count == 1) return v128.load32_zero(p);
  const two = v128.load64_zero(p);
  return count == 2 ? two : v128.load_lane<f32>(p, two, 2, 8);
}

/** Stores the first `count` (from 4 on: four) floats of `v`; nothing for a count below 1. */
// @ts-ignore: decorator
@inline
export function storePart(p: usize, v: v128, count: i32): void {
  if (count >= 4) {
    v128.store(p, v);
  } else if (count == 1) {
    v128.store_lane<f32>(p, v, 0);
  } else if (count > 1) {
    v128.store_lane<i64>(p, v, 0);
    if (count == 3) v128.store_lane<f32>(p, v, 2, 8);
  }
}
