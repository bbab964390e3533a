/**
 * NIQE's features: what a block of an image looks like after local normalisation (Mittal, Soundararajan and Bovik, "Making
 * a completely blind image quality analyzer", 2012, section II; facts from utlive/niqe, chaofengc/IQA-PyTorch and
 * XPixelGroup/BasicSR).
 *
 * At full and at half size, with G a 7x7 Gaussian of sigma 7/6 and the border repeated,
 *   mu = G*x,  sigma = sqrt|G*x^2 - mu^2|,  m = (x - mu) / (sigma + 1);
 * of each 96x96 block (48x48 at half size) 18 numbers: AGGD fits of m and of m times its neighbour in four directions.
 *
 * The three programs differ in roundings that decide flat areas, where m is 0 but for noise, and the fit counts signs:
 * - pyiqa rounds the window to float32. It then sums to 1 + 1e-8, so m of a constant area is always just below 0.
 * - BasicSR keeps images in float32, where m of a constant area is exactly 0.
 * - MATLAB computes in float64, where the sign is an accident of the order of summation. Here |m| < 1e-9 is set to 0: the
 *   score no longer depends on the order, and is MATLAB's own wherever no neighbourhood is constant.
 */
import { resizePlanes } from '../image/resize';
import { aggdTable, fitAggd, logGamma, type ShapeTable } from './generalised-gaussian';
import type { Plane, Program } from './grey-plane';
import { gaussianWindow } from './ssim';

export const BLOCK = 96;
/** 18 of full size, then 18 of half size. */
export const FEATURES = 36;

const REACH = 3;
/** (rows, columns) by which a block is shifted, around its own edges, before it is multiplied with itself. */
const SHIFTS = [
  [0, 1],
  [1, 0],
  [1, 1],
  [1, -1],
] as const;

export interface BlockFeatures {
  /** Feature vectors of the blocks, row by row. A feature is NaN where a block has no value of one sign. */
  readonly features: Float64Array[];
  /** Mean local deviation `sigma` of each block at full size, in grey levels: how sharp it is. */
  readonly sharpness: Float64Array;
}

/** Features of every whole block of a plane, from its top left corner; the plane has at least one. */
export function niqeFeatures(plane: Plane, program: Program): BlockFeatures {
  const [columns, rows] = [Math.floor(plane.width / BLOCK), Math.floor(plane.height / BLOCK)];
  const features = Array.from({ length: columns * rows }, () => new Float64Array(FEATURES));
  const full = cutToBlocks(plane, columns * BLOCK, rows * BLOCK);
  const sharpness = scaleFeatures(full, BLOCK, program, features, 0);
  scaleFeatures(halved(full, program), BLOCK / 2, program, features, FEATURES / 2);
  return { features, sharpness };
}

interface Field {
  readonly width: number;
  readonly height: number;
  readonly data: Float64Array;
}

function cutToBlocks({ width: stride, data }: Plane, width: number, height: number): Field {
  const out = new Float64Array(width * height);
  for (let y = 0; y < height; y++) out.set(data.subarray(y * stride, y * stride + width), y * width);
  return { width, height, data: out };
}

/** Half the size, bicubic with antialiasing; pyiqa and BasicSR compute it in float32 on [0,1]. */
function halved(field: Field, program: Program): Field {
  if (program === 'matlab') return resizePlanes({ ...field, channels: 1 }, 0.5);
  const unit = field.data.map((v) => Math.fround(v / 255));
  const half = resizePlanes({ ...field, data: unit, channels: 1 }, 0.5, { precision: 'float32' });
  const scaled = half.data.map((v) => v * 255);
  return { ...half, data: program === 'basicsr' ? scaled.map(Math.fround) : scaled };
}

/**
 * Writes 18 features of every block of `size` x `size` from place `at` on, and returns each block's mean sigma.
 * A band of `size` rows is normalised at a time, so the working set stays in cache.
 */
