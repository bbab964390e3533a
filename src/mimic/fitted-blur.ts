/**
 * One small filter that makes a picture as blurred as the real LR: what a lens does to all pictures alike needs no training.
 * Ours, not the paper's. A lens blurs light: callers give linear values.
 *
 *   out = x + sum over the taps k of f[k] (x[k] - x),     f: least squares of  m (target - x)  in  m (x[k] - x)  over all batches
 *
 * As only differences count, the filter sums to 1: flat areas keep their colours. After each batch a few conjugate gradient
 * steps go on from the filter that was found before (Hestenes and Stiefel, 1952), on the device, without reading anything back.
 */
import * as tf from '@tensorflow/tfjs-core';
import { constant } from '../nn/init';
import { Module } from '../nn/module';
import type { Parameter } from '../nn/parameter';
import { countedPixels, type AlignedTarget } from '../losses/flow-aligned';
import { blur } from '../ops/blur';
import { noGradients } from '../ops/no-gradient';

const RADIUS = 3;
const SIDE = 2 * RADIUS + 1;
const TAPS = SIDE ** 2;
const STEPS = 10;

export class FittedBlur extends Module {
  /** f, [49, 1]; that of the tap in the middle stays 0. */
  private readonly taps: Parameter;
  /** The normal equations: sums over the batches, [49, 49] and [49, 1]. */
  private readonly products: Parameter;
  private readonly moments: Parameter;

  constructor() {
    super();
    const buffer = (key: string, shape: readonly number[]): Parameter =>
      this.parameter(key, shape, constant(0), { trainable: false });
    this.taps = buffer('taps', [TAPS, 1]);
    this.products = buffer('products', [TAPS, TAPS]);
    this.moments = buffer('moments', [TAPS, 1]);
  }

  /**
   * Differentiable in x alone; edges are mirrored.
   * @param x [B, h, w, C], at least 3 pixels a side
   */
  forward(x: tf.Tensor4D): tf.Tensor4D {
    return tf.tidy(() => {
      const f = tf.reshape<tf.Rank.R2>(this.taps.value(), [SIDE, SIDE]);
      const centre = tf.pad(tf.reshape<tf.Rank.R2>(tf.sub(1, tf.sum(f)), [1, 1]), [
        [RADIUS, RADIUS],
        [RADIUS, RADIUS],
      ]);
      return blur(mirrored(x), tf.add(f, centre), 0);
    });
  }

  /**
   * Takes one batch more into account, unless it is not finite.
   * @param x [B, h, w, C] what the filter gets
   * @param aligned what it should make of it, of x's size
   */
  fit(x: tf.Tensor4D, aligned: AlignedTarget): void {
    tf.tidy(() => {
      const buffers = [this.products, this.moments, this.taps];
      const moved = noGradients(() => {
        const valid = countedPixels(aligned);
        const differences = tapDifferences(x, valid); // [49, N]
        const wanted = tf.reshape(tf.mul(tf.sub(aligned.target, x), valid), [-1, 1]); // [N, 1]
        // Means, so that the sums stay small; their common scale is no matter.
        const sums = [tf.matMul(differences, differences, false, true), tf.matMul(differences, wanted)];
        // With a batch that is not finite they would never be finite again, though its update is skipped.
        const finite = tf.isFinite(tf.addN(sums.map((sum) => tf.sum(sum))));
        const [products, moments] = sums.map((sum, i) =>
          tf.add<tf.Tensor2D>(buffers[i].value(), tf.where(finite, tf.div(sum, x.size), 0)),
        );
        return [products, moments, conjugateGradients(products, moments, this.taps.value(), STEPS)];
      });
      buffers.forEach(({ variable }, i) => variable.assign(moved[i]));
    });
  }
}

/** m (x[k] - x) of every tap k, row by row of the window: [49, B h w C]. */
function tapDifferences(x: tf.Tensor4D, valid: tf.Tensor4D): tf.Tensor2D {
  const surrounded = mirrored(x);
  const rows: tf.Tensor[] = [];
  for (let top = 0; top < SIDE; top++) {
    for (let left = 0; left < SIDE; left++) {
      const tap = tf.slice(surrounded, [0, top, left, 0], x.shape);
      rows.push(tf.reshape(tf.mul(tf.sub(tap, x), valid), [-1]));
    }
  }
  return tf.stack(rows) as tf.Tensor2D;
}

function mirrored(x: tf.Tensor4D): tf.Tensor4D {
  const sides: [number, number] = [RADIUS, RADIUS];
  return tf.mirrorPad(x, [[0, 0], sides, sides, [0, 0]], 'symmetric');
}

/**
 * Steps towards the solution of `matrix` x = `right`, symmetric and not negative, from `start`; columns [n, 1]. Where it is
 * reached, they stay there.
 */
function conjugateGradients(
  matrix: tf.Tensor2D,
  right: tf.Tensor2D,
  start: tf.Tensor2D,
  steps: number,
): tf.Tensor2D {
  const square = (v: tf.Tensor): tf.Tensor => tf.sum(tf.square(v));
  let x = start;
  let rest = tf.sub<tf.Tensor2D>(right, tf.matMul(matrix, x));
  let direction = rest;
  let norm = square(rest);
  for (let i = 0; i < steps; i++) {
    const image = tf.matMul<tf.Tensor2D>(matrix, direction);
    const length = tf.divNoNan(norm, tf.sum(tf.mul(direction, image)));
    x = tf.add(x, tf.mul(length, direction));
    rest = tf.sub(rest, tf.mul(length, image));
    const left = square(rest);
    direction = tf.add(rest, tf.mul(tf.divNoNan(left, norm), direction));
    norm = left;
  }
  return x;
}
