/**
 * Simoncelli's steerable pyramid in the frequency domain, two levels of six orientations (Simoncelli and Freeman, "The
 * steerable pyramid: a flexible architecture for multi-scale derivative computation", 1995; `buildSFpyr` of matlabPyrTools
 * as NRQM calls it: order 5, transitions one octave wide).
 *
 * Masks are looked up in tables and interpolated linearly, as there: raised cosines over log2 of the radius R, and
 * A_o = c cos^5(angle - pi o / 6) for orientation o. A band is the real part of the inverse transform of (-i)^5 S R A_o.
 */
import { newSpectrum, planeOf, spectrumOf, type Spectrum } from './fourier';
import type { MetricKernels } from './kernels';

export const ORIENTATIONS = 6;

export interface Band {
  readonly width: number;
  readonly height: number;
  /** Row-major; in the kernels' memory. */
  readonly data: Float64Array;
}

export interface SteerablePyramid {
  readonly highpass: Band;
  /** Six bands of full size, six of half size (rounded up). The low-pass rest is not made. */
  readonly levels: readonly [readonly Band[], readonly Band[]];
}

/** The pyramid of a plane. @param float32 round the masks to float32, as pyiqa */
export function steerablePyramid(
  kernels: MetricKernels,
  plane: ArrayLike<number>,
  width: number,
  height: number,
  float32: boolean,
): SteerablePyramid {
  const newBand = (w: number, h: number): Band => ({ width: w, height: h, data: kernels.float64(w * h) });
  const [w2, h2] = [Math.ceil((width - 0.5) / 2), Math.ceil((height - 0.5) / 2)];
  const highpass = newBand(width, height);
  const levels = [[width, height] as const, [w2, h2] as const].map(([w, h]) =>
    Array.from({ length: ORIENTATIONS }, () => newBand(w, h)),
  ) as [Band[], Band[]];
  kernels.scope(() => {
    const spectrum = spectrumOf(kernels, plane, width, height);
    const grid = frequencies(width, height, width, height);
    kernels.scope(() => {
      const high = newSpectrum(kernels, width, height);
      multiply(spectrum, radialMask(grid, HIGH, 0, float32), high);
      planeOf(kernels, high, highpass.data);
    });
    multiply(spectrum, radialMask(grid, LOW, 0, float32), spectrum);
    makeBands(kernels, spectrum, spectrum, grid, 1, float32, levels[0]);

    const halfGrid = frequencies(w2, h2, width, height);
    const low = radialMask(halfGrid, LOW, 1, float32);
    const half = lowFrequencies(kernels, spectrum, w2, h2, -1);
    const mirrored = lowFrequencies(kernels, spectrum, w2, h2, 1);
    for (const s of [half, mirrored]) multiply(s, low, s);
    makeBands(kernels, half, mirrored, halfGrid, 2, float32, levels[1]);
  });
  return { highpass, levels };
}

/** Polar coordinates of the frequencies of half a spectrum, in its layout. */
interface Grid {
  readonly width: number;
  readonly height: number;
  /** log2 of the radius, 1 at the Nyquist frequency of the whole picture; at 0 that of its left neighbour. */
  readonly radius: Float64Array;
  /** In (-pi, pi]. */
  readonly angle: Float64Array;
  /** The frequencies k whose mirror image -k is aliased (or k itself): place in the layout, and the angle of -k. */
  readonly aliased: readonly { readonly at: number; readonly angle: number }[];
}

/** The grid of a spectrum of `width` x `height`, in units of the Nyquist frequencies of the whole picture. */
function frequencies(width: number, height: number, wholeWidth: number, wholeHeight: number): Grid {
  const columns = (width >> 1) + 1;
  const [radius, angle] = [new Float64Array(columns * height), new Float64Array(columns * height)];
  const aliased: { at: number; angle: number }[] = [];
  const angleOf = (u: number, v: number): number =>
    Math.atan2(signed(v, height) / (wholeHeight / 2), signed(u, width) / (wholeWidth / 2));
  for (let u = 0; u < columns; u++) {
    const x = signed(u, width) / (wholeWidth / 2);
    for (let v = 0; v < height; v++) {
      const y = signed(v, height) / (wholeHeight / 2);
      const at = u * height + v;
      radius[at] = Math.log2(x * x + y * y) / 2;
      angle[at] = angleOf(u, v);
      if (2 * u === width || 2 * v === height || at === 0) {
        aliased.push({ at, angle: angleOf((width - u) % width, (height - v) % height) });
      }
    }
  }
  radius[0] = Math.log2(1 / (wholeWidth / 2));
  return { width, height, radius, angle, aliased };
}

/** Frequency of index `k` of `n`, in -n/2 .. (n-1)/2. */
function signed(k: number, n: number): number {
  return 2 * k < n ? k : k - n;
}

