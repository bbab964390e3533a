/**
 * Second moments and quadratic forms of the vectors y = (y_0 .. y_{count-1}) that lie at every pixel of some planes of
 * equal stride. A plane may be the same as another one, shifted: `sources` holds, for each component, the address (i32) of
 * its value at the first pixel.
 */

/** Columns at a time, so that all components of a run stay in the nearest cache. */
const RUN: i32 = 192;

// @ts-ignore: decorator
@inline
function source(sources: usize, k: i32, count: i32): usize {
  return <usize>load<i32>(sources + <usize>(min(k, count - 1) << 2));
}

/**
 * out[row, i, j] = sum over the row's pixels of y_i y_j, for i <= j (below the diagonal it stays as it is). Unit: rows.
 * @param columns pixels of a row
 * @param out [rows, count, count], zero at first
 */
export function secondMoments(
  sources: usize,
  count: i32,
  stride: i32,
  columns: i32,
  out: usize,
  begin: i32,
  end: i32,
): void {
  for (let row = begin; row < end; row++) {
    const sums = out + <usize>((row * count * count) << 3);
    for (let first = 0; first < columns; first += RUN) {
      const n = min(RUN, columns - first);
      const start = <usize>((row * stride + first) << 3);
      for (let i = 0; i < count; i += 2) {
        for (let j = i; j < count; j += 4) {
          products(sources, count, i, j, start, n, sums);
        }
      }
    }
  }
}

/** Adds the products of components i, i + 1 with j .. j + 3 over `n` pixels to `sums`. */
function products(sources: usize, count: i32, i: i32, j: i32, start: usize, n: i32, sums: usize): void {
  const a = source(sources, i, count) + start;
  const b = source(sources, i + 1, count) + start;
  const p = source(sources, j, count) + start;
  const q = source(sources, j + 1, count) + start;
  const r = source(sources, j + 2, count) + start;
  const s = source(sources, j + 3, count) + start;
  let ap = f64x2.splat(0);
  let aq = ap;
  let ar = ap;
  let as_ = ap;
  let bp = ap;
  let bq = ap;
  let br = ap;
  let bs = ap;
  const bytes = <usize>(n << 3);
  const even = bytes & ~15;
  for (let at: usize = 0; at < even; at += 16) {
    const x = v128.load(a + at);
    const y = v128.load(b + at);
    let z = v128.load(p + at);
    ap = f64x2.add(ap, f64x2.mul(x, z));
    bp = f64x2.add(bp, f64x2.mul(y, z));
    z = v128.load(q + at);
    aq = f64x2.add(aq, f64x2.mul(x, z));
    bq = f64x2.add(bq, f64x2.mul(y, z));
    z = v128.load(r + at);
    ar = f64x2.add(ar, f64x2.mul(x, z));
    br = f64x2.add(br, f64x2.mul(y, z));
    z = v128.load(s + at);
    as_ = f64x2.add(as_, f64x2.mul(x, z));
    bs = f64x2.add(bs, f64x2.mul(y, z));
  }
  if (even < bytes) {
    const x = v128.load64_zero(a + even);
    const y = v128.load64_zero(b + even);
    ap = f64x2.add(ap, f64x2.mul(x, v128.load64_zero(p + even)));
    bp = f64x2.add(bp, f64x2.mul(y, v128.load64_zero(p + even)));
    aq = f64x2.add(aq, f64x2.mul(x, v128.load64_zero(q + even)));
    bq = f64x2.add(bq, f64x2.mul(y, v128.load64_zero(q + even)));
    ar = f64x2.add(ar, f64x2.mul(x, v128.load64_zero(r + even)));
    br = f64x2.add(br, f64x2.mul(y, v128.load64_zero(r + even)));
    as_ = f64x2.add(as_, f64x2.mul(x, v128.load64_zero(s + even)));
    bs = f64x2.add(bs, f64x2.mul(y, v128.load64_zero(s + even)));
  }
  accumulate(sums, count, i, j, ap);
  accumulate(sums, count, i, j + 1, aq);
  accumulate(sums, count, i, j + 2, ar);
  accumulate(sums, count, i, j + 3, as_);
  accumulate(sums, count, i + 1, j, bp);
  accumulate(sums, count, i + 1, j + 1, bq);
  accumulate(sums, count, i + 1, j + 2, br);
  accumulate(sums, count, i + 1, j + 3, bs);
}

// @ts-ignore: decorator
@inline
function accumulate(sums: usize, count: i32, i: i32, j: i32, sum: v128): void {
  if (i > j || j >= count) return;
  const at = sums + <usize>((i * count + j) << 3);
  store<f64>(at, load<f64>(at) + f64x2.extract_lane(sum, 0) + f64x2.extract_lane(sum, 1));
}

/**
 * out[row, x] = y' F y. Unit: rows.
 * @param form F's upper triangle row by row, off-diagonal entries doubled
 * @param out [rows, columns]
 */
export function quadraticForm(
  sources: usize,
  count: i32,
  stride: i32,
  columns: i32,
  form: usize,
  out: usize,
  begin: i32,
  end: i32,
): void {
  const bytes = <usize>(columns << 3);
  for (let row = begin; row < end; row++) {
    const start = <usize>((row * stride) << 3);
    const to = out + <usize>((row * columns) << 3);
    let at: usize = 0;
    // Four pixels at a time.
    for (; at + 32 <= bytes; at += 32) {
      let sum0 = f64x2.splat(0);
      let sum1 = sum0;
      let f = form;
      for (let i = 0; i < count; i++) {
        const y = source(sources, i, count) + start + at;
        let dot0 = f64x2.splat(0);
        let dot1 = dot0;
        for (let j = i; j < count; j++) {
          const z = source(sources, j, count) + start + at;
          const weight = v128.load64_splat(f);
          dot0 = f64x2.add(dot0, f64x2.mul(weight, v128.load(z)));
          dot1 = f64x2.add(dot1, f64x2.mul(weight, v128.load(z, 16)));
          f += 8;
        }
        sum0 = f64x2.add(sum0, f64x2.mul(dot0, v128.load(y)));
        sum1 = f64x2.add(sum1, f64x2.mul(dot1, v128.load(y, 16)));
      }
      v128.store(to + at, sum0);
      v128.store(to + at, sum1, 16);
    }
    for (; at < bytes; at += 8) {
      let sum: f64 = 0;
      let f = form;
      for (let i = 0; i < count; i++) {
        let dot: f64 = 0;
        for (let j = i; j < count; j++) {
          dot += load<f64>(f) * load<f64>(source(sources, j, count) + start + at);
          f += 8;
        }
        sum += dot * load<f64>(source(sources, i, count) + start + at);
      }
      store<f64>(to + at, sum);
    }
  }
}
