/**
 * PWC-Net: "CNNs for Optical Flow Using Pyramid, Warping, and Cost Volume" (Sun et al., CVPR 2018), after
 * sniklaus/pytorch-pwc @ fc21888 as the paper's code has it (omarAlezaby/Mimicked_Ali @ 27a5681, `pwcnet_arch.py`). It is
 * the flow estimator of the degradation loss and of the flow-aligned baseline. State-dict keys are the official ones,
 * with `net` where the file says `module`.
 *
 * The warp inside keeps that code's factor W / (W - 1) (`ops/warp`), with which its weights are used everywhere. Weights
 * are frozen: nothing here trains them. The Caffe weights expect BGR; the paper's code feeds RGB (`channelOrder`).
 */
import * as tf from '@tensorflow/tfjs-core';
import { existsSync } from 'node:fs';
import { missingWeights } from '../data/roots';
import { Conv2d, ConvTranspose2d } from '../nn/layers';
import { Module } from '../nn/module';
import type { Activation } from '../ops/conv';
import { costVolume } from '../ops/cost-volume';
import { noGradient } from '../ops/no-gradient';
import { maskedWarp } from '../ops/warp';
import { readWeights } from '../weights/load';
import { estimateResized, type FlowEstimator } from './estimator';

/** The flow of every level is in units of 20 full-size pixels. */
const FLOW_UNIT = 20;
const SEARCH_RADIUS = 4;
const VOLUME_CHANNELS = (2 * SEARCH_RADIUS + 1) ** 2;
const LEAKY: Activation = { kind: 'leakyRelu', slope: 0.1 };

/** Levels 1 to 6 by their official names, with the channels of their features. */
const LEVELS = [
  { name: 'One', channels: 16 },
  { name: 'Two', channels: 32 },
  { name: 'Thr', channels: 64 },
  { name: 'Fou', channels: 96 },
  { name: 'Fiv', channels: 128 },
  { name: 'Six', channels: 196 },
] as const;

/** Decoders' densely connected convolutions. */
const DENSE = [
  { name: 'netOne', outputs: 128 },
  { name: 'netTwo', outputs: 128 },
  { name: 'netThr', outputs: 96 },
  { name: 'netFou', outputs: 64 },
  { name: 'netFiv', outputs: 32 },
] as const;
const DENSE_CHANNELS = DENSE.reduce((sum, { outputs }) => sum + outputs, 0);

const REFINER = [
  { outputs: 128, dilation: 1 },
  { outputs: 128, dilation: 2 },
  { outputs: 128, dilation: 4 },
  { outputs: 96, dilation: 8 },
  { outputs: 64, dilation: 16 },
  { outputs: 32, dilation: 1 },
  { outputs: 2, dilation: 1 },
] as const;

export interface PwcNetOptions {
  /** Channel order that the network is given: `rgb` as the paper's code, `bgr` as the weights were trained. */
  readonly channelOrder: 'rgb' | 'bgr';
}

/** What each stage found, coarse to fine (levels 6 to 2), for whoever looks into the network. */
export interface PwcNetFlows {
  /** [B, H/2^l, W/2^l, 2] of levels l = 6..2, in units of 20 full-size pixels. */
  readonly levels: readonly tf.Tensor4D[];
  /** [B, H/4, W/4, 2], the refiner's correction of level 2. */
  readonly refinement: tf.Tensor4D;
  /** [B, H/4, W/4, 2], the sum of the two: the network's output. */
  readonly quarter: tf.Tensor4D;
}

export class PwcNet extends Module implements FlowEstimator {
  readonly name: string;
  private readonly extractor: Extractor;
  /** Levels 6 to 2. */
  private readonly decoders: Decoder[];
  private readonly refiner: Refiner;

  constructor(private readonly options: PwcNetOptions = { channelOrder: 'rgb' }) {
    super();
    this.name = `pwc-net-${options.channelOrder}`;
    this.extractor = this.child('netExtractor', new Extractor());
    // Registered fine to coarse, as in the file; used coarse to fine.
    this.decoders = [2, 3, 4, 5, 6].map((level) =>
      this.child(`net${LEVELS[level - 1].name}`, new Decoder(level)),
    );
    this.decoders.reverse();
    this.refiner = this.child('netRefiner', new Refiner());
    this.freeze();
  }

  /**
   * PWC-Net with the weights of a file: the official `pwc-net.pth`, or a converted one.
   * @throws InputError if there is no such file (saying where it comes from) or its tensors do not fit
   */
  static load(path: string, options?: PwcNetOptions): PwcNet {
    if (!existsSync(path)) {
      throw missingWeights('PWC-Net weights', path, 'pwc-net', "flow 'small', which comes with the kit");
    }
    const net = new PwcNet(options);
    const state = new Map(
      [...readWeights(path)].map(([key, tensor]) => [key.replace(/^module/, 'net'), tensor]),
    );
    return net.loadStateDict(state, path);
  }

  estimate(first: tf.Tensor4D, second: tf.Tensor4D): tf.Tensor4D {
    const multipleOf64 = (side: number): number => 64 * Math.ceil(side / 64);
    return noGradient(() =>
      tf.tidy(() =>
        estimateResized(first, second, multipleOf64, (a, b) =>
          tf.mul(this.flows(this.reordered(a), this.reordered(b)).quarter, FLOW_UNIT),
        ),
      ),
    );
  }

