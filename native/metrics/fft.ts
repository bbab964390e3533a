/**
 * Discrete Fourier transforms of any length, of two rows at a time: one in each half of a vector. Stockham's algorithm
 * (no bit reversal) with radices 4, 2, 3, 5 and any odd prime; lengths with a large prime by Bluestein's chirp convolution.
 * While it is worked on, an element is 32 bytes: real parts of both rows, imaginary parts of both rows.
 */

const ELEMENT: i32 = 32;

/**
 * X[k] = sum over i of x[i] exp(-2 pi i k / n) of every row, in place. With `re` and `im` exchanged it is the inverse
 * transform, times n. Unit: pairs of rows (a last row without a partner is computed twice).
 *
 * @param re [rows, n]; im likewise
 * @param m length of the transforms that are computed: n, or for a chirp convolution at least 2 n - 1
 * @param factors i32, radices whose product is m, then 0
 * @param roots [m, 2]: cosine and sine of -2 pi k / m
 * @param chirp [n, 2]: exp(-pi i k^2 / n), or 0 for a plain transform
 * @param response [m, 2]: transform of the chirp's conjugate, over m
 * @param scratch for each `grain` units: 2 m + 2 x the largest radix elements of 32 bytes
 */
export function fftRows(
  re: usize,
  im: usize,
  rows: i32,
  n: i32,
  m: i32,
  factors: usize,
  roots: usize,
  chirp: usize,
  response: usize,
  scratch: usize,
  scratchElements: i32,
  grain: i32,
  begin: i32,
  end: i32,
): void {
  const x = scratch + <usize>((begin / grain) * scratchElements * ELEMENT);
  const y = x + <usize>(m * ELEMENT);
  const spare = y + <usize>(m * ELEMENT);
  for (let unit = begin; unit < end; unit++) {
    const first = 2 * unit * n;
    const second = min(2 * unit + 1, rows - 1) * n;
    const reA = re + <usize>(first << 3);
    const reB = re + <usize>(second << 3);
    const imA = im + <usize>(first << 3);
    const imB = im + <usize>(second << 3);
    for (let i = 0; i < n; i++) {
      const at = <usize>(i << 3);
      let r = pair(reA + at, reB + at);
      let s = pair(imA + at, imB + at);
      if (chirp != 0) {
        const c = v128.load64_splat(chirp + 2 * at);
        const d = v128.load64_splat(chirp + 2 * at, 8);
        const product = f64x2.sub(f64x2.mul(r, c), f64x2.mul(s, d));
        s = f64x2.add(f64x2.mul(r, d), f64x2.mul(s, c));
        r = product;
      }
      v128.store(x + <usize>(i * ELEMENT), r);
      v128.store(x + <usize>(i * ELEMENT), s, 16);
    }
    let result: usize;
    if (chirp == 0) {
      result = transform(x, y, m, factors, roots, spare);
    } else {
      memory.fill(x + <usize>(n * ELEMENT), 0, <usize>((m - n) * ELEMENT));
      result = convolve(x, y, m, factors, roots, response, spare);
    }
    for (let i = 0; i < n; i++) {
      const at = <usize>(i << 3);
      let r = v128.load(result + <usize>(i * ELEMENT));
      let s = v128.load(result + <usize>(i * ELEMENT), 16);
      if (chirp != 0) {
        // The inverse transform left real and imaginary parts exchanged.
        const c = v128.load64_splat(chirp + 2 * at);
        const d = v128.load64_splat(chirp + 2 * at, 8);
        const product = f64x2.sub(f64x2.mul(s, c), f64x2.mul(r, d));
        s = f64x2.add(f64x2.mul(s, d), f64x2.mul(r, c));
        r = product;
      }
      v128.store64_lane(reA + at, r, 0);
      v128.store64_lane(imA + at, s, 0);
      v128.store64_lane(reB + at, r, 1);
      v128.store64_lane(imB + at, s, 1);
    }
  }
}

// @ts-ignore: decorator
@inline
function pair(a: usize, b: usize): v128 {
  return v128.load64_lane(b, v128.load64_zero(a), 1);
}

/** Circular convolution with the response; leaves real and imaginary parts exchanged. */
function convolve(
  x: usize,
  y: usize,
  m: i32,
  factors: usize,
  roots: usize,
  response: usize,
  spare: usize,
): usize {
  const spectrum = transform(x, y, m, factors, roots, spare);
  for (let i = 0; i < m; i++) {
    const at = spectrum + <usize>(i * ELEMENT);
    const r = v128.load(at);
    const s = v128.load(at, 16);
    const c = v128.load64_splat(response + <usize>(i << 4));
    const d = v128.load64_splat(response + <usize>(i << 4), 8);
    // Exchanged, so that the same transform is the inverse.
    v128.store(at, f64x2.add(f64x2.mul(r, d), f64x2.mul(s, c)));
    v128.store(at, f64x2.sub(f64x2.mul(r, c), f64x2.mul(s, d)), 16);
  }
  return transform(spectrum, spectrum == x ? y : x, m, factors, roots, spare);
}

