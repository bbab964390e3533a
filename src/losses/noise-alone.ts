import * as tf from '@tensorflow/tfjs-core';
import { resize } from '../ops/resize';
import type { PairBatch } from './training-process';

/**
 * The noise in a batch's noise images: each less the HR shrunk as the noise image was, to the mean of the middle 2x2
 * pixels of each 4x4.
 * @returns [B, h, w, 3], a constant
 */
export function noiseAlone({ hr, noise }: PairBatch): tf.Tensor4D {
  if (noise === undefined) throw new Error('the batch has no noise images, which the process asks for');
  const [, height, width] = noise.shape;
  return tf.sub(noise, resize(hr, height, width, { mode: 'bilinear' }));
}