// Raised cosines: cos^2 over half an octave on both sides of the middle, 256 steps; constant beyond.
const STEPS = 256;
const HIGH = Float64Array.from({ length: STEPS + 3 }, (_, i) => {
  const inner = Math.min(Math.max(i, 1), STEPS + 1); // both ends repeat their neighbour
  return Math.sqrt(Math.cos((Math.PI * (inner - STEPS - 1)) / (2 * STEPS)) ** 2);
});
const LOW = HIGH.map((v) => Math.sqrt(1 - v * v));

/** The mask of `table`, `level` octaves below the picture's Nyquist frequency. */
function radialMask(grid: Grid, table: Float64Array, level: number, float32: boolean): Float64Array {
  const mask = grid.radius.map((r) => {
    const at = (r + level) * STEPS + STEPS + 1;
    if (at <= 0) return table[0];
    if (at >= table.length - 1) return table[table.length - 1];
    const i = Math.floor(at);
    return table[i] + (table[i + 1] - table[i]) * (at - i);
  });
  return float32 ? mask.map(Math.fround) : mask;
}

const ANGLE_STEPS = 1024; // per pi
const ORDER = ORIENTATIONS - 1;
/** c^2 = 2^10 (5!)^2 / (6 10!): the squares of all bands add up to the spectrum's. */
const SCALE = Math.sqrt((2 ** 10 * 120 ** 2) / (6 * 3628800));
const ANGLES = Float64Array.from(
  { length: 3 * ANGLE_STEPS + 3 },
  (_, i) => (Math.PI * (i - 2 * ANGLE_STEPS - 1)) / ANGLE_STEPS,
);
const ANGULAR = ANGLES.map((angle) => SCALE * Math.cos(angle) ** ORDER);
/** As there the difference of two rounded angles: 3e-13 off, which shows in bands of hardly any energy. */
const ANGLE_STEP = ANGLES[1] - ANGLES[0];

function angular(angle: number, orientation: number, float32: boolean): number {
  const at = (angle - (ANGLES[0] + (Math.PI * orientation) / ORIENTATIONS)) / ANGLE_STEP;
  const i = Math.floor(at);
  const value = ANGULAR[i] + (ANGULAR[i + 1] - ANGULAR[i]) * (at - i);
  return float32 ? Math.fround(value) : value;
}

function multiply(spectrum: Spectrum, mask: Float64Array, to: Spectrum): void {
  for (let i = 0; i < mask.length; i++) {
    to.re[i] = spectrum.re[i] * mask[i];
    to.im[i] = spectrum.im[i] * mask[i];
  }
}

/**
 * The spectrum's lowest frequencies, as one of `width` x `height`. An even length has one frequency, n/2, that is its own
 * mirror image, while the larger spectrum holds two: `sign` says which is taken.
 */
function lowFrequencies(
  kernels: MetricKernels,
  spectrum: Spectrum,
  width: number,
  height: number,
  sign: 1 | -1,
): Spectrum {
  const out = newSpectrum(kernels, width, height);
  for (let u = 0; u <= width >> 1; u++) {
    const x = 2 * u === width ? sign * u : u;
    for (let v = 0; v < height; v++) {
      const y = 2 * v === height ? sign * v : signed(v, height);
      // S(y, x) with x < 0 is conj S(-y, -x).
      const [row, conjugate] = x < 0 ? [-y, -1] : [y, 1];
      const from = Math.abs(x) * spectrum.height + ((row + spectrum.height) % spectrum.height);
      out.re[u * height + v] = spectrum.re[from];
      out.im[u * height + v] = conjugate * spectrum.im[from];
    }
  }
  return out;
}

/**
 * The six bands of a level. With X = -i S R A the real part of the inverse transform belongs to (X(k) + conj X(-k)) / 2,
 * which is X but where k and -k lie on a Nyquist frequency (or at 0), each other's aliases: there it is
 * -i R (S(k) A(k) - S'(k) A(-k)) / 2, where S' holds the mirrored frequencies.
 */
function makeBands(
  kernels: MetricKernels,
  s: Spectrum,
  mirrored: Spectrum,
  grid: Grid,
  level: number,
  float32: boolean,
  bands: readonly Band[],
): void {
  const { width, height, angle, aliased } = grid;
  const radial = radialMask(grid, HIGH, level, float32);
  kernels.scope(() => {
    const x = newSpectrum(kernels, width, height);
    bands.forEach((band, o) => {
      for (let i = 0; i < radial.length; i++) {
        const mask = radial[i] * angular(angle[i], o, float32);
        x.re[i] = s.im[i] * mask;
        x.im[i] = -s.re[i] * mask;
      }
      for (const { at, angle: opposite } of aliased) {
        const own = (radial[at] * angular(angle[at], o, float32)) / 2;
        const other = (radial[at] * angular(opposite, o, float32)) / 2;
        x.re[at] = s.im[at] * own - mirrored.im[at] * other;
        x.im[at] = -(s.re[at] * own - mirrored.re[at] * other);
      }
      planeOf(kernels, x, band.data);
    });
  });
}
