/** Pictures as what networks take and give. */
import * as tf from '@tensorflow/tfjs-core';
import type { Image } from './image';

/** @returns [1, height, width, channels], the picture's values. Yours to dispose. */
export function imageTensor({ width, height, channels, data }: Image): tf.Tensor4D {
  return tf.tensor4d(data, [1, height, width, channels]);
}

/** @param batch [1, height, width, channels], which is left to you */
export async function tensorImage(batch: tf.Tensor4D): Promise<Image> {
  const [, height, width, channels] = batch.shape;
  return { width, height, channels, data: (await batch.data()) as Float32Array };
}
