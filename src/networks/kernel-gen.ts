/**
 * The auxiliary-LR generator of "Self-Supervised Learning for Real-World Super-Resolution from Dual Zoomed Observations"
 * (Zhang et al., ECCV 2022; `KernelGen` of cszhilu1998/SelfDZSR @ 9ff05ad, `models/networks.py`): makes of an HR patch an
 * LR patch with the real LR's degradation and the HR's geometry. State-dict keys are the official ones.
 *
 * Position is kept by the architecture, and by a loss that gives every filter its weight about its middle.
 */
import * as tf from '@tensorflow/tfjs-core';
import { existsSync } from 'node:fs';
import { constant } from '../nn/init';
import { Module } from '../nn/module';
import type { Parameter } from '../nn/parameter';
import { meanAbsoluteError } from '../ops/mean-absolute-error';
import { InputError } from '../util/errors';
import { readWeights } from '../weights/load';
import { GuidedTransfer } from './guided-transfer';

const SCALE = 4;
/** Subtracted before and added after: DIV2K's RGB mean. */
const RGB_MEAN = [0.4488, 0.4371, 0.404];

export class KernelGen extends GuidedTransfer {
  private readonly before: MeanShift;
  private readonly after: MeanShift;

  constructor() {
    const channels = 3 * SCALE ** 2;
    super(channels, channels + 3);
    this.before = this.child('head_mean', new MeanShift(-1));
    this.after = this.child('tail_mean', new MeanShift(1));
  }

  /**
   * The generator with the weights of a file (the official `KernelGen_model_*.pth` at scale 4, or safetensors).
   * @throws InputError if there is no such file (saying where it comes from) or its tensors do not fit
   */
  static load(path: string): KernelGen {
    if (!existsSync(path)) {
      throw new InputError(
        `no weights of SelfDZSR's generator at ${path}: 'mimicsr data fetch selfdzsr-auxlr' brings them (entry ` +
          `selfdzsr-auxlr of the data manifests), or choose start 'random'`,
      );
    }
    return new KernelGen().loadStateDict(readWeights(path, 'state_dict'), path);
  }

  /**
   * @param hr [B, 4h, 4w, 3] RGB in [0,1]
   * @param lr [B, h, w, 3] the real LR patch
   * @returns [B, h, w, 3] the auxiliary LR, not clamped
   * @throws InputError if the LR patches are smaller than 7 pixels
   */
  forward(hr: tf.Tensor4D, lr: tf.Tensor4D): tf.Tensor4D {
    this.requireSide(lr.shape, "SelfDZSR's generator");
    const u = spaceToDepth(this.before.forward(hr)); // [B, h, w, 48]
    const out = this.transfer(u, tf.concat([u, this.before.forward(lr)], 3));
    return this.after.forward(out);
  }

  /** The position-preserving loss of the large filters: see `firstMoments`. */
  positionLoss(): tf.Scalar {
    return tf.addN<tf.Scalar>(this.spatial.map((layer) => firstMoments(layer.filter)));
  }
}

/**
 * How far the weight of a filter W [K, K, I, O] lies from its middle, line by line and column by column:
 *
 *   mean over lines, I, O of |sum over x of n_x W / K| + mean over columns, I, O of |sum over y of n_y W / K|,
 *
 * n the taps counted from the middle.
 */
export function firstMoments(filter: tf.Tensor4D): tf.Scalar {
  const k = filter.shape[0];
  const places = tf.div(tf.range(-(k - 1) / 2, (k + 1) / 2), k);
  const along = (axis: 0 | 1): tf.Scalar => {
    const moments = tf.sum(
      tf.mul(filter, tf.reshape(places, axis === 0 ? [k, 1, 1, 1] : [1, k, 1, 1])),
      axis,
    );
    return meanAbsoluteError(moments, tf.zerosLike(moments));
  };
  return tf.add(along(0), along(1));
}

/** [B, 4h, 4w, 3] to [B, h, w, 48], channel (4 sy + sx) 3 + c. */
export function spaceToDepth(x: tf.Tensor4D): tf.Tensor4D {
  const [b, h, w, c] = x.shape;
  const rows = tf.reshape(x, [(b * h) / SCALE, SCALE, w / SCALE, SCALE * c]);
  return tf.reshape(tf.transpose(rows, [0, 2, 1, 3]), [b, h / SCALE, w / SCALE, SCALE ** 2 * c]);
}

/** The official code's fixed 1x1 convolution, one weight a channel, that adds `sign` times the mean. */
class MeanShift extends Module {
  private readonly weight: Parameter;
  private readonly bias: Parameter;

  constructor(sign: 1 | -1) {
    super();
    this.weight = this.parameter('weight', [3, 1, 1, 1], constant(1), { trainable: false });
    const mean = Float32Array.from(RGB_MEAN, (m) => sign * m);
    this.bias = this.parameter('bias', [3], () => mean, { trainable: false });
  }

  forward(x: tf.Tensor4D): tf.Tensor4D {
    const weight = tf.reshape(this.weight.value(), [3]);
    return tf.add(tf.mul(x, weight), this.bias.value());
  }
}
