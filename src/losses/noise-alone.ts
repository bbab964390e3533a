/** What processes take from a batch's noise images (`data/noise-image`). */
import * as tf from '@tensorflow/tfjs-core';
import { resize } from '../ops/resize';
import type { PairBatch } from './training-process';

/** [B, h, w, 3]: the noise image of each HR patch. */
export function noiseImages({ noise }: PairBatch): tf.Tensor4D {
  if (noise === undefined) throw new Error('the batch has no noise images, which its process asked for');
  return noise;
}

/**
 * The noise in them: each less the HR patch shrunk as it was, to the mean of the middle 2x2 pixels of each 4x4.
 * @returns [B, h, w, 3]
 */
export function noiseAlone(batch: PairBatch): tf.Tensor4D {
  const noise = noiseImages(batch);
  const [, height, width] = noise.shape;
  return tf.sub(noise, resize(batch.hr, height, width, { mode: 'bilinear' }));
}
