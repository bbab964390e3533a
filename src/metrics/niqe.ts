/**
 * NIQE, the natural image quality evaluator (Mittal, Soundararajan and Bovik, "Making a completely blind image quality
 * analyzer", 2012): how far the features of a picture's blocks are from those of good photographs,
 *   sqrt((nu1 - nu2)' ((S1 + S2)/2)^+ (nu1 - nu2)),
 * nu and S mean and covariance, 1 of the pristine model, 2 of the picture. No reference picture; lower is better.
 *
 * Three programs' scores differ by up to 0.5 on the same picture, so the program is always said. `pyiqa` made the paper's.
 */
import { EigenvalueDecomposition, Matrix } from 'ml-matrix';
import type { Image } from '../image/image';
import { InputError } from '../util/errors';
import { greyPlane, type GreyPlane, type Program } from './grey-plane';
import type { Metric } from './metric';
import { BLOCK, FEATURES, niqeFeatures } from './niqe-features';
import { readNiqeModel, type NiqeModel } from './niqe-model';

export interface NiqeOptions {
  /** Default `pyiqa`. */
  readonly program?: Program;
  /** Default `grey`; BasicSR always takes luma. */
  readonly plane?: GreyPlane;
  /** Pixels left out on each side. Default 0. */
  readonly crop?: number;
}

/**
 * NIQE of a picture, RGB in [0,1] or one channel of grey, quantised by `toUint8` first.
 * @throws InputError if a value is not finite, if no 96x96 block fits in, and where NIQE has no value: no block has both
 * values above and values below its local mean (a constant picture)
 */
export function niqe(image: Image, model: NiqeModel, options: NiqeOptions = {}): number {
  const { program = 'pyiqa', plane = 'grey', crop = 0 } = options;
  const grey = greyPlane(image, program, plane, crop, BLOCK);
  return niqeDistance(niqeFeatures(grey, program).features, model, program);
}

/** NIQE as a `Metric`. The model is read at the first score, and kept. */
export function niqeMetric(options: NiqeOptions = {}, path?: string): Metric {
  let model: NiqeModel | undefined;
  return {
    name: 'NIQE',
    better: 'lower',
    score: (image) => Promise.resolve().then(() => niqe(image, (model ??= readNiqeModel(path)), options)),
  };
}

/** The distance of blocks' features from the model. */
export function niqeDistance(features: readonly Float64Array[], model: NiqeModel, program: Program): number {
  if (features.every((f) => f.some(Number.isNaN))) {
    throw new InputError('NIQE has no value: every block of the picture is flat (a constant picture)');
  }
  const { mean, covariance } =
    features.length === 1 ? ofOneBlock(features[0], program) : blockMoments(features);
  const difference = model.mean.map((v, i) => v - mean[i]);
  const pooled = new Matrix(FEATURES, FEATURES);
  for (let i = 0; i < FEATURES; i++) {
    for (let j = 0; j < FEATURES; j++) {
      pooled.set(i, j, (model.covariance[i * FEATURES + j] + covariance[i * FEATURES + j]) / 2);
    }
  }
  return Math.sqrt(inverseForm(pooled, difference, program));
}

interface Moments {
  readonly mean: Float64Array;
  readonly covariance: Float64Array;
}

/**
 * Mean of what is a number, feature by feature; covariance (n - 1) of the blocks without a gap, 0 of a single such block.
 */
export function blockMoments(features: readonly Float64Array[]): Moments {
  const complete = features.filter((f) => !f.some(Number.isNaN));
  const mean = new Float64Array(FEATURES).map((_, i) => average(features.map((f) => f[i])));
  const centre = new Float64Array(FEATURES).map((_, i) => average(complete.map((f) => f[i])));
  const covariance = new Float64Array(FEATURES * FEATURES);
  if (complete.length === 1) return { mean, covariance };
  for (const f of complete) {
    for (let i = 0; i < FEATURES; i++) {
      for (let j = 0; j < FEATURES; j++) {
        covariance[i * FEATURES + j] += ((f[i] - centre[i]) * (f[j] - centre[j])) / (complete.length - 1);
      }
    }
  }
  return { mean, covariance };
}

/**
 * A single block has no covariance. pyiqa takes 0; BasicSR and MATLAB take the block's row of features for a column of
 * observations: its one variance is added to every entry, and MATLAB's mean is one number as well (scores near 40).
 */
function ofOneBlock(features: Float64Array, program: Program): Moments {
  const scalar = average(features);
  const variance = features.reduce((sum, v) => sum + (v - scalar) ** 2, 0) / (FEATURES - 1);
  return {
    mean: program === 'matlab' ? new Float64Array(FEATURES).fill(scalar) : features,
    covariance: new Float64Array(FEATURES * FEATURES).fill(program === 'pyiqa' ? 0 : variance),
  };
}

/** d' A^+ d of a symmetric A: eigenvalues up to the program's cut-off count as 0. */
function inverseForm(a: Matrix, d: Float64Array, program: Program): number {
  const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(a, { assumeSymmetric: true });
  const largest = Math.max(...realEigenvalues.map(Math.abs));
  const cutOff = (program === 'basicsr' ? 1e-15 : FEATURES * Number.EPSILON) * largest;
  return realEigenvalues.reduce((sum, value, k) => {
    if (Math.abs(value) <= cutOff) return sum;
    const projection = d.reduce((s, v, i) => s + v * eigenvectorMatrix.get(i, k), 0);
    return sum + projection ** 2 / value;
  }, 0);
}

/** Mean of the values that are numbers; NaN where none is. */
function average(values: ArrayLike<number>): number {
  const present = Array.from(values).filter((v) => !Number.isNaN(v));
  return present.reduce((sum, v) => sum + v, 0) / present.length;
}
