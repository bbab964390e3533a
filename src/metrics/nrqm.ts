/**
 * NRQM, the no-reference quality metric of Ma, Yang, Yang and Yang, "Learning a no-reference quality metric for
 * single-image super-resolution" (2017), also called Ma's score: features of local and global frequencies and of spatial
 * discontinuity, three regression forests trained on human scores of super-resolved pictures, and a linear combination.
 * About 0 to 10, higher is better.
 *
 * As pyiqa computes it (the paper's scores) or as the authors' MATLAB code; scores differ by about 0.01.
 */
import type { Image } from '../image/image';
import { InputError } from '../util/errors';
import { greyPlane, type GreyPlane, type Program } from './grey-plane';
import { MetricKernels } from './kernels';
import type { Metric } from './metric';
import { nrqmFeatures, type NrqmFeatures } from './nrqm-features';
import { predict, readNrqmModel, type NrqmModel } from './nrqm-model';

export interface NrqmOptions {
  /** Default `pyiqa`. BasicSR has no NRQM. */
  readonly program?: Program;
  /** Default `grey`. */
  readonly plane?: GreyPlane;
  /** Pixels left out on each side. Default 0. */
  readonly crop?: number;
}

/**
 * NRQM of a picture, RGB in [0,1] or one channel of grey, quantised by `toUint8` first. MIMICSR_THREADS: threads.
 * @throws InputError if a value is not finite, and for pictures that are too small (below 84x84) or constant
 */
export function nrqm(image: Image, model: NrqmModel, options: NrqmOptions = {}): number {
  return predict(model, featuresOf(image, options));
}

/** The three feature vectors behind the score: 18, 45 and 75 numbers. */
export function featuresOf(image: Image, options: NrqmOptions = {}): NrqmFeatures {
  const { program = 'pyiqa', plane = 'grey', crop = 0 } = options;
  if (program === 'basicsr')
    throw new InputError('BasicSR has no NRQM and no PI: expected program pyiqa or matlab');
  const grey = greyPlane(image, program, plane, crop, 1);
  kernels ??= new MetricKernels();
  return nrqmFeatures(kernels, grey, program === 'pyiqa');
}

/** Made at the first score, and kept: its threads and its memory. */
let kernels: MetricKernels | undefined;

/** NRQM as a `Metric`. The model is read at the first score, and kept. */
export function nrqmMetric(options: NrqmOptions = {}, path?: string): Metric {
  let model: NrqmModel | undefined;
  return {
    name: 'NRQM',
    better: 'higher',
    score: (image) => Promise.resolve().then(() => nrqm(image, (model ??= readNrqmModel(path)), options)),
  };
}
