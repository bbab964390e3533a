/**
 * Backward warping by optical flow, and the mask of what came from inside the picture: the paper's degradation loss
 * (equation 3), PWC-Net's levels and the flow-aligned loss of Zhang et al. (LiteISPNet, ICCV 2021).
 *
 *   out[b, y, x] = image[b] at (x + fx u, y + fy v), (u, v) = flow[b, y, x] in pixels,
 *
 * bilinear, zero outside. The rule says what (fx, fy) are:
 *
 * - `exact`: 1, 1. A flow of d pixels moves by d pixels.
 * - `released`: W / (W - 1), H / (H - 1). The official code scales flow for grids whose corners coincide, and samples
 *   on one whose pixel edges do, so it moves 3 % too far at 32 pixels. PWC-Net was trained so; inside it this is right.
 *
 * Fused kernels (the composition below is their definition):
 *
 * - `Warp`: inputs image [B, H, W, C], flow [B, H, W, 2]; attributes factorX, factorY; output [B, H, W, C].
 * - `WarpGrad`: inputs dy [B, H, W, C], image, flow; the same attributes; outputs d image, d flow.
 *
 * A position more than a pixel outside the picture gives 0 and passes no gradient, however far; a flow of NaN gives NaN.
 */
import * as tf from '@tensorflow/tfjs-core';
import { hasFused, runFused } from './fused';
import { noGradient } from './no-gradient';
import { isFlowOf, misfit } from './shapes';

export type WarpRule = 'released' | 'exact';

interface Factors {
  readonly factorX: number;
  readonly factorY: number;
}

/** A pixel counts as valid where a warped plane of ones stays above this: 1 - eps of the paper's equation 3. */
const VALID_ABOVE = 0.999;

/**
 * `image` seen through `flow`, differentiable in both.
 * @param image [B, H, W, C]
 * @param flow [B, H, W, 2] in pixels, x before y
 * @returns [B, H, W, C]
 */
export function warp(image: tf.Tensor4D, flow: tf.Tensor4D, rule: WarpRule): tf.Tensor4D {
  if (!isFlowOf(flow, image)) throw misfit('warp', { image, flow });
  const factors = warpFactors(flow.shape[1], flow.shape[2], rule);
  const op = tf.customGrad((...args) => {
    const [image, flow, save] = args as [tf.Tensor4D, tf.Tensor4D, tf.GradSaveFunc];
    save([image, flow]);
    return {
      value: forward(image, flow, factors),
      gradFunc: (dy: tf.Tensor, [image, flow]: tf.Tensor[]) =>
        backward(dy as tf.Tensor4D, image as tf.Tensor4D, flow as tf.Tensor4D, factors),
    };
  });
  return op(image, flow);
}

/**
 * `image` seen through `flow`, zero wherever the sample reaches outside the picture, and the mask that says where it
 * does not: 1 where a plane of ones warped along stays above 0.999, else 0. The mask is a constant.
 * @param image [B, H, W, C]
 * @param flow [B, H, W, 2] in pixels
 * @returns warped [B, H, W, C] and mask [B, H, W, 1]
 */
export function maskedWarp(
  image: tf.Tensor4D,
  flow: tf.Tensor4D,
  rule: WarpRule,
): { warped: tf.Tensor4D; mask: tf.Tensor4D } {
  const [b, h, w, c] = image.shape;
  const both = warp(tf.concat([image, tf.ones([b, h, w, 1])], 3), flow, rule);
  const [raw, ones] = tf.split(both, [c, 1], 3);
  const mask = noGradient(() => tf.tidy(() => tf.cast(tf.greater(ones, VALID_ABOVE), 'float32')));
  return { warped: tf.mul(raw, mask), mask: mask as tf.Tensor4D };
}

/** (fx, fy) of the rule for a picture of `height` x `width`. */
export function warpFactors(height: number, width: number, rule: WarpRule): Factors {
  if (rule === 'exact') return { factorX: 1, factorY: 1 };
  // A side of one pixel has no corners to normalise by (the official code divides by zero there): taken as exact.
  const factor = (n: number): number => (n > 1 ? n / (n - 1) : 1);
  return { factorX: factor(width), factorY: factor(height) };
}

function forward(image: tf.Tensor4D, flow: tf.Tensor4D, factors: Factors): tf.Tensor4D {
  if (hasFused('Warp')) return runFused('Warp', { image, flow }, { ...factors });
  return tf.tidy(() => {
    const { pixels, weights } = footprint(flow, factors);
    const four = gather(image, pixels); // [4, N, C]
    return tf.reshape(tf.sum(tf.mul(four, weights), 0), image.shape);
  });
}

