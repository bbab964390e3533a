/** Optical flow between two pictures: the contract, and what the estimators share. */
import * as tf from '@tensorflow/tfjs-core';
import { resize } from '../ops/resize';

export interface FlowEstimator {
  /** As configurations and results name it. */
  readonly name: string;

  /**
   * Where each pixel of `first` is found in `second`: second at p + flow(p) matches first at p. A constant: no gradient
   * passes through it.
   * @param first [B, H, W, 3] RGB in [0,1], any size
   * @param second [B, H, W, 3]
   * @returns [B, H, W, 2] in pixels, x before y
   */
  estimate(first: tf.Tensor4D, second: tf.Tensor4D): tf.Tensor4D;
}

/**
 * Runs a network that wants certain sizes: both pictures are resized (bilinear, half-pixel centres), and the flow back,
 * its vectors with it.
 * @param fit side of a picture to the side that the network gets
 * @param flowOf [B, H', W', 3] twice to flow in pixels of H' x W', at that or a smaller size
 */
export function estimateResized(
  first: tf.Tensor4D,
  second: tf.Tensor4D,
  fit: (side: number) => number,
  flowOf: (first: tf.Tensor4D, second: tf.Tensor4D) => tf.Tensor4D,
): tf.Tensor4D {
  const [, h, w] = first.shape;
  const [height, width] = [fit(h), fit(w)];
  const enlarge = (x: tf.Tensor4D): tf.Tensor4D =>
    height === h && width === w ? x : resize(x, height, width, { mode: 'bilinear' });
  const flow = resize(flowOf(enlarge(first), enlarge(second)), h, w, { mode: 'bilinear' });
  return tf.mul(flow, tf.tensor1d([w / width, h / height]));
}
