/**
 * The kit's own flow network, made for one task: the dense alignment of a down-sampled HR patch and the degraded,
 * differently coloured LR patch of the same scene, 32 to 128 pixels a side. It is a PWC-Net (Sun et al., CVPR 2018) cut
 * down to that: three levels of features, a cost volume of the warped features at each, and, as in IRR-PWC (Hur and
 * Roth, CVPR 2019), one small update network that all levels share, with a recurrent state as in RAFT (Teed and Deng,
 * ECCV 2020). Colour is taken out before anything else: both pictures are normalised by their local mean and contrast.
 *
 * `weights/flow-small.safetensors` was trained by `npm run train:flow` on pairs of the simulated camera, whose flow is
 * known; `docs/flow-small.md` says how well it does.
 */
import * as tf from '@tensorflow/tfjs-core';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Conv2d } from '../nn/layers';
import { Module } from '../nn/module';
import type { Activation } from '../ops/conv';
import { costVolume } from '../ops/cost-volume';
import { noGradient, stopGradient } from '../ops/no-gradient';
import { resize, resizeSeparable, type AxisMatrix } from '../ops/resize';
import { warp } from '../ops/warp';
import { InputError } from '../util/errors';
import { PACKAGE_ROOT } from '../util/versions';
import { readWeights } from '../weights/load';
import { estimateResized, type FlowEstimator } from './estimator';

/** The committed weights. */
export const SMALL_FLOW_WEIGHTS = join(PACKAGE_ROOT, 'weights', 'flow-small.safetensors');

/** Standard deviation of the window in which mean and contrast are taken, pixels. */
const WINDOW = 4;
/** Contrast (standard deviation of values in [0,1]) below which a window counts as flat. */
const FLAT = 0.02;

/** Channels of the encoder at 1/2, 1/4 and 1/8 of the picture's size. */
const STAGES = [32, 48, 64] as const;
/** Channels in which the pictures are compared, at every level. */
const MATCHING = 32;
const SEARCH_RADIUS = 3;
/** Channels that an update hands to the next. */
const STATE = 32;
/** Hidden channels of the update network. */
const WIDTH = 48;
/** Levels of the updates, coarse to fine: index into STAGES. */
const UPDATES = [2, 1, 0, 0] as const;
const LEAKY: Activation = { kind: 'leakyRelu', slope: 0.1 };

export class SmallFlow extends Module implements FlowEstimator {
  readonly name = 'small';
  private readonly encoder: Encoder;
  private readonly update: Update;

  constructor() {
    super();
    this.encoder = this.child('encoder', new Encoder());
    this.update = this.child('update', new Update());
  }

  /**
   * The network with the weights of a file, frozen.
   * @throws InputError if there is no such file or its tensors do not fit
   */
  static load(path = SMALL_FLOW_WEIGHTS): SmallFlow {
    if (!existsSync(path)) throw new InputError(`no weights of the small flow network at ${path}`);
    return new SmallFlow().loadStateDict(readWeights(path), path).freeze();
  }

  estimate(first: tf.Tensor4D, second: tf.Tensor4D): tf.Tensor4D {
    const multipleOf8 = (side: number): number => 8 * Math.ceil(side / 8);
    return noGradient(() =>
      tf.tidy(() => estimateResized(first, second, multipleOf8, (a, b) => this.flows(a, b).pop()!)),
    );
  }

  /**
   * The flow after each update, coarse to fine. Call it inside tf.tidy.
   * @param first [B, H, W, 3] RGB in [0,1]; H and W multiples of 8
   * @param second [B, H, W, 3]
   * @returns each [B, H, W, 2] in pixels, x before y; the last is the best
   */
  flows(first: tf.Tensor4D, second: tf.Tensor4D): tf.Tensor4D[] {
    const [b, height, width] = first.shape;
    const features = this.encoder.forward(tf.concat([localContrast(first), localContrast(second)]));
    const [h, w] = features[UPDATES[0]].shape.slice(1, 3);
    let flow = tf.zeros<tf.Rank.R4>([b, h, w, 2]);
    let state = tf.zeros<tf.Rank.R4>([b, h, w, STATE]);
    return UPDATES.map((level) => {
      const [a, c] = tf.split<tf.Tensor4D>(features[level], 2);
      flow = enlargeFlow(flow, a.shape[1], a.shape[2]);
      state = enlarge(state, a.shape[1], a.shape[2]);
      const costs = costVolume(a, warp(c, flow, 'exact'), SEARCH_RADIUS);
      const next = this.update.forward(costs, a, state, flow);
      const found = tf.add<tf.Tensor4D>(flow, next.change);
      // As in RAFT, each update answers for its own change only.
      flow = stopGradient(found);
      state = next.state;
      return enlargeFlow(found, height, width);
    });
  }
}