/** The transform of x; either x or y holds the result, the other is used up. */
function transform(x: usize, y: usize, n: i32, factors: usize, roots: usize, spare: usize): usize {
  let stride: i32 = 1;
  let rest = n;
  let radix = load<i32>(factors);
  while (radix != 0) {
    rest /= radix;
    // Element q + stride (j + rest k) of x, k = 0 .. radix - 1, becomes q + stride (radix j + r) of y, r likewise.
    if (radix == 4) radix4(x, y, rest, stride, roots);
    else if (radix == 2) radix2(x, y, rest, stride, roots);
    else if (radix == 3) radix3(x, y, rest, stride, roots);
    else if (radix == 5) radix5(x, y, rest, stride, roots);
    else radixOdd(x, y, radix, rest, stride, roots, n / radix, spare);
    stride *= radix;
    const exchange = x;
    x = y;
    y = exchange;
    factors += 4;
    radix = load<i32>(factors);
  }
  return x;
}

/** Stores (r, s) times (c, d). */
// @ts-ignore: decorator
@inline
function storeTimes(at: usize, r: v128, s: v128, c: v128, d: v128): void {
  v128.store(at, f64x2.sub(f64x2.mul(r, c), f64x2.mul(s, d)));
  v128.store(at, f64x2.add(f64x2.mul(r, d), f64x2.mul(s, c)), 16);
}

// @ts-ignore: decorator
@inline
function store2(at: usize, r: v128, s: v128): void {
  v128.store(at, r);
  v128.store(at, s, 16);
}

function radix2(x: usize, y: usize, rest: i32, stride: i32, roots: usize): void {
  const apart = <usize>(stride * rest * ELEMENT);
  const step = <usize>(stride * ELEMENT);
  for (let j = 0; j < rest; j++) {
    const c = v128.load64_splat(roots + <usize>((j * stride) << 4));
    const d = v128.load64_splat(roots + <usize>((j * stride) << 4), 8);
    let from = x + <usize>(j * stride * ELEMENT);
    let to = y + <usize>(2 * j * stride * ELEMENT);
    for (let q = 0; q < stride; q++) {
      const ar = v128.load(from);
      const as_ = v128.load(from, 16);
      const br = v128.load(from + apart);
      const bs = v128.load(from + apart, 16);
      store2(to, f64x2.add(ar, br), f64x2.add(as_, bs));
      storeTimes(to + step, f64x2.sub(ar, br), f64x2.sub(as_, bs), c, d);
      from += ELEMENT;
      to += ELEMENT;
    }
  }
}

function radix4(x: usize, y: usize, rest: i32, stride: i32, roots: usize): void {
  const apart = <usize>(stride * rest * ELEMENT);
  const step = <usize>(stride * ELEMENT);
  for (let j = 0; j < rest; j++) {
    const w = <usize>((j * stride) << 4);
    const c1 = v128.load64_splat(roots + w);
    const d1 = v128.load64_splat(roots + w, 8);
    const c2 = v128.load64_splat(roots + 2 * w);
    const d2 = v128.load64_splat(roots + 2 * w, 8);
    const c3 = v128.load64_splat(roots + 3 * w);
    const d3 = v128.load64_splat(roots + 3 * w, 8);
    let from = x + <usize>(j * stride * ELEMENT);
    let to = y + <usize>(4 * j * stride * ELEMENT);
    for (let q = 0; q < stride; q++) {
      const a0r = v128.load(from);
      const a0s = v128.load(from, 16);
      const a1r = v128.load(from + apart);
      const a1s = v128.load(from + apart, 16);
      const a2r = v128.load(from + 2 * apart);
      const a2s = v128.load(from + 2 * apart, 16);
      const a3r = v128.load(from + 3 * apart);
      const a3s = v128.load(from + 3 * apart, 16);
      const evenR = f64x2.add(a0r, a2r);
      const evenS = f64x2.add(a0s, a2s);
      const oddR = f64x2.add(a1r, a3r);
      const oddS = f64x2.add(a1s, a3s);
      const diffR = f64x2.sub(a0r, a2r);
      const diffS = f64x2.sub(a0s, a2s);
      // -i (a1 - a3)
      const turnR = f64x2.sub(a1s, a3s);
      const turnS = f64x2.sub(a3r, a1r);
      store2(to, f64x2.add(evenR, oddR), f64x2.add(evenS, oddS));
      storeTimes(to + step, f64x2.add(diffR, turnR), f64x2.add(diffS, turnS), c1, d1);
      storeTimes(to + 2 * step, f64x2.sub(evenR, oddR), f64x2.sub(evenS, oddS), c2, d2);
      storeTimes(to + 3 * step, f64x2.sub(diffR, turnR), f64x2.sub(diffS, turnS), c3, d3);
      from += ELEMENT;
      to += ELEMENT;
    }
  }
}

