/**
 * Divisive normalisation of a wavelet band by its neighbourhood, a Gaussian scale mixture model (Wainwright and Simoncelli
 * 2000; `norm_sender_normalized` of BLIINDS/DIIVINE as NRQM calls it): each coefficient over the estimated scale
 *   z = sqrt(y' C^-1 y / N)
 * of the vector y of its 3x3 neighbours, the coefficient of the coarser level above it (the parent), and those of the other
 * orientations at its place; C is the covariance of y over the band.
 */
import { CholeskyDecomposition, EigenvalueDecomposition, Matrix } from 'ml-matrix';
import { InputError } from '../util/errors';
import type { MetricKernels } from './kernels';
import type { Band } from './steerable-pyramid';

const GRAIN = 16;

export interface Neighbourhood {
  /** The other orientations of the level. */
  readonly others: readonly Band[];
  /** The coarser level's band, enlarged to this one's size. */
  readonly parent?: Float64Array;
}

/** pyiqa divides by z + 1e-12, and gives 0 where z is 0. */
const PYIQA_EPSILON = 1e-12;

/**
 * The normalised band, without `guard` + 1 pixels on each side, less its mean. The mean that is first taken off and the
 * covariance are those of all pixels that have eight neighbours.
 * @throws InputError where z is 0 and the program is not pyiqa
 */
export function normalise(
  kernels: MetricKernels,
  band: Band,
  { others, parent }: Neighbourhood,
  guard: number,
  pyiqa: boolean,
): Band {
  const { width, height, data } = band;
  const out: Band = {
    width: width - 2 * guard - 2,
    height: height - 2 * guard - 2,
    data: kernels.float64((width - 2 * guard - 2) * (height - 2 * guard - 2)),
  };
  kernels.scope(() => {
    const planes = [...others.map((o) => o.data), ...(parent === undefined ? [] : [parent])];
    const shifts = [-1, 0, 1].flatMap((dy) => [-1, 0, 1].map((dx) => dy * width + dx));
    /** Where each component of y lies for the pixel `inset` rows and columns inside. */
    const sources = (inset: number): Int32Array => {
      const first = inset * width + inset;
      return kernels.int32([
        ...shifts.map((shift) => data.byteOffset + 8 * (first + shift)),
        ...planes.map((plane) => plane.byteOffset + 8 * first),
      ]);
    };
    const count = shifts.length + planes.length;
    const form = inverseForm(covariance(kernels, sources(1), count, width, height));
    const args = [sources(guard + 1), count, width, out.width, kernels.put(form), out.data];
    kernels.run('quadraticForm', args, out.height, GRAIN);
    divide(band, guard + 1, shifts.length + (parent === undefined ? 0 : 1), pyiqa, out);
  });
  return out;
}

/** C = mean of y y' over the pixels with eight neighbours. */
function covariance(
  kernels: MetricKernels,
  sources: Int32Array,
  count: number,
  width: number,
  height: number,
): Matrix {
  const rows = height - 2;
  const sums = kernels.float64(rows * count * count).fill(0);
  kernels.run('secondMoments', [sources, count, width, width - 2, sums], rows, GRAIN);
  const c = Matrix.zeros(count, count);
  for (let i = 0; i < count; i++) {
    for (let j = i; j < count; j++) {
      let sum = 0;
      for (let row = 0; row < rows; row++) sum += sums[(row * count + i) * count + j];
      c.set(i, j, sum / (rows * (width - 2)));
      c.set(j, i, c.get(i, j));
    }
  }
  return c;
}

/**
 * C^-1 as a quadratic form: upper triangle row by row, entries off the diagonal doubled. By Cholesky: the parent's variance
 * may be 1e12 times a neighbour's, and eigenvalues are exact only beside the largest of them.
 */
function inverseForm(c: Matrix): number[] {
  const cholesky = new CholeskyDecomposition(c);
  const n = c.rows;
  const inverse = cholesky.isPositiveDefinite() ? cholesky.solve(Matrix.eye(n)) : clippedInverse(c);
  const form: number[] = [];
  for (let i = 0; i < n; i++) {
    for (let j = i; j < n; j++)
      form.push(i === j ? inverse.get(i, i) : inverse.get(i, j) + inverse.get(j, i));
  }
  return form;
}

/** Of a matrix with eigenvalues that are not positive: those become 0, the others grow so that their sum stays. */
function clippedInverse(c: Matrix): Matrix {
  const { realEigenvalues: values, eigenvectorMatrix: q } = new EigenvalueDecomposition(c, {
    assumeSymmetric: true,
  });
  const scale = values.reduce((sum, v) => sum + v, 0) / values.reduce((sum, v) => sum + Math.max(v, 0), 0);
  const cutOff = values.length * Number.EPSILON * Math.max(...values);
  const inverted = values.map((v) => (v > cutOff ? 1 / (v * scale) : 0));
  return q.mmul(Matrix.diag(inverted)).mmul(q.transpose());
}

/** Turns y' C^-1 y, which `out` holds, into (x - mean x) / z less its mean; `inset` is where `out` begins in the band. */
function divide({ width, height, data }: Band, inset: number, n: number, pyiqa: boolean, out: Band): void {
  let sum = 0;
  for (let y = 1; y < height - 1; y++) {
    for (let x = 1; x < width - 1; x++) sum += data[y * width + x];
  }
  const centre = sum / ((width - 2) * (height - 2));
  const values = out.data;
  const epsilon = pyiqa ? PYIQA_EPSILON : 0;
  sum = 0;
  for (let y = 0; y < out.height; y++) {
    const from = (y + inset) * width + inset;
    const to = y * out.width;
    for (let x = 0; x < out.width; x++) {
      const z = Math.sqrt(values[to + x] / n);
      const value = pyiqa && z === 0 ? 0 : (data[from + x] - centre) / (z + epsilon);
      values[to + x] = value;
      sum += value;
    }
  }
  if (!Number.isFinite(sum)) {
    throw new InputError(
      'NRQM has no value: a wavelet band of the picture is 0 around a pixel (a constant area)',
    );
  }
  const mean = sum / values.length;
  for (let i = 0; i < values.length; i++) values[i] -= mean;
}