/** [B, h, w, C] to [B, height, width, C]. */
function enlarge(x: tf.Tensor4D, height: number, width: number): tf.Tensor4D {
  return x.shape[1] === height && x.shape[2] === width ? x : resize(x, height, width, { mode: 'bilinear' });
}

/** The same with a flow, whose vectors grow with the picture (all levels divide it evenly, so by one factor). */
function enlargeFlow(flow: tf.Tensor4D, height: number, width: number): tf.Tensor4D {
  return tf.mul(enlarge(flow, height, width), width / flow.shape[2]);
}

/**
 * (x - mean) / sqrt(variance + FLAT^2) in every channel, mean and variance in a Gaussian window: what exposure, white
 * balance, tone curve and vignetting leave nearly unchanged.
 */
function localContrast(x: tf.Tensor4D): tf.Tensor4D {
  const [rows, columns] = [gaussianMatrix(x.shape[1]), gaussianMatrix(x.shape[2])];
  const centred = tf.sub<tf.Tensor4D>(x, resizeSeparable(x, rows, columns));
  const variance = resizeSeparable(tf.square(centred), rows, columns);
  return tf.mul(centred, tf.rsqrt(tf.add(variance, FLAT * FLAT)));
}

/** The Gaussian window about each of `size` pixels, cut off at the border and normalised again. */
function gaussianMatrix(size: number): AxisMatrix {
  const data = new Float32Array(size * size);
  for (let i = 0; i < size; i++) {
    const row = data.subarray(i * size, (i + 1) * size);
    for (let j = 0; j < size; j++) row[j] = Math.exp(-(((i - j) / WINDOW) ** 2) / 2);
    const sum = row.reduce((a, b) => a + b);
    for (let j = 0; j < size; j++) row[j] /= sum;
  }
  return { out: size, in: size, data };
}

/** A picture to features at 1/2, 1/4 and 1/8 of its size, each of mean square 1 over its channels. */
class Encoder extends Module {
  private readonly stages: [down: Conv2d, conv: Conv2d, matching: Conv2d][];

  constructor() {
    super();
    this.stages = STAGES.map((channels, level) => {
      const [inputs, kernel] = level === 0 ? [3, 7] : [STAGES[level - 1], 3];
      const down = { stride: 2, padding: (kernel - 1) / 2, activation: LEAKY };
      return [
        this.child(`stage${level + 1}.down`, new Conv2d(inputs, channels, kernel, down)),
        this.child(
          `stage${level + 1}.conv`,
          new Conv2d(channels, channels, 3, { padding: 1, activation: LEAKY }),
        ),
        this.child(`stage${level + 1}.matching`, new Conv2d(channels, MATCHING, 1)),
      ];
    });
  }

  /** [B, H, W, 3] to [B, H/2^l, W/2^l, 32] for l = 1, 2, 3. */
  forward(picture: tf.Tensor4D): tf.Tensor4D[] {
    let x = picture;
    return this.stages.map(([down, conv, matching]) => {
      x = conv.forward(down.forward(x));
      const y = matching.forward(x);
      return tf.mul(y, tf.rsqrt(tf.add(tf.mean(tf.square(y), 3, true), 1e-6)));
    });
  }
}

/** From how the pictures agree under the flow so far, a better flow. The same weights serve every level. */
class Update extends Module {
  private readonly layers: Conv2d[];
  private readonly toState: Conv2d;
  private readonly head: Conv2d;

  constructor() {
    super();
    const inputs = (2 * SEARCH_RADIUS + 1) ** 2 + MATCHING + STATE + 2;
    this.layers = [1, 2, 4].map((dilation, i) =>
      this.child(
        `conv${i + 1}`,
        new Conv2d(i === 0 ? inputs : WIDTH, WIDTH, 3, { padding: dilation, dilation, activation: LEAKY }),
      ),
    );
    this.toState = this.child('state', new Conv2d(WIDTH, STATE, 3, { padding: 1, activation: LEAKY }));
    this.head = this.child('flow', new Conv2d(STATE, 2, 3, { padding: 1 }));
  }

  /**
   * @param costs [B, h, w, 49]
   * @param features [B, h, w, 32] of the first picture
   * @param state [B, h, w, 32]
   * @param flow [B, h, w, 2] in pixels of this level
   */
  forward(
    costs: tf.Tensor4D,
    features: tf.Tensor4D,
    state: tf.Tensor4D,
    flow: tf.Tensor4D,
  ): { state: tf.Tensor4D; change: tf.Tensor4D } {
    const input: tf.Tensor4D = tf.concat([costs, features, state, flow], 3);
    const next = this.toState.forward(this.layers.reduce((x, conv) => conv.forward(x), input));
    return { state: next, change: this.head.forward(next) };
  }
}
