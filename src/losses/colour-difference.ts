/**
 * Colour terms: how far two pictures of the same content differ in colour, differentiable. The mimicking module's second
 * loss (paper, section 3.2, L_CD) uses CDNet (`networks/cdnet`), whose weights come from a file; `cielab` needs none.
 *
 * Differentiable CIEDE2000 is left out: its hue terms jump, and on the small differences that a trained module leaves,
 * the CIELAB distance has the same minimum. As a metric it is `metrics/ciede2000`.
 */
import * as tf from '@tensorflow/tfjs-core';
import { noGradient } from '../ops/no-gradient';
import { srgbToLinear } from '../ops/srgb';

export interface ColourTerm {
  /** As configurations and results name it. */
  readonly name: string;
  /** Smallest side of a picture; absent: any. */
  readonly minimumSide?: number;

  /**
   * One difference a picture, in units of about one just noticeable difference (a CIELAB distance).
   * @param first [B, H, W, 3] RGB in [0,1]
   * @param second [B, H, W, 3]
   * @returns [B], differentiable in both
   * @throws InputError if the pictures are too small for it
   */
  difference(first: tf.Tensor4D, second: tf.Tensor4D): tf.Tensor1D;
}

/** Keeps the square root's slope finite where colours are equal; 0.01 of a unit. */
const SOFTENING = 1e-4;

/** Mean over the pixels of the CIELAB distance, Delta E 1976. */
export const cielabTerm: ColourTerm = {
  name: 'cielab',
  difference(first, second) {
    const squared = tf.sum(tf.squaredDifference(toLab(first), toLab(second)), 3); // [B, H, W]
    return tf.mean<tf.Tensor1D>(tf.sqrt(tf.add(squared, SOFTENING)), [1, 2]);
  },
};

/** Linear RGB to XYZ over the white point, as rows: the numbers of `image/colour`. */
const XYZ_OF_RGB = [
  [0.43394636, 0.37621387, 0.18982503],
  [0.212671, 0.71516, 0.072169],
  [0.01775667, 0.10946888, 0.87270465],
];

/** Encoded sRGB [B, H, W, 3] in [0,1] to CIELAB, the differentiable twin of `rgbToLab` in `image/colour`. */
export function toLab(rgb: tf.Tensor4D): tf.Tensor4D {
  const shape = rgb.shape;
  const toXyz = tf.tensor2d(XYZ_OF_RGB);
  const xyz = tf.matMul<tf.Tensor2D>(tf.reshape(srgbToLinear(rgb), [-1, 3]), toXyz, false, true); // [N, 3]
  const f = labCurve(xyz);
  // L = 116 fy - 16, a = 500 (fx - fy), b = 200 (fy - fz)
  const toLab = tf.tensor2d([
    [0, 116, 0],
    [500, -500, 0],
    [0, 200, -200],
  ]);
  const lab = tf.sub(tf.matMul(f, toLab, false, true), tf.tensor1d([16, 0, 0]));
  return tf.reshape(lab, shape);
}

/** CIE 15: cube root, with a straight piece near black. The branch not taken gets a harmless argument, as in `ops/srgb`. */
function labCurve(t: tf.Tensor): tf.Tensor {
  const dark = noGradient(() => tf.lessEqual(t, 0.008856));
  const bright = tf.where(dark, tf.onesLike(t), t);
  return tf.where(dark, tf.add(tf.mul(t, 7.787), 16 / 116), tf.pow(bright, 1 / 3));
}
