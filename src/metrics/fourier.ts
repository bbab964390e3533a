/**
 * Two-dimensional Fourier transforms of real planes of any size, in float64. The spectrum S(v, u) = sum over y, x of
 * p(y, x) exp(-2 pi i (v y / height + u x / width)) of a real plane has S(-v, -u) = conj S(v, u), so only u = 0 .. width/2
 * is kept, and two real rows share one complex transform.
 *
 * Own code, on kernels of native/metrics: FFT packages of the registry do powers of two, or are no longer maintained, and
 * TensorFlow.js's FFT is float32.
 */
import type { MetricKernels } from './kernels';

/** Half a spectrum, column by column: value (v, u) at u * height + v, with u = 0 .. floor(width / 2). */
export interface Spectrum {
  readonly width: number;
  readonly height: number;
  readonly re: Float64Array;
  readonly im: Float64Array;
}

/** Room for a spectrum of a plane of this size. */
export function newSpectrum(kernels: MetricKernels, width: number, height: number): Spectrum {
  const length = (Math.floor(width / 2) + 1) * height;
  return { width, height, re: kernels.float64(length), im: kernels.float64(length) };
}

/** The spectrum of a plane (row-major). */
export function spectrumOf(
  kernels: MetricKernels,
  plane: ArrayLike<number>,
  width: number,
  height: number,
): Spectrum {
  const spectrum = newSpectrum(kernels, width, height);
  kernels.scope(() => {
    const pairs = Math.ceil(height / 2);
    const [re, im] = [kernels.float64(pairs * width), kernels.float64(pairs * width)];
    im.fill(0, (pairs - 1) * width); // an odd height leaves the last row alone
    for (let y = 0; y < height; y++) {
      const to = y % 2 === 0 ? re : im;
      const at = (y >> 1) * width;
      for (let x = 0; x < width; x++) to[at + x] = plane[y * width + x];
    }
    fftRows(kernels, re, im, pairs, width);
    unpackRows(re, im, spectrum);
    fftRows(kernels, spectrum.re, spectrum.im, (width >> 1) + 1, height);
  });
  return spectrum;
}

/** The real plane of a spectrum, into `plane`; uses the spectrum up. */
export function planeOf(kernels: MetricKernels, spectrum: Spectrum, plane: Float64Array): void {
  const { width, height } = spectrum;
  kernels.scope(() => {
    // Exchanging real and imaginary parts turns the transform into its inverse.
    fftRows(kernels, spectrum.im, spectrum.re, (width >> 1) + 1, height);
    const pairs = Math.ceil(height / 2);
    const [re, im] = [kernels.float64(pairs * width), kernels.float64(pairs * width)];
    packRows(spectrum, re, im);
    fftRows(kernels, im, re, pairs, width);
    const scale = 1 / (width * height);
    for (let y = 0; y < height; y++) {
      const from = y % 2 === 0 ? re : im;
      const at = (y >> 1) * width;
      for (let x = 0; x < width; x++) plane[y * width + x] = from[at + x] * scale;
    }
  });
}

/** Pairs of rows that are copied together between row-major and column-major arrays: a few cache lines of each column. */
const TILE = 8;

/** From transforms Z = A + i B of two real rows: A(u) = (Z(u) + conj Z(-u)) / 2, B(u) = (Z(u) - conj Z(-u)) / 2i. */
function unpackRows(re: Float64Array, im: Float64Array, spectrum: Spectrum): void {
  const { width, height, re: toRe, im: toIm } = spectrum;
  const pairs = Math.ceil(height / 2);
  for (let first = 0; first < pairs; first += TILE) {
    const end = Math.min(first + TILE, pairs);
    for (let u = 0; u <= width >> 1; u++) {
      const opposite = u === 0 ? 0 : width - u;
      for (let p = first; p < end; p++) {
        const a = p * width + u;
        const b = p * width + opposite;
        const at = u * height + 2 * p;
        toRe[at] = (re[a] + re[b]) / 2;
        toIm[at] = (im[a] - im[b]) / 2;
        if (2 * p + 1 === height) continue;
        toRe[at + 1] = (im[a] + im[b]) / 2;
        toIm[at + 1] = (re[b] - re[a]) / 2;
      }
    }
  }
}

/** The inverse of `unpackRows`: Z(u) = A(u) + i B(u), Z(-u) = conj A(u) + i conj B(u). */
function packRows(spectrum: Spectrum, re: Float64Array, im: Float64Array): void {
  const { width, height, re: fromRe, im: fromIm } = spectrum;
  const pairs = Math.ceil(height / 2);
  for (let first = 0; first < pairs; first += TILE) {
    const end = Math.min(first + TILE, pairs);
    for (let u = 0; u <= width >> 1; u++) {
      const opposite = u === 0 ? 0 : width - u;
      for (let p = first; p < end; p++) {
        const at = u * height + 2 * p;
        const both = 2 * p + 1 < height;
        const ar = fromRe[at];
        const ai = fromIm[at];
        const br = both ? fromRe[at + 1] : 0;
        const bi = both ? fromIm[at + 1] : 0;
        re[p * width + opposite] = ar + bi;
        im[p * width + opposite] = br - ai;
        re[p * width + u] = ar - bi; // last: where u is its own opposite it is this one
        im[p * width + u] = ai + br;
      }
    }
  }
}