function scaleFeatures(
  field: Field,
  size: number,
  program: Program,
  features: readonly Float64Array[],
  at: number,
): Float64Array {
  const { width, height } = field;
  const columns = width / size;
  const normalise = new Normaliser(field, program);
  const band = { m: new Float64Array(size * width), sigma: new Float64Array(size * width) };
  const table = aggdTable(program === 'pyiqa');
  const sharpness = new Float64Array(features.length);
  for (let top = 0; top < height; top += size) {
    for (let y = 0; y < size; y++) normalise.row(top + y, band.m, band.sigma, y * width);
    for (let b = 0; b < columns; b++) {
      const index = (top / size) * columns + b;
      blockFeatures(band.m, width, b * size, size, program, table, features[index].subarray(at));
      sharpness[index] = blockMean(band.sigma, width, b * size, size);
    }
  }
  return sharpness;
}

/** Local normalisation of a field, a row at a time. */
class Normaliser {
  /** Rows -d and +d added up, for d = 0..3, with REACH columns of repeated border on both sides: of x, and of x^2. */
  private readonly sums: Float64Array[];
  private readonly squares: Float64Array[];
  /** Quadrant of the window: weight of row distance d and column distance e at 4 d + e. It need not be separable. */
  private readonly window: Float64Array;

  constructor(
    private readonly field: Field,
    private readonly program: Program,
  ) {
    const make = (): Float64Array[] =>
      Array.from({ length: REACH + 1 }, () => new Float64Array(field.width + 2 * REACH));
    [this.sums, this.squares] = [make(), make()];
    const g = gaussianWindow(2 * REACH + 1, 7 / 6);
    this.window = Float64Array.from({ length: 16 }, (_, i) => {
      const weight = g[REACH + (i >> 2)] * g[REACH + (i & 3)];
      return program === 'pyiqa' ? Math.fround(weight) : weight;
    });
  }

  /** Normalised row `y`, and its local deviation, into the outputs from `at` on. */
  row(y: number, outM: Float64Array, outSigma: Float64Array, at: number): void {
    this.addRows(y);
    const { field, program, window: w } = this;
    const { width, data } = field;
    const [a, b, c, d] = this.sums;
    const [p, q, r, s] = this.squares;
    const float32 = program === 'basicsr';
    const epsilon = program === 'pyiqa' ? 2.220446049250313e-16 : 0;
    const snap = program === 'matlab' ? 1e-9 : 0;
    for (let j = 0; j < width; j++) {
      let mu =
        w[0] * a[j + 3] +
        w[1] * (a[j + 2] + a[j + 4]) +
        w[2] * (a[j + 1] + a[j + 5]) +
        w[3] * (a[j] + a[j + 6]) +
        (w[4] * b[j + 3] +
          w[5] * (b[j + 2] + b[j + 4]) +
          w[6] * (b[j + 1] + b[j + 5]) +
          w[7] * (b[j] + b[j + 6])) +
        (w[8] * c[j + 3] +
          w[9] * (c[j + 2] + c[j + 4]) +
          w[10] * (c[j + 1] + c[j + 5]) +
          w[11] * (c[j] + c[j + 6])) +
        (w[12] * d[j + 3] +
          w[13] * (d[j + 2] + d[j + 4]) +
          w[14] * (d[j + 1] + d[j + 5]) +
          w[15] * (d[j] + d[j + 6]));
      let square =
        w[0] * p[j + 3] +
        w[1] * (p[j + 2] + p[j + 4]) +
        w[2] * (p[j + 1] + p[j + 5]) +
        w[3] * (p[j] + p[j + 6]) +
        (w[4] * q[j + 3] +
          w[5] * (q[j + 2] + q[j + 4]) +
          w[6] * (q[j + 1] + q[j + 5]) +
          w[7] * (q[j] + q[j + 6])) +
        (w[8] * r[j + 3] +
          w[9] * (r[j + 2] + r[j + 4]) +
          w[10] * (r[j + 1] + r[j + 5]) +
          w[11] * (r[j] + r[j + 6])) +
        (w[12] * s[j + 3] +
          w[13] * (s[j + 2] + s[j + 4]) +
          w[14] * (s[j + 1] + s[j + 5]) +
          w[15] * (s[j] + s[j + 6]));
      const x = data[y * width + j];
      let sigma: number;
      let m: number;
      if (float32) {
        [mu, square] = [Math.fround(mu), Math.fround(square)];
        sigma = Math.fround(Math.sqrt(Math.abs(Math.fround(square - Math.fround(mu * mu)))));
        m = Math.fround(Math.fround(x - mu) / Math.fround(sigma + 1));
      } else {
        sigma = Math.sqrt(Math.abs(square - mu * mu) + epsilon);
        m = (x - mu) / (sigma + 1);
        if (Math.abs(m) < snap) m = 0;
      }
      outM[at + j] = m;
      outSigma[at + j] = sigma;
    }
  }