function radix3(x: usize, y: usize, rest: i32, stride: i32, roots: usize): void {
  const apart = <usize>(stride * rest * ELEMENT);
  const step = <usize>(stride * ELEMENT);
  const half = f64x2.splat(0.5);
  const sine = f64x2.splat(0.8660254037844386); // sin(2 pi / 3)
  for (let j = 0; j < rest; j++) {
    const w = <usize>((j * stride) << 4);
    const c1 = v128.load64_splat(roots + w);
    const d1 = v128.load64_splat(roots + w, 8);
    const c2 = v128.load64_splat(roots + 2 * w);
    const d2 = v128.load64_splat(roots + 2 * w, 8);
    let from = x + <usize>(j * stride * ELEMENT);
    let to = y + <usize>(3 * j * stride * ELEMENT);
    for (let q = 0; q < stride; q++) {
      const a0r = v128.load(from);
      const a0s = v128.load(from, 16);
      const a1r = v128.load(from + apart);
      const a1s = v128.load(from + apart, 16);
      const a2r = v128.load(from + 2 * apart);
      const a2s = v128.load(from + 2 * apart, 16);
      const tr = f64x2.add(a1r, a2r);
      const ts = f64x2.add(a1s, a2s);
      const mr = f64x2.sub(a0r, f64x2.mul(tr, half));
      const ms = f64x2.sub(a0s, f64x2.mul(ts, half));
      const ur = f64x2.mul(f64x2.sub(a1s, a2s), sine);
      const us = f64x2.mul(f64x2.sub(a2r, a1r), sine);
      store2(to, f64x2.add(a0r, tr), f64x2.add(a0s, ts));
      storeTimes(to + step, f64x2.add(mr, ur), f64x2.add(ms, us), c1, d1);
      storeTimes(to + 2 * step, f64x2.sub(mr, ur), f64x2.sub(ms, us), c2, d2);
      from += ELEMENT;
      to += ELEMENT;
    }
  }
}

function radix5(x: usize, y: usize, rest: i32, stride: i32, roots: usize): void {
  const apart = <usize>(stride * rest * ELEMENT);
  const step = <usize>(stride * ELEMENT);
  const cos1 = f64x2.splat(0.30901699437494745); // of 2 pi / 5
  const cos2 = f64x2.splat(-0.8090169943749475); // of 4 pi / 5
  const sin1 = f64x2.splat(0.9510565162951535);
  const sin2 = f64x2.splat(0.5877852522924731);
  for (let j = 0; j < rest; j++) {
    const w = <usize>((j * stride) << 4);
    let from = x + <usize>(j * stride * ELEMENT);
    let to = y + <usize>(5 * j * stride * ELEMENT);
    for (let q = 0; q < stride; q++) {
      const a0r = v128.load(from);
      const a0s = v128.load(from, 16);
      const a1r = v128.load(from + apart);
      const a1s = v128.load(from + apart, 16);
      const a2r = v128.load(from + 2 * apart);
      const a2s = v128.load(from + 2 * apart, 16);
      const a3r = v128.load(from + 3 * apart);
      const a3s = v128.load(from + 3 * apart, 16);
      const a4r = v128.load(from + 4 * apart);
      const a4s = v128.load(from + 4 * apart, 16);
      const t1r = f64x2.add(a1r, a4r);
      const t1s = f64x2.add(a1s, a4s);
      const t2r = f64x2.add(a2r, a3r);
      const t2s = f64x2.add(a2s, a3s);
      const e1r = f64x2.sub(a1r, a4r);
      const e1s = f64x2.sub(a1s, a4s);
      const e2r = f64x2.sub(a2r, a3r);
      const e2s = f64x2.sub(a2s, a3s);
      const m1r = f64x2.add(a0r, f64x2.add(f64x2.mul(cos1, t1r), f64x2.mul(cos2, t2r)));
      const m1s = f64x2.add(a0s, f64x2.add(f64x2.mul(cos1, t1s), f64x2.mul(cos2, t2s)));
      const m2r = f64x2.add(a0r, f64x2.add(f64x2.mul(cos2, t1r), f64x2.mul(cos1, t2r)));
      const m2s = f64x2.add(a0s, f64x2.add(f64x2.mul(cos2, t1s), f64x2.mul(cos1, t2s)));
      // -i (sin1 e1 + sin2 e2), -i (sin2 e1 - sin1 e2)
      const u1r = f64x2.add(f64x2.mul(sin1, e1s), f64x2.mul(sin2, e2s));
      const u1s = f64x2.neg(f64x2.add(f64x2.mul(sin1, e1r), f64x2.mul(sin2, e2r)));
      const u2r = f64x2.sub(f64x2.mul(sin2, e1s), f64x2.mul(sin1, e2s));
      const u2s = f64x2.sub(f64x2.mul(sin1, e2r), f64x2.mul(sin2, e1r));
      store2(to, f64x2.add(a0r, f64x2.add(t1r, t2r)), f64x2.add(a0s, f64x2.add(t1s, t2s)));
      storeTimes(to + step, f64x2.add(m1r, u1r), f64x2.add(m1s, u1s), v128.load64_splat(roots + w), v128.load64_splat(roots + w, 8));
      storeTimes(to + 2 * step, f64x2.add(m2r, u2r), f64x2.add(m2s, u2s), v128.load64_splat(roots + 2 * w), v128.load64_splat(roots + 2 * w, 8));
      storeTimes(to + 3 * step, f64x2.sub(m2r, u2r), f64x2.sub(m2s, u2s), v128.load64_splat(roots + 3 * w), v128.load64_splat(roots + 3 * w, 8));
      storeTimes(to + 4 * step, f64x2.sub(m1r, u1r), f64x2.sub(m1s, u1s), v128.load64_splat(roots + 4 * w), v128.load64_splat(roots + 4 * w, 8));
      from += ELEMENT;
      to += ELEMENT;
    }
  }
}