/** Pairs of rows that a thread takes at a time. */
const GRAIN = 4;
/** Elements of native/metrics/fft: 4 float64 each. */
const ELEMENT = 4;

/** Transforms `rows` complex rows of length `n` in place. */
export function fftRows(
  kernels: MetricKernels,
  re: Float64Array,
  im: Float64Array,
  rows: number,
  n: number,
): void {
  if (n === 1) return;
  kernels.scope(() => {
    const { m, factors, roots, chirp, response } = planFor(kernels, n);
    const units = Math.ceil(rows / 2);
    const scratchElements = 2 * m + 2 * Math.max(...factors);
    const scratch = kernels.float64(Math.ceil(units / GRAIN) * scratchElements * ELEMENT);
    const args = [
      re,
      im,
      rows,
      n,
      m,
      kernels.int32([...factors, 0]),
      kernels.put(roots),
      chirp === undefined ? 0 : kernels.put(chirp),
      response === undefined ? 0 : kernels.put(response),
      scratch,
      scratchElements,
      GRAIN,
    ];
    kernels.run('fftRows', args, units, GRAIN);
  });
}

interface Plan {
  /** Length of the transforms that are computed. */
  readonly m: number;
  readonly factors: readonly number[];
  /** [m, 2] */
  readonly roots: Float64Array;
  /** Of a chirp convolution: [n, 2] and [m, 2]. */
  readonly chirp?: Float64Array;
  readonly response?: Float64Array;
}

/** A prime up to this is cheaper as a radix of its own than by Bluestein's algorithm. */
const LARGEST_RADIX = 127;

/** Plans of the last few lengths: a picture needs four. */
const plans = new Map<number, Plan>();

function planFor(kernels: MetricKernels, n: number): Plan {
  let plan = plans.get(n);
  if (plan === undefined) {
    plan = makePlan(kernels, n);
    if (plans.size >= 16) plans.clear();
    plans.set(n, plan);
  }
  return plan;
}

function makePlan(kernels: MetricKernels, n: number): Plan {
  const factors = radices(n);
  if (Math.max(...factors) <= LARGEST_RADIX) return { m: n, factors, roots: rootsOf(n) };
  // Bluestein: k i = (k^2 + i^2 - (k-i)^2) / 2 makes the transform a convolution with a chirp.
  let m = 2 * n - 1;
  while (Math.max(...radices(m)) > 5) m++;
  const root = rootsOf(2 * n);
  const chirp = new Float64Array(2 * n);
  for (let k = 0; k < n; k++) {
    const at = 2 * ((k * k) % (2 * n)); // exact below 2^53
    chirp[2 * k] = root[at];
    chirp[2 * k + 1] = root[at + 1];
  }
  return { m, factors: radices(m), roots: rootsOf(m), chirp, response: responseOf(kernels, chirp, n, m) };
}

/** Transform of the chirp's conjugate, laid around index 0, over m. */
function responseOf(kernels: MetricKernels, chirp: Float64Array, n: number, m: number): Float64Array {
  return kernels.scope(() => {
    const [re, im] = [kernels.float64(m).fill(0), kernels.float64(m).fill(0)];
    for (let k = 0; k < n; k++) {
      for (const at of [k, (m - k) % m]) {
        re[at] = chirp[2 * k] / m;
        im[at] = -chirp[2 * k + 1] / m;
      }
    }
    fftRows(kernels, re, im, 1, m);
    return Float64Array.from({ length: 2 * m }, (_, i) => (i % 2 === 0 ? re : im)[i >> 1]);
  });
}

/** exp(-2 pi i k / n), k = 0 .. n - 1; exact where the angle is a multiple of a right one. */
function rootsOf(n: number): Float64Array {
  const roots = new Float64Array(2 * n);
  for (let k = 0; k < n; k++) {
    // The angle within the first eighth keeps sine and cosine to the last bit.
    const eighth = Math.floor((8 * k) / n);
    const turn = ((eighth + 1) >> 1) % 4; // nearest multiple of a right angle
    const angle = (2 * Math.PI * (k - (((eighth + 1) >> 1) * n) / 4)) / n;
    const [c, s] = [Math.cos(angle), Math.sin(angle)];
    const [cos, sin] = [
      [c, s],
      [-s, c],
      [-c, -s],
      [s, -c],
    ][turn];
    roots[2 * k] = cos;
    roots[2 * k + 1] = -sin;
  }
  return roots;
}

/** Factors of n: fours first, then primes, rising. */
function radices(n: number): number[] {
  const factors: number[] = [];
  let rest = n;
  while (rest % 4 === 0) {
    factors.push(4);
    rest /= 4;
  }
  for (let p = 2; p * p <= rest; p++) {
    while (rest % p === 0) {
      factors.push(p);
      rest /= p;
    }
  }
  if (rest > 1 || factors.length === 0) factors.push(rest);
  return factors;
}