function backward(dy: tf.Tensor4D, image: tf.Tensor4D, flow: tf.Tensor4D, factors: Factors): tf.Tensor[] {
  if (hasFused('WarpGrad')) return runFused<tf.Tensor[]>('WarpGrad', { dy, image, flow }, { ...factors });
  return tf.tidy(() => {
    const [b, h, w, c] = image.shape;
    const n = b * h * w;
    const { pixels, weights, along, inside } = footprint(flow, factors);
    const rows = tf.reshape(dy, [1, n, c]);

    // Each output pixel hands its gradient back to the four pixels that made it; scatterND adds up duplicates.
    const shares = tf.reshape(tf.mul(rows, weights), [4 * n, c]);
    const dImage = tf.scatterND(tf.reshape(pixels, [4 * n, 1]), shares, [n, c]);

    // Along the flow: how much the sample changes with a step, that is the weights' own derivatives.
    const per = tf.mul(tf.sum(tf.mul(gather(image, pixels), rows), 2), inside); // [4, N]
    const steps = along.map((slope) => tf.sum(tf.mul(per, slope), 0)); // [N] for x, y
    const dFlow = tf.mul(tf.stack(steps, 1), tf.tensor1d([factors.factorX, factors.factorY]));
    return [tf.reshape(dImage, image.shape), tf.reshape(dFlow, flow.shape)];
  });
}

/** The four pixels around each sample position, N = B H W of them, in the order (y0, x0), (y0, x1), (y1, x0), (y1, x1). */
interface Footprint {
  /** [4, N] int32 rows of the image as [N, C]; where the pixel lies outside, some row whose weight is 0. */
  readonly pixels: tf.Tensor2D;
  /** [4, N, 1] bilinear weights, 0 outside. */
  readonly weights: tf.Tensor3D;
  /** [4, N]: derivatives of the weights by x and by y, before `inside`. */
  readonly along: readonly [tf.Tensor2D, tf.Tensor2D];
  /** [4, N]: 1 where the pixel exists, else 0. */
  readonly inside: tf.Tensor2D;
}

function footprint(flow: tf.Tensor4D, { factorX, factorY }: Factors): Footprint {
  const [b, h, w] = flow.shape;
  const n = b * h * w;
  const [u, v] = tf.split(tf.reshape(flow, [n, 2]), 2, 1).map((t) => tf.reshape(t, [n]));
  const columns = tf.reshape(tf.tile(tf.range(0, w), [b * h]), [n]);
  const lines = tf.reshape(tf.tile(tf.reshape(tf.range(0, h), [1, h, 1]), [b, 1, w]), [n]);
  const x = axisFootprint(tf.add(columns, tf.mul(u, factorX)), w);
  const y = axisFootprint(tf.add(lines, tf.mul(v, factorY)), h);

  const picture = tf.reshape(tf.tile(tf.reshape(tf.range(0, b, 1, 'int32'), [b, 1]), [1, h * w]), [n]);
  const start = tf.mul(picture, tf.scalar(h * w, 'int32'));
  const row = y.index.map((i) => tf.add(start, tf.mul(i, tf.scalar(w, 'int32'))));
  const four = <T>(combine: (i: 0 | 1, j: 0 | 1) => T): T[] => [
    combine(0, 0),
    combine(0, 1),
    combine(1, 0),
    combine(1, 1),
  ];
  const stack = (parts: tf.Tensor[]): tf.Tensor2D => tf.stack(parts) as tf.Tensor2D;
  const inside = stack(four((i, j) => tf.mul(y.inside[i], x.inside[j])));
  const weights = tf.mul(stack(four((i, j) => tf.mul(y.weight[i], x.weight[j]))), inside);
  return {
    pixels: stack(four((i, j) => tf.add(row[i], x.index[j]))),
    weights: tf.reshape(weights, [4, n, 1]),
    along: [
      stack([tf.neg(y.weight[0]), y.weight[0], tf.neg(y.weight[1]), y.weight[1]]),
      stack([tf.neg(x.weight[0]), tf.neg(x.weight[1]), x.weight[0], x.weight[1]]),
    ],
    inside,
  };
}

/** On one axis of `size` pixels: the two neighbours of every position, their weights, and whether they exist. [N] each. */
function axisFootprint(
  position: tf.Tensor,
  size: number,
): { index: tf.Tensor[]; weight: tf.Tensor[]; inside: tf.Tensor[] } {
  // Far positions are brought to just outside, where the weights are zero as well, so that no index overflows.
  const near = tf.clipByValue(position, -2, size + 1);
  const low = tf.floor(near);
  const high = tf.add(low, 1);
  const second = tf.sub(near, low);
  return {
    index: [low, high].map((k) => tf.cast(tf.clipByValue(k, 0, size - 1), 'int32')),
    weight: [tf.sub(1, second), second],
    inside: [low, high].map((k) =>
      tf.cast(tf.logicalAnd(tf.greaterEqual(k, 0), tf.lessEqual(k, size - 1)), 'float32'),
    ),
  };
}

/** Rows `pixels` [4, N] of the image as [B H W, C]: [4, N, C]. */
function gather(image: tf.Tensor4D, pixels: tf.Tensor2D): tf.Tensor3D {
  const [b, h, w, c] = image.shape;
  return tf.gather<tf.Tensor>(tf.reshape(image, [b * h * w, c]), pixels) as tf.Tensor3D;
}
