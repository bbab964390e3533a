/** Adam (Kingma and Ba, ICLR 2015) in place; the formula is in src/train/adam.ts. */
import { horizontalSum } from './horizontal';
import { loadPart, storePart } from './part';

/** Sums of the squares of x [length], `group` floats at a time, to out [groups]. Unit: groups. */
export function sumSquares(x: usize, out: usize, length: i32, group: i32, begin: i32, end: i32): void {
  for (let u = begin; u < end; u++) {
    let p = x + ((u * group) << 2);
    let s = f32x4.splat(0);
    for (let left = min(group, length - u * group); left > 0; left -= 4, p += 16) {
      const v = loadPart(p, left);
      s = f32x4.add(s, f32x4.mul(v, v));
    }
    store<f32>(out + (u << 2), horizontalSum(s));
  }
}

/**
 * g <- factor g; m <- beta1 m + (1 - beta1) g; v <- beta2 v + (1 - beta2) g^2;
 * w <- w - stepSize m / (sqrt(v) / spread + epsilon). Changes w, m and v. Unit: floats.
 */
export function adam(
  w: usize,
  g: usize,
  m: usize,
  v: usize,
  factor: f32,
  beta1: f32,
  rest1: f32,
  beta2: f32,
  rest2: f32,
  stepSize: f32,
  spread: f32,
  epsilon: f32,
  begin: i32,
  end: i32,
): void {
  for (let i = begin; i < end; i += 4) {
    const n = end - i;
    const at = i << 2;
    const gradient = f32x4.mul(loadPart(g + at, n), f32x4.splat(factor));
    const first = f32x4.add(
      f32x4.mul(loadPart(m + at, n), f32x4.splat(beta1)),
      f32x4.mul(gradient, f32x4.splat(rest1)),
    );
    const second = f32x4.add(
      f32x4.mul(loadPart(v + at, n), f32x4.splat(beta2)),
      f32x4.mul(f32x4.mul(gradient, gradient), f32x4.splat(rest2)),
    );
    storePart(m + at, first, n);
    storePart(v + at, second, n);
    const below = f32x4.add(f32x4.div(f32x4.sqrt(second), f32x4.splat(spread)), f32x4.splat(epsilon));
    const change = f32x4.mul(f32x4.div(first, below), f32x4.splat(stepSize));
    storePart(w + at, f32x4.sub(loadPart(w + at, n), change), n);
  }
}
