/**
 * The contrast-structure term of SSIM (Wang et al. 2004, with alpha = 0), (2 s_ab + C2) / (s_aa + s_bb + C2), of pairs of
 * planes: s are variances and covariance under an 11x11 Gaussian at every place where it fits. What a plane needs for
 * itself is filtered once for all pairs that it is in.
 */

const TAPS: i32 = 11;

/**
 * out[row, pair] = sum over a row of the map. Unit: rows of the map.
 *
 * @param planes addresses (i32) of `count` planes
 * @param pairs `pairCount` times two plane numbers (i32)
 * @param stride elements from row to row of a plane; the map has `columns` = stride - 10
 * @param window the six distinct weights of one axis, the middle last
 * @param c2 C2
 * @param least terms below it count as this
 * @param scratch for each `grain` units: (2 count + 2) rows of `stride`
 */
export function contrastStructure(
  planes: usize,
  count: i32,
  pairs: usize,
  pairCount: i32,
  stride: i32,
  window: usize,
  c2: f64,
  least: f64,
  scratch: usize,
  out: usize,
  grain: i32,
  begin: i32,
  end: i32,
): void {
  const line = <usize>(stride << 3);
  const columns = stride - TAPS + 1;
  const rows = scratch + <usize>(begin / grain) * <usize>(2 * count + 2) * line;
  const column = rows + <usize>(2 * count) * line; // filtered down the columns
  const cross = column + line;
  for (let row = begin; row < end; row++) {
    const top = <usize>row * line;
    for (let k = 0; k < count; k++) {
      const plane = <usize>load<i32>(planes + <usize>(k << 2)) + top;
      const mean = rows + <usize>(2 * k) * line;
      const variance = mean + line;
      down(plane, line, stride, window, column);
      across(column, columns, window, mean);
      downProduct(plane, plane, line, stride, window, column);
      across(column, columns, window, variance);
      subtractProduct(variance, mean, mean, columns);
    }
    for (let k = 0; k < pairCount; k++) {
      const a = load<i32>(pairs + <usize>(k << 3));
      const b = load<i32>(pairs + <usize>(k << 3), 4);
      const planeA = <usize>load<i32>(planes + <usize>(a << 2)) + top;
      const planeB = <usize>load<i32>(planes + <usize>(b << 2)) + top;
      const meanA = rows + <usize>(2 * a) * line;
      const meanB = rows + <usize>(2 * b) * line;
      downProduct(planeA, planeB, line, stride, window, column);
      across(column, columns, window, cross);
      const sum = terms(cross, meanA, meanB, meanA + line, meanB + line, columns, c2, least);
      store<f64>(out + <usize>((row * pairCount + k) << 3), sum);
    }
  }
}

/** to[x] = sum over eleven rows of window x plane. The row's last odd element is computed beside the one before. */
function down(from: usize, line: usize, n: i32, window: usize, to: usize): void {
  const last = <usize>((n - 2) << 3);
  for (let step: usize = 0; step < <usize>(n << 3); step += 16) {
    const at = min(step, last);
    const p = from + at;
    let sum = f64x2.mul(v128.load64_splat(window, 40), v128.load(p + 5 * line));
    for (let k: usize = 0; k < 5; k++) {
      const both = f64x2.add(v128.load(p + k * line), v128.load(p + (10 - k) * line));
      sum = f64x2.add(sum, f64x2.mul(v128.load64_splat(window + (k << 3)), both));
    }
    v128.store(to + at, sum);
  }
}

/** As `down`, of the product of two planes. */
function downProduct(a: usize, b: usize, line: usize, n: i32, window: usize, to: usize): void {
  const last = <usize>((n - 2) << 3);
  for (let step: usize = 0; step < <usize>(n << 3); step += 16) {
    const at = min(step, last);
    const p = a + at;
    const q = b + at;
    let sum = f64x2.mul(
      v128.load64_splat(window, 40),
      f64x2.mul(v128.load(p + 5 * line), v128.load(q + 5 * line)),
    );
    for (let k: usize = 0; k < 5; k++) {
      const both = f64x2.add(
        f64x2.mul(v128.load(p + k * line), v128.load(q + k * line)),
        f64x2.mul(v128.load(p + (10 - k) * line), v128.load(q + (10 - k) * line)),
      );
      sum = f64x2.add(sum, f64x2.mul(v128.load64_splat(window + (k << 3)), both));
    }
    v128.store(to + at, sum);
  }
}

/** to[x] = sum over eleven neighbours in a row, x = 0 .. n - 1. The last two may be computed twice. */
function across(from: usize, n: i32, window: usize, to: usize): void {
  if (n < 2) {
    let sum: f64 = 0;
    for (let k = 0; k < TAPS; k++) {
      sum += load<f64>(window + <usize>(min(k, TAPS - 1 - k) << 3)) * load<f64>(from + <usize>(k << 3));
    }
    store<f64>(to, sum);
    return;
  }
  const last = <usize>((n - 2) << 3);
  for (let step: usize = 0; step < <usize>(n << 3); step += 16) {
    const at = min(step, last);
    const p = from + at;
    let sum = f64x2.mul(v128.load64_splat(window, 40), v128.load(p, 40));
    for (let k: usize = 0; k < 5; k++) {
      const both = f64x2.add(v128.load(p + (k << 3)), v128.load(p + ((10 - k) << 3)));
      sum = f64x2.add(sum, f64x2.mul(v128.load64_splat(window + (k << 3)), both));
    }
    v128.store(to + at, sum);
  }
}

/** target[x] -= a[x] b[x] */
function subtractProduct(target: usize, a: usize, b: usize, n: i32): void {
  for (let x = 0; x < n; x++) {
    const at = <usize>(x << 3);
    store<f64>(target + at, load<f64>(target + at) - load<f64>(a + at) * load<f64>(b + at));
  }
}

function terms(
  cross: usize,
  meanA: usize,
  meanB: usize,
  varianceA: usize,
  varianceB: usize,
  n: i32,
  c2: f64,
  least: f64,
): f64 {
  let sum: f64 = 0;
  for (let x = 0; x < n; x++) {
    const at = <usize>(x << 3);
    const covariance = load<f64>(cross + at) - load<f64>(meanA + at) * load<f64>(meanB + at);
    const term = (2 * covariance + c2) / (load<f64>(varianceA + at) + load<f64>(varianceB + at) + c2);
    sum += max(term, least);
  }
  return sum;
}
