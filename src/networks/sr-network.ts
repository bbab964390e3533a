/** What every super-resolution network of the kit is, and what SwinIR, DAT and SeeMoRe share around their bodies. */
import * as tf from '@tensorflow/tfjs-core';
import { Module } from '../nn/module';
import { InputError } from '../util/errors';

export abstract class SrNetwork extends Module {
  abstract readonly scale: number;

  /** Smallest height and width of an input. */
  abstract readonly minimumSize: number;

  /**
   * LR image in, HR image out. Call it inside tf.tidy or a gradient.
   * @param lr [B, h, w, 3] RGB in [0,1]
   * @returns [B, scale h, scale w, 3] RGB, not clamped
   */
  abstract forward(lr: tf.Tensor4D): tf.Tensor4D;
}

/** @throws InputError if the image is smaller than the network can take */
export function requireMinimumSize(network: SrNetwork, lr: tf.Tensor4D): void {
  const [, h, w] = lr.shape;
  const n = network.minimumSize;
  if (h >= n && w >= n) return;
  throw new InputError(
    `${network.constructor.name} needs an image of at least ${n} x ${n} pixels, got ${w} x ${h}`,
  );
}

/** RGB mean that SwinIR, DAT and SeeMoRe subtract before and add after (DIV2K's; not part of the state dict). */
const RGB_MEAN = [0.4488, 0.4371, 0.404];

/** (x - mean) * range, the networks' inner values. */
export function subtractMean(x: tf.Tensor4D, range: number): tf.Tensor4D {
  const centred = tf.sub(x, tf.tensor1d(RGB_MEAN));
  return (range === 1 ? centred : tf.mul(centred, range)) as tf.Tensor4D;
}

/** y / range + mean, back to RGB. */
export function addMean(y: tf.Tensor4D, range: number): tf.Tensor4D {
  const scaled = range === 1 ? y : tf.div(y, range);
  return tf.add(scaled, tf.tensor1d(RGB_MEAN));
}
