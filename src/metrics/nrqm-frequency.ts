/**
 * NRQM's first features, of local frequencies (Ma, Yang, Yang and Yang, "Learning a no-reference quality metric for
 * single-image super-resolution", 2017, section 3.2; facts from chaoma99/sr-metric and chaofengc/IQA-PyTorch): the
 * discrete cosine transform of every 7x7 window at steps of 3, described by the shape of its coefficients' distribution,
 * their variation, and how it differs between three directions; six numbers a picture.
 */
import { ggdTable } from './generalised-gaussian';

const SIDE = 7;
const STEP = 3;
const COUNT = SIDE * SIDE - 1; // without the mean

/** The coefficients (row * 7 + column) of three directions; the third is the first, transposed. */
const FLAT = [1, 2, 3, 4, 5, 6, 9, 10, 11, 12, 13, 18, 19, 20, 26, 27];
const DIAGONAL = [8, 16, 17, 23, 24, 25, 31, 32, 33, 34, 39, 40, 41, 46, 47, 48];
const DIRECTIONS = [FLAT, DIAGONAL, FLAT.map((i) => (i % SIDE) * SIDE + Math.floor(i / SIDE))];

/** Orthonormal DCT-II: coefficient k of sample j. */
const DCT = Float64Array.from({ length: SIDE * SIDE }, (_, i) => {
  const [k, j] = [Math.floor(i / SIDE), i % SIDE];
  return Math.sqrt((k === 0 ? 1 : 2) / SIDE) * Math.cos((Math.PI * (2 * j + 1) * k) / (2 * SIDE));
});

/**
 * Shape (mean of the lowest tenth, mean), variation and difference of directions (mean of the highest tenth, mean).
 * Outside the picture it is 0. The tenths and the place of the first window are pyiqa's own where `pyiqa`.
 * @param data row-major
 */
export function frequencyFeatures(
  data: Float64Array,
  width: number,
  height: number,
  pyiqa: boolean,
): number[] {
  const [columns, rows] = [Math.ceil(width / STEP), Math.ceil(height / STEP)];
  const n = columns * rows;
  const table = ggdTable(pyiqa);
  const [shape, variation, direction] = [new Float64Array(n), new Float64Array(n), new Float64Array(n)];
  const [left, top] = [margin(width, pyiqa), margin(height, pyiqa)];
  const padded = STEP * (columns - 1) + SIDE;
  const vertical = new Float64Array(SIDE * padded); // coefficient k of column x at k * padded + x
  const window = new Float64Array(SIDE * SIDE);
  for (let r = 0; r < rows; r++) {
    transformColumns(data, width, height, STEP * r - top, left, padded, vertical);
    for (let c = 0; c < columns; c++) {
      for (let k = 0; k < SIDE; k++) transform(vertical, k * padded + STEP * c, 1, window, k * SIDE, 1);
      const i = r * columns + c;
      shape[i] = table.find(momentRatio(window));
      variation[i] = relativeDeviation(window, ALL, 1e-7);
      direction[i] = directionVariance(window);
    }
  }
  for (const values of [shape, variation, direction]) values.sort();
  const lowest = Math.ceil(n * 0.1) + (pyiqa ? 1 : 0);
  // Of n values the highest begin at number floor(0.9 n), counted from 1; pyiqa counts from 0.
  const highest = Math.floor(n * 0.9) - (pyiqa ? 0 : 1);
  return [
    mean(shape, 0, lowest),
    mean(shape, 0, n),
    mean(variation, highest, n),
    mean(variation, 0, n),
    mean(direction, highest, n),
    mean(direction, 0, n),
  ];
}

/** Pixels of zeros before the first one. The padding to a multiple of 3 is at the end; pyiqa halves all of it. */
function margin(length: number, pyiqa: boolean): number {
  return pyiqa && length % STEP === 1 ? 3 : 2;
}

/** Transforms down the columns of rows `top` .. `top` + 6. */
function transformColumns(
  data: Float64Array,
  width: number,
  height: number,
  top: number,
  left: number,
  padded: number,
  out: Float64Array,
): void {
  out.fill(0);
  const column = new Float64Array(SIDE);
  const end = Math.min(padded, width + left);
  for (let x = left; x < end; x++) {
    for (let j = 0; j < SIDE; j++) {
      const y = top + j;
      column[j] = y < 0 || y >= height ? 0 : data[y * width + x - left];
    }
    transform(column, 0, 1, out, x, padded);
  }
}

/** Seven coefficients of seven samples: even ones from sums of opposite samples, odd ones from differences. */
function transform(
  from: Float64Array,
  at: number,
  step: number,
  to: Float64Array,
  out: number,
  outStep: number,
): void {
  const middle = from[at + 3 * step];
  const s0 = from[at] + from[at + 6 * step];
  const s1 = from[at + step] + from[at + 5 * step];
  const s2 = from[at + 2 * step] + from[at + 4 * step];
  const d0 = from[at] - from[at + 6 * step];
  const d1 = from[at + step] - from[at + 5 * step];
  const d2 = from[at + 2 * step] - from[at + 4 * step];
  for (let k = 0; k < SIDE; k += 2) {
    const w = k * SIDE;
    to[out + k * outStep] = DCT[w] * s0 + DCT[w + 1] * s1 + DCT[w + 2] * s2 + DCT[w + 3] * middle;
  }
  for (let k = 1; k < SIDE; k += 2) {
    const w = k * SIDE;
    to[out + k * outStep] = DCT[w] * d0 + DCT[w + 1] * d1 + DCT[w + 2] * d2;
  }
}

/** var(x) / (mean |x - mean x|^2 + 1e-7) of all coefficients but the mean. */
function momentRatio(window: Float64Array): number {
  let sum = 0;
  for (let i = 1; i <= COUNT; i++) sum += window[i];
  const centre = sum / COUNT;
  let [squares, absolute] = [0, 0];
  for (let i = 1; i <= COUNT; i++) {
    const d = window[i] - centre;
    squares += d * d;
    absolute += Math.abs(d);
  }
  return squares / (COUNT - 1) / ((absolute / COUNT) ** 2 + 1e-7);
}

const ALL = Array.from({ length: COUNT }, (_, i) => i + 1);

/** std |x| / (mean |x| + epsilon) of some coefficients. */
function relativeDeviation(window: Float64Array, places: readonly number[], epsilon: number): number {
  const n = places.length;
  let sum = 0;
  for (let i = 0; i < n; i++) sum += Math.abs(window[places[i]]);
  const centre = sum / n;
  let squares = 0;
  for (let i = 0; i < n; i++) squares += (Math.abs(window[places[i]]) - centre) ** 2;
  return Math.sqrt(squares / (n - 1)) / (centre + epsilon);
}

function directionVariance(window: Float64Array): number {
  const a = relativeDeviation(window, DIRECTIONS[0], 1e-8);
  const b = relativeDeviation(window, DIRECTIONS[1], 1e-8);
  const c = relativeDeviation(window, DIRECTIONS[2], 1e-8);
  const centre = (a + b + c) / 3;
  return ((a - centre) ** 2 + (b - centre) ** 2 + (c - centre) ** 2) / 2;
}

function mean(values: Float64Array, from: number, to: number): number {
  let sum = 0;
  for (let i = from; i < to; i++) sum += values[i];
  return sum / (to - from);
}