  /**
   * The network itself. Call it inside tf.tidy.
   * @param first [B, H, W, 3] in [0,1], in the weights' channel order; H and W multiples of 64
   */
  flows(first: tf.Tensor4D, second: tf.Tensor4D): PwcNetFlows {
    const [firsts, seconds] = [this.extractor.forward(first), this.extractor.forward(second)];
    const levels: tf.Tensor4D[] = [];
    let found: Decoded | undefined;
    for (const decoder of this.decoders) {
      found = decoder.forward(firsts[decoder.level - 1], seconds[decoder.level - 1], found);
      levels.push(found.flow);
    }
    const { flow, features } = found!;
    const refinement = this.refiner.forward(features);
    return { levels, refinement, quarter: tf.add(flow, refinement) };
  }

  private reordered(x: tf.Tensor4D): tf.Tensor4D {
    return this.options.channelOrder === 'bgr' ? tf.reverse(x, 3) : x;
  }
}

/** Six stages of three convolutions, each stage at half the size of the one before. */
class Extractor extends Module {
  private readonly stages: Conv2d[][];

  constructor() {
    super();
    this.stages = LEVELS.map(({ name, channels }, level) => {
      const inputs = level === 0 ? 3 : LEVELS[level - 1].channels;
      return [0, 1, 2].map((i) =>
        this.child(
          `net${name}.${2 * i}`,
          new Conv2d(i === 0 ? inputs : channels, channels, 3, {
            stride: i === 0 ? 2 : 1,
            padding: 1,
            activation: LEAKY,
          }),
        ),
      );
    });
  }

  /** [B, H, W, 3] to the features of levels 1 to 6, [B, H/2^l, W/2^l, C_l]. */
  forward(image: tf.Tensor4D): tf.Tensor4D[] {
    let x = image;
    return this.stages.map((stage) => (x = stage.reduce((y, conv) => conv.forward(y), x)));
  }
}

interface Decoded {
  /** [B, h, w, 2] */
  readonly flow: tf.Tensor4D;
  /** [B, h, w, inputs + 448]: everything the level computed. */
  readonly features: tf.Tensor4D;
}

/** One level: correlate with the other picture's features, warped by what is known, and estimate the flow anew. */
class Decoder extends Module {
  private readonly upFlow?: ConvTranspose2d;
  private readonly upFeatures?: ConvTranspose2d;
  private readonly dense: Conv2d[];
  private readonly head: Conv2d;

  constructor(readonly level: number) {
    super();
    const inputs = decoderInputs(level);
    if (level < 6) {
      const double = { stride: 2, padding: 1 };
      this.upFlow = this.child('netUpflow', new ConvTranspose2d(2, 2, 4, double));
      this.upFeatures = this.child(
        'netUpfeat',
        new ConvTranspose2d(decoderInputs(level + 1) + DENSE_CHANNELS, 2, 4, double),
      );
    }
    let channels = inputs;
    this.dense = DENSE.map(({ name, outputs }) => {
      const conv = this.child(
        `${name}.0`,
        new Conv2d(channels, outputs, 3, { padding: 1, activation: LEAKY }),
      );
      channels += outputs;
      return conv;
    });
    this.head = this.child('netSix.0', new Conv2d(channels, 2, 3, { padding: 1 }));
  }

  /**
   * @param first [B, h, w, C] features of the first picture
   * @param second those of the second
   * @param coarser the level above, at half the size; none at level 6
   */
  forward(first: tf.Tensor4D, second: tf.Tensor4D, coarser: Decoded | undefined): Decoded {
    let features: tf.Tensor4D;
    if (coarser === undefined) {
      features = correlate(first, second);
    } else {
      const flow = this.upFlow!.forward(coarser.flow); // [B, h, w, 2]
      const context = this.upFeatures!.forward(coarser.features); // [B, h, w, 2]
      const pixels = tf.mul<tf.Tensor4D>(flow, FLOW_UNIT / 2 ** this.level);
      const { warped } = maskedWarp(second, pixels, 'released');
      features = tf.concat([correlate(first, warped), first, flow, context], 3);
    }
    for (const conv of this.dense) features = tf.concat([conv.forward(features), features], 3);
    return { flow: this.head.forward(features), features };
  }
}

/** Channels that a level's decoder starts from: cost volume, features of the first picture, flow and context from above. */
function decoderInputs(level: number): number {
  return level === 6 ? VOLUME_CHANNELS : VOLUME_CHANNELS + LEVELS[level - 1].channels + 4;
}

function correlate(first: tf.Tensor4D, second: tf.Tensor4D): tf.Tensor4D {
  return tf.leakyRelu(costVolume(first, second, SEARCH_RADIUS), 0.1);
}

/** Dilated convolutions over level 2's features: a correction from a wide neighbourhood. */
class Refiner extends Module {
  private readonly layers: Conv2d[];

  constructor() {
    super();
    let channels = decoderInputs(2) + DENSE_CHANNELS;
    this.layers = REFINER.map(({ outputs, dilation }, i) => {
      const last = i === REFINER.length - 1;
      const conv = new Conv2d(channels, outputs, 3, {
        padding: dilation,
        dilation,
        ...(last ? {} : { activation: LEAKY }),
      });
      channels = outputs;
      return this.child(`netMain.${2 * i}`, conv);
    });
  }

  forward(features: tf.Tensor4D): tf.Tensor4D {
    return this.layers.reduce((x, conv) => conv.forward(x), features);
  }
}