/**
 * Any odd radix p: with t = a[k] + a[p-k] and e = a[k] - a[p-k], k = 1 .. h = (p-1)/2, outputs r and p - r are
 * a[0] + sum cos(2 pi r k / p) t -+ i sum sin(2 pi r k / p) e. `spare` takes t and e, `turn` steps of `roots` are 2 pi / p.
 */
function radixOdd(
  x: usize,
  y: usize,
  p: i32,
  rest: i32,
  stride: i32,
  roots: usize,
  turn: i32,
  spare: usize,
): void {
  const apart = <usize>(stride * rest * ELEMENT);
  const step = <usize>(stride * ELEMENT);
  const h = (p - 1) >> 1;
  for (let j = 0; j < rest; j++) {
    for (let q = 0; q < stride; q++) {
      const from = x + <usize>((q + j * stride) * ELEMENT);
      const to = y + <usize>((q + p * j * stride) * ELEMENT);
      const a0r = v128.load(from);
      const a0s = v128.load(from, 16);
      let sumR = a0r;
      let sumS = a0s;
      for (let k = 1; k <= h; k++) {
        const low = from + <usize>k * apart;
        const high = from + <usize>(p - k) * apart;
        const lr = v128.load(low);
        const ls = v128.load(low, 16);
        const hr = v128.load(high);
        const hs = v128.load(high, 16);
        const at = spare + <usize>((k - 1) * 2 * ELEMENT);
        const tr = f64x2.add(lr, hr);
        const ts = f64x2.add(ls, hs);
        v128.store(at, tr);
        v128.store(at, ts, 16);
        v128.store(at, f64x2.sub(lr, hr), 32);
        v128.store(at, f64x2.sub(ls, hs), 48);
        sumR = f64x2.add(sumR, tr);
        sumS = f64x2.add(sumS, ts);
      }
      store2(to, sumR, sumS);
      for (let r = 1; r <= h; r++) {
        let mr = a0r;
        let ms = a0s;
        let ur = f64x2.splat(0);
        let us = f64x2.splat(0);
        let index = 0;
        let at = spare;
        for (let k = 1; k <= h; k++) {
          index += r;
          if (index >= p) index -= p;
          const root = roots + <usize>((index * turn) << 4);
          const c = v128.load64_splat(root);
          const d = v128.load64_splat(root, 8); // minus the sine
          mr = f64x2.add(mr, f64x2.mul(c, v128.load(at)));
          ms = f64x2.add(ms, f64x2.mul(c, v128.load(at, 16)));
          ur = f64x2.sub(ur, f64x2.mul(d, v128.load(at, 48)));
          us = f64x2.add(us, f64x2.mul(d, v128.load(at, 32)));
          at += 2 * ELEMENT;
        }
        const w = <usize>((j * r * stride) << 4);
        const v = <usize>((j * (p - r) * stride) << 4);
        storeTimes(to + <usize>r * step, f64x2.add(mr, ur), f64x2.add(ms, us), v128.load64_splat(roots + w), v128.load64_splat(roots + w, 8));
        storeTimes(to + <usize>(p - r) * step, f64x2.sub(mr, ur), f64x2.sub(ms, us), v128.load64_splat(roots + v), v128.load64_splat(roots + v, 8));
      }
    }
  }
}
