/**
 * ln x for a normal x > 0: with x = 2^n m and m in [sqrt 1/2, sqrt 2), ln x = n ln 2 + 2 (s + s^3/3 + s^5/5 + ...),
 * s = (m - 1) / (m + 1); the first term left out is below 1e-9. (The compiler's own logarithm brings tables of data.)
 */
// @ts-ignore: decorator
@inline
export function logarithm(x: f32): f32 {
  // Bits of sqrt 1/2: what lies above them in the exponent is n.
  const n = (reinterpret<i32>(x) - 0x3f3504f3) >> 23;
  const m = reinterpret<f32>(reinterpret<i32>(x) - (n << 23));
  const s = (m - 1) / (m + 1);
  const u = s * s;
  const series: f32 = 1 + u * (<f32>0.33333334 + u * (<f32>0.2 + u * (<f32>0.14285715 + u * <f32>0.11111111)));
  return <f32>n * <f32>0.69314718 + 2 * s * series;
}
