/** Layer norm over the last axis and its gradient by the input; the parameters' gradients are sums (sum.ts). */
import { horizontalSum } from './horizontal';
import { loadPart, storePart } from './part';

/**
 * xhat = (x - mean) rstd, rstd = 1 / sqrt(variance + epsilon), y = xhat weight + bias. Unit: rows.
 * @param x [N, channels]; y, xhat likewise; rstd [N]
 */
export function layerNorm(
  x: usize,
  weight: usize,
  bias: usize,
  y: usize,
  xhat: usize,
  rstd: usize,
  channels: i32,
  epsilon: f32,
  begin: i32,
  end: i32,
): void {
  const row = channels << 2;
  const vectors = row & ~15;
  const rest = channels & 3;
  const n = <f32>channels;
  for (let k = begin; k < end; k++) {
    const from = x + k * row;
    let s = f32x4.splat(0);
    for (let c = 0; c < vectors; c += 16) s = f32x4.add(s, v128.load(from + c));
    if (rest) s = f32x4.add(s, loadPart(from + vectors, rest));
    const mean = f32x4.splat(horizontalSum(s) / n);
    s = f32x4.splat(0);
    for (let c = 0; c < vectors; c += 16) {
      const d = f32x4.sub(v128.load(from + c), mean);
      s = f32x4.add(s, f32x4.mul(d, d));
    }
    let variance = horizontalSum(s);
    for (let c = vectors; c < row; c += 4) {
      const d = load<f32>(from + c) - f32x4.extract_lane(mean, 0);
      variance += d * d;
    }
    const r: f32 = <f32>1 / sqrt<f32>(variance / n + epsilon);
    store<f32>(rstd + (k << 2), r);
    const scale = f32x4.splat(r);
    const toHat = xhat + k * row;
    const toY = y + k * row;
    for (let c = 0; c < vectors; c += 16) {
      const h = f32x4.mul(f32x4.sub(v128.load(from + c), mean), scale);
      v128.store(toHat + c, h);
      v128.store(toY + c, f32x4.add(f32x4.mul(h, v128.load(weight + c)), v128.load(bias + c)));
    }
    if (rest) {
      const c = vectors;
      const h = f32x4.mul(f32x4.sub(loadPart(from + c, rest), mean), scale);
      storePart(toHat + c, h, rest);
      storePart(toY + c, f32x4.add(f32x4.mul(h, loadPart(weight + c, rest)), loadPart(bias + c, rest)), rest);
    }
  }
}

/** With g = dy weight: dx = rstd (g - mean(g) - xhat mean(g xhat)). Unit: rows. */
export function layerNormGradient(
  dy: usize,
  xhat: usize,
  rstd: usize,
  weight: usize,
  dx: usize,
  channels: i32,
  begin: i32,
  end: i32,
): void {
  const row = channels << 2;
  const vectors = row & ~15;
  const rest = channels & 3;
  const n = <f32>channels;
  for (let k = begin; k < end; k++) {
    const d = dy + k * row;
    const h = xhat + k * row;
    const to = dx + k * row;
    let sum = f32x4.splat(0);
    let along = f32x4.splat(0);
    for (let c = 0; c < vectors; c += 16) {
      const g = f32x4.mul(v128.load(d + c), v128.load(weight + c));
      sum = f32x4.add(sum, g);
      along = f32x4.add(along, f32x4.mul(g, v128.load(h + c)));
    }
    if (rest) {
      const g = f32x4.mul(loadPart(d + vectors, rest), loadPart(weight + vectors, rest));
      sum = f32x4.add(sum, g);
      along = f32x4.add(along, f32x4.mul(g, loadPart(h + vectors, rest)));
    }
    const m = f32x4.splat(horizontalSum(sum) / n);
    const a = f32x4.splat(horizontalSum(along) / n);
    const r = f32x4.splat(load<f32>(rstd + (k << 2)));
    for (let c = 0; c < vectors; c += 16) {
      const g = f32x4.mul(v128.load(d + c), v128.load(weight + c));
      v128.store(to + c, f32x4.mul(r, f32x4.sub(f32x4.sub(g, m), f32x4.mul(v128.load(h + c), a))));
    }
    if (rest) {
      const c = vectors;
      const g = f32x4.mul(loadPart(d + c, rest), loadPart(weight + c, rest));
      storePart(to + c, f32x4.mul(r, f32x4.sub(f32x4.sub(g, m), f32x4.mul(loadPart(h + c, rest), a))), rest);
    }
  }
}
