/** The activation behind a convolution: max(v, 0) + slope min(v, 0). */
// @ts-ignore: decorator
@inline
export function activate(v: v128, slope: f32): v128 {
  const zero = f32x4.splat(0);
  return f32x4.add(f32x4.pmax(v, zero), f32x4.mul(f32x4.splat(slope), f32x4.pmin(v, zero)));
}