  /** Fills `sums` and `squares` for the rows around `y`. */
  private addRows(y: number): void {
    const { width, height, data } = this.field;
    const float32 = this.program === 'basicsr';
    for (let d = 0; d <= REACH; d++) {
      const above = Math.max(y - d, 0) * width;
      const below = d === 0 ? -1 : Math.min(y + d, height - 1) * width;
      const [sum, square] = [this.sums[d], this.squares[d]];
      for (let j = 0; j < width; j++) {
        const u = data[above + j];
        const v = below < 0 ? 0 : data[below + j];
        sum[j + REACH] = u + v;
        square[j + REACH] = float32 ? Math.fround(u * u) + Math.fround(v * v) : u * u + v * v;
      }
      for (const row of [sum, square]) {
        row.fill(row[REACH], 0, REACH);
        row.fill(row[width + REACH - 1], width + REACH);
      }
    }
  }
}

/** The 18 features of the block at column `left` of a band `m` whose rows are `stride` apart. */
function blockFeatures(
  m: Float64Array,
  stride: number,
  left: number,
  size: number,
  program: Program,
  table: ShapeTable,
  out: Float64Array,
): void {
  const n = size * size;
  const block = new Float64Array(n);
  for (let y = 0; y < size; y++) {
    block.set(m.subarray(y * stride + left, y * stride + left + size), y * size);
  }
  const own = fitAggd(block, n, table);
  out[0] = own.alpha;
  out[1] = (own.left + own.right) / 2;
  const product = new Float64Array(n);
  SHIFTS.forEach(([rows, columns], k) => {
    multiplyShifted(block, size, rows, columns, product);
    if (program === 'basicsr') for (let i = 0; i < n; i++) product[i] = Math.fround(product[i]);
    const { alpha, left: bl, right: br } = fitAggd(product, n, table);
    out[4 * k + 2] = alpha;
    out[4 * k + 3] = (br - bl) * Math.exp(logGamma(2 / alpha) - logGamma(1 / alpha));
    out[4 * k + 4] = bl;
    out[4 * k + 5] = br;
  });
}

/** out[i, j] = block[i, j] block[i - rows, j - columns], indices around the block's edges. */
function multiplyShifted(
  block: Float64Array,
  size: number,
  rows: number,
  columns: number,
  out: Float64Array,
): void {
  for (let i = 0; i < size; i++) {
    const row = i * size;
    const other = ((i - rows + size) % size) * size;
    const [first, last] = [Math.max(columns, 0), size + Math.min(columns, 0)]; // inside without wrapping
    for (let j = first; j < last; j++) out[row + j] = block[row + j] * block[other + j - columns];
    const edge = columns > 0 ? 0 : size - 1;
    if (columns !== 0) out[row + edge] = block[row + edge] * block[other + size - 1 - edge];
  }
}

function blockMean(values: Float64Array, stride: number, left: number, size: number): number {
  let sum = 0;
  for (let y = 0; y < size; y++) {
    for (let x = left; x < left + size; x++) sum += values[y * stride + x];
  }
  return sum / (size * size);
}
