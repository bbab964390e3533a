/**
 * What a camera does to a picture after its lens: sensor noise and JPEG, a little of each. Ours, not the paper's, whose noise
 * (`data/noise-image`: 5 to 30 grey levels) is far above that of photographs. On tensors what `image/degrade` is on pictures.
 */
import * as tf from '@tensorflow/tfjs-core';
import { JPEG_UNIT, throughJpeg } from '../ops/jpeg';
import { noGradient } from '../ops/no-gradient';
import { linearToSrgb, srgbToLinear } from '../ops/srgb';
import type { Random } from '../util/random';

/** What photographs have, from good light to dim; log-uniform. Variance a unit of linear light, and deviation at black. */
const SHOT = [1e-6, 1e-3] as const;
const READ = [1e-4, 1e-3] as const;
/** What cameras and phones save with, libjpeg's scale. */
const QUALITIES = [80, 98] as const;

/**
 * Every picture with noise and quality of its own; where the JPEG blocks begin differs from batch to batch.
 * @param x [B, h, w, 3] in [0,1], sides at least 16
 * @returns of the same shape, in [0,1]; no gradient
 */
export function cameraFinish(x: tf.Tensor4D, random: Random): tf.Tensor4D {
  const [batch, h, w] = x.shape;
  const each = <T>(of: () => T): T[] => Array.from({ length: batch }, of);
  const noise = each(() => ({ shot: random.logUniform(...SHOT), read: random.logUniform(...READ) }));
  const qualities = each(() => random.integer(...QUALITIES));
  const [top, left] = [random.integer(0, JPEG_UNIT - 1), random.integer(0, JPEG_UNIT - 1)];
  const deviates = new Float32Array(x.size);
  random.fillNormal(deviates);
  return noGradient(() =>
    tf.tidy(() => {
      const column = (values: number[]): tf.Tensor4D => tf.tensor4d(values, [batch, 1, 1, 1]);
      const light = srgbToLinear(x);
      const variance = tf.add(
        tf.mul(column(noise.map(({ shot }) => shot)), light),
        column(noise.map(({ read }) => read ** 2)),
      );
      const noisy = tf.add(light, tf.mul(tf.sqrt(variance), tf.tensor4d(deviates, x.shape)));
      const seen = linearToSrgb(tf.clipByValue(noisy, 0, 1)) as tf.Tensor4D;
      const around = tf.mirrorPad(
        seen,
        [
          [0, 0],
          [top, missing(top + h)],
          [left, missing(left + w)],
          [0, 0],
        ],
        'symmetric',
      );
      return tf.slice(throughJpeg(around, qualities), [0, top, left, 0], x.shape);
    }),
  );
}

/** To the next multiple of a JPEG's unit. */
function missing(length: number): number {
  return (JPEG_UNIT - (length % JPEG_UNIT)) % JPEG_UNIT;
}
