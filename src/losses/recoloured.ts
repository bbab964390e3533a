/**
 * A picture with another one's colours: its low frequencies are replaced by the other's. What is left of it is what a blur
 * takes away: edges, texture, noise. Ours, not the paper's.
 *
 *   y' = y - blur(y) + blur(x)
 */
import * as tf from '@tensorflow/tfjs-core';
import { resize, resizeSeparable, type AxisMatrix } from '../ops/resize';
import { countedPixels, type AlignedTarget } from './flow-aligned';

/** Of the Gaussian, in LR pixels: wider than lens blurs and misalignments, narrower than a training patch. */
const SIGMA = 4;
/** Blurs that gather less weight than this (of 1 a pixel) have nothing to say. */
const LEAST = 1e-3;

/**
 * @param target [B, k h, k w, 3], zero where masked, which then has no say in the blur
 * @param x [B, h, w, 3] whose colours are wanted, LR size, in the target's geometry
 * @returns the target recoloured, a constant; what is masked stays zero
 */
export function recoloured(aligned: AlignedTarget, x: tf.Tensor4D): AlignedTarget {
  const { target } = aligned;
  const [, height, width] = target.shape;
  const [, h, w] = x.shape;
  const bilinear = { mode: 'bilinear' } as const;
  const valid = countedPixels(aligned);
  const validX = resize(valid, h, w, bilinear);
  const wanted = blurred(tf.mul(x, validX), validX, h, w);
  const change = tf.sub<tf.Tensor4D>(wanted, blurred(target, valid, h, w));
  const changed = tf.add(target, resize(change, height, width, bilinear));
  return { ...aligned, target: tf.mul(changed, valid) };
}

/** The Gaussian mean of the pixels around each of `height` x `width` places, by their weights [B, H, W, 1]. */
function blurred(weighted: tf.Tensor4D, weights: tf.Tensor4D, height: number, width: number): tf.Tensor4D {
  const rows = gaussianMatrix(weighted.shape[1], height);
  const columns = gaussianMatrix(weighted.shape[2], width);
  const [sum, weight] = [weighted, weights].map((t) => resizeSeparable(t, rows, columns));
  return tf.div(sum, tf.maximum(weight, LEAST));
}

/** Not normalised: 1 in the middle. Half-pixel centres; the Gaussian is `SIGMA` output pixels wide. */
function gaussianMatrix(from: number, to: number): AxisMatrix {
  const scale = from / to;
  const data = new Float32Array(to * from);
  for (let o = 0; o < to; o++) {
    for (let i = 0; i < from; i++) {
      const distance = (i + 0.5) / scale - (o + 0.5);
      data[o * from + i] = Math.exp(-(distance ** 2) / (2 * SIGMA ** 2));
    }
  }
  return { out: to, in: from, data };
}
