/**
 * Comparing a picture x with another one, y, that optical flow has brought into x's geometry (paper, equation 3; Zhang et
 * al., LiteISPNet, ICCV 2021; `l1liteisp_loss.py` of omarAlezaby/Mimicked_Ali @ 27a5681):
 *
 *   mean | m x - m warp(y, flow) |         m: where the warped y comes from inside its picture
 *
 * Its two users differ in what x and y are and where the flow is estimated: `mimic/step` and `baselines/alignment-loss`.
 */
import * as tf from '@tensorflow/tfjs-core';
import { meanAbsoluteError } from '../ops/mean-absolute-error';
import { resizeSeparable, type AxisMatrix } from '../ops/resize';
import { maskedWarp, warp, type WarpRule } from '../ops/warp';

export interface AlignedTarget {
  /** [B, H, W, 3] what is compared with, zero where masked. */
  readonly target: tf.Tensor4D;
  /** [B, H, W, 1] of 0 and 1; absent: every pixel counts. */
  readonly mask?: tf.Tensor4D;
  /** [B, H, W, 2] in pixels; absent without flow. */
  readonly flow?: tf.Tensor4D;
}

/** [B, H, W, 1]: 1 where a pixel of the target counts, else 0. */
export function countedPixels({ target, mask }: AlignedTarget): tf.Tensor4D {
  return mask ?? tf.onesLike(tf.slice(target, [0, 0, 0, 0], [-1, -1, -1, 1]));
}

/**
 * `picture` [B, H, W, 3] seen through `flow` [B, H, W, 2] in pixels.
 * @param masked leave out what comes from outside the picture (which else is black)
 */
export function alignedTarget(
  picture: tf.Tensor4D,
  flow: tf.Tensor4D,
  rule: WarpRule,
  masked = true,
): AlignedTarget {
  if (!masked) return { target: warp(picture, flow, rule), flow };
  const { warped, mask } = maskedWarp(picture, flow, rule);
  return { target: warped, mask, flow };
}

/**
 * A picture as soft as bilinear interpolation has made the one that it is compared with: at a place between two pixels, a part
 * `a` of the way, interpolation averages with variance a (1 - a), and so does here a filter (v, 1 - 2 v, v), v = a (1 - a) / 2,
 * along each axis, which does not move anything. Ours, not the paper's.
 *
 *   x + v_x d2x/dx2 + v_y d2x/dy2
 *
 * @param picture [B, H, W, C]; differentiable in it
 * @param flow [B, H, W, 2] in pixels, of the exact warp
 */
export function softened(picture: tf.Tensor4D, flow: tf.Tensor4D): tf.Tensor4D {
  const part = tf.sub(flow, tf.floor(flow));
  const [vx, vy] = tf.split(tf.mul(tf.mul(part, tf.sub(1, part)), 0.5), 2, 3);
  const [, h, w] = picture.shape;
  const across = resizeSeparable(picture, banded(h, [0, 1, 0]), banded(w, [1, -2, 1]));
  const down = resizeSeparable(picture, banded(h, [1, -2, 1]), banded(w, [0, 1, 0]));
  return tf.add(picture, tf.add(tf.mul(vx, across), tf.mul(vy, down)));
}

/** A filter of three taps along an axis of `size` pixels, which beyond its ends repeats the last. */
function banded(size: number, taps: readonly [number, number, number]): AxisMatrix {
  const data = new Float32Array(size * size);
  for (let i = 0; i < size; i++) {
    taps.forEach((tap, k) => {
      data[i * size + Math.min(Math.max(i + k - 1, 0), size - 1)] += tap;
    });
  }
  return { out: size, in: size, data };
}

/**
 * The loss, differentiable in `picture`.
 * @param over `all`: the mean runs over all pixels, masked ones counting as zero (the official code). `valid`: over those
 *   of the mask; 0 where there are none.
 */
export function alignedDifference(
  picture: tf.Tensor4D,
  { target, mask }: AlignedTarget,
  over: 'all' | 'valid',
): tf.Scalar {
  if (mask === undefined) return meanAbsoluteError(picture, target);
  const loss = meanAbsoluteError(tf.mul(picture, mask), target);
  if (over === 'all') return loss;
  return tf.mul(loss, tf.div(mask.size, tf.maximum(tf.sum(mask), 1)));
}
