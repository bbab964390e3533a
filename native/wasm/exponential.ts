/**
 * e^v for v <= 0 (or a rounding error above), four at a time, relative error below 1e-7: v = n ln 2 + r with
 * |r| <= ln 2 / 2, and e^r = 1 + r + r^2 P(r) with P the polynomial of degree 4 with the smallest relative error of e^r
 * there (3e-9; Lawson's iteration). Below -87 the result is 0, so that there are no denormal numbers. NaN stays NaN.
 */
// @ts-ignore: decorator
@inline
export function exponential(v: v128): v128 {
  // Adding 1.5 * 2^23 rounds to an integer and leaves it in the low bits.
  const shifted = f32x4.add(f32x4.mul(v, f32x4.splat(1.44269504)), f32x4.splat(12582912));
  const n = f32x4.sub(shifted, f32x4.splat(12582912));
  // ln 2 in two parts, the first of few bits so that n times it is exact.
  let r = f32x4.sub(v, f32x4.mul(n, f32x4.splat(0.693359375)));
  r = f32x4.sub(r, f32x4.mul(n, f32x4.splat(-2.12194440e-4)));
  let p = f32x4.splat(0.00138145978);
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(0.00836871695));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(0.0416683881));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(0.166665206));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(0.499999934));
  p = f32x4.add(f32x4.add(f32x4.mul(f32x4.mul(r, r), p), r), f32x4.splat(1));
  p = i32x4.add(p, i32x4.shl(shifted, 23)); // times 2^n
  p = v128.andnot(p, f32x4.lt(v, f32x4.splat(-87)));
  return v128.or(p, f32x4.ne(v, v));
}
