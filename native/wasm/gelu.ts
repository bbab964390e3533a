/**
 * Exact GELU, x Phi(x), and its gradient, Phi(x) + x phi(x).
 *
 * |x| <= 2: Phi(x) = 1/2 + x Q(x^2) and Phi(x) + x phi(x) = 1/2 + x S(x^2), Q and S of degree 7 (smallest absolute error;
 * Lawson's iteration). Most activations are there, so the other case is computed only for vectors that need it:
 *
 * |x| > 2: Phi(-|x|) = e^(-x^2/2) t R(t) with t = 1 / (1 + 0.33 |x|), R of degree 8 (smallest relative error for |x| up to
 * 14), and Phi(|x|) = 1 - Phi(-|x|): no cancellation in the negative tail, where 1 + erf has one.
 *
 * In float32 Phi is good to 1e-7 (erf to 2e-7), the gradient to 3e-7.
 */
import { exponential } from './exponential';
import { loadPart, storePart } from './part';

// @ts-ignore: decorator
@inline
function isFar(x: v128): v128 {
  return f32x4.gt(f32x4.abs(x), f32x4.splat(2));
}

/** Phi(x) for |x| <= 2. */
// @ts-ignore: decorator
@inline
function nearCdf(x: v128): v128 {
  const u = f32x4.mul(x, x);
  let q = f32x4.splat(-1.6666438e-8);
  q = f32x4.add(f32x4.mul(q, u), f32x4.splat(5.21934941e-7));
  q = f32x4.add(f32x4.mul(q, u), f32x4.splat(-8.95710111e-6));
  q = f32x4.add(f32x4.mul(q, u), f32x4.splat(1.14461273e-4));
  q = f32x4.add(f32x4.mul(q, u), f32x4.splat(-1.18620662e-3));
  q = f32x4.add(f32x4.mul(q, u), f32x4.splat(9.97286534e-3));
  q = f32x4.add(f32x4.mul(q, u), f32x4.splat(-6.64901876e-2));
  q = f32x4.add(f32x4.mul(q, u), f32x4.splat(0.398942265));
  return f32x4.add(f32x4.mul(x, q), f32x4.splat(0.5));
}

/** Phi(x) + x phi(x) for |x| <= 2. */
// @ts-ignore: decorator
@inline
function nearSlope(x: v128): v128 {
  const u = f32x4.mul(x, x);
  let s = f32x4.splat(-2.37524416e-7);
  s = f32x4.add(f32x4.mul(s, u), f32x4.splat(6.90059068e-6));
  s = f32x4.add(f32x4.mul(s, u), f32x4.splat(-1.05229698e-4));
  s = f32x4.add(f32x4.mul(s, u), f32x4.splat(1.13828146e-3));
  s = f32x4.add(f32x4.mul(s, u), f32x4.splat(-9.48020996e-3));
  s = f32x4.add(f32x4.mul(s, u), f32x4.splat(5.98300304e-2));
  s = f32x4.add(f32x4.mul(s, u), f32x4.splat(-0.265958383));
  s = f32x4.add(f32x4.mul(s, u), f32x4.splat(0.797884306));
  return f32x4.add(f32x4.mul(x, s), f32x4.splat(0.5));
}

/** Phi(x) for |x| > 2, given e = exp(-x^2/2). */
// @ts-ignore: decorator
@inline
function farCdf(x: v128, e: v128): v128 {
  const one = f32x4.splat(1);
  const t = f32x4.div(one, f32x4.add(one, f32x4.mul(f32x4.splat(0.33), f32x4.abs(x))));
  let r = f32x4.splat(-0.0208073103);
  r = f32x4.add(f32x4.mul(r, t), f32x4.splat(0.123078698));
  r = f32x4.add(f32x4.mul(r, t), f32x4.splat(-0.267183956));
  r = f32x4.add(f32x4.mul(r, t), f32x4.splat(0.224628449));
  r = f32x4.add(f32x4.mul(r, t), f32x4.splat(-0.0565255377));
  r = f32x4.add(f32x4.mul(r, t), f32x4.splat(0.121818806));
  r = f32x4.add(f32x4.mul(r, t), f32x4.splat(0.111065945));
  r = f32x4.add(f32x4.mul(r, t), f32x4.splat(0.132302774));
  r = f32x4.add(f32x4.mul(r, t), f32x4.splat(0.131622159));
  const tail = f32x4.mul(f32x4.mul(r, t), e);
  return v128.bitselect(tail, f32x4.sub(one, tail), f32x4.lt(x, f32x4.splat(0)));
}

// @ts-ignore: decorator
@inline
function density(x: v128): v128 {
  return exponential(f32x4.mul(f32x4.mul(x, x), f32x4.splat(-0.5)));
}

// @ts-ignore: decorator
@inline
function geluOf(x: v128): v128 {
  const far = isFar(x);
  let cdf = nearCdf(x);
  if (v128.any_true(far)) cdf = v128.bitselect(farCdf(x, density(x)), cdf, far);
  return f32x4.mul(x, cdf);
}

// @ts-ignore: decorator
@inline
function slopeOf(x: v128): v128 {
  const far = isFar(x);
  let slope = nearSlope(x);
  if (v128.any_true(far)) {
    const e = density(x);
    const other = f32x4.add(farCdf(x, e), f32x4.mul(f32x4.mul(x, e), f32x4.splat(0.39894228)));
    slope = v128.bitselect(other, slope, far);
  }
  return slope;
}

/** y = x Phi(x). Unit: floats. */
export function gelu(x: usize, y: usize, begin: i32, end: i32): void {
  let i = begin;
  for (; i + 4 <= end; i += 4) v128.store(y + (i << 2), geluOf(v128.load(x + (i << 2))));
  if (i < end) storePart(y + (i << 2), geluOf(loadPart(x + (i << 2), end - i)), end - i);
}

/** dx = dy (Phi(x) + x phi(x)). Unit: floats. */
export function geluGradient(dy: usize, x: usize, dx: usize, begin: i32, end: i32): void {
  let i = begin;
  for (; i + 4 <= end; i += 4) {
    v128.store(dx + (i << 2), f32x4.mul(v128.load(dy + (i << 2)), slopeOf(v128.load(x + (i << 2)))));
  }
  if (i < end) {
    const n = end - i;
    storePart(dx + (i << 2), f32x4.mul(loadPart(dy + (i << 2), n), slopeOf(loadPart(x + (i << 2), n))), n);
  }
}
