/**
 * SeeMoRe: "See More Details: Efficient Image Super-Resolution by Experts Mining" (Zamfir et al., ICML 2024), after
 * eduardzamfir/seemoredetails @ 825ba21 and the copy in omarAlezaby/Mimicked_Ali @ 27a5681 (same maths). State-dict
 * keys are the official ones.
 *
 * The router picks one expert per image, not per pixel. All experts are always evaluated and the others multiplied by
 * zero (the official training path; its test path gives the same values but takes one image at a time): the experts
 * are 4 % of the arithmetic. They run as one expert of their widths together, and the channels that the local block
 * shuffles come out of their convolution shuffled: the same values in fewer ops.
 */
import * as tf from '@tensorflow/tfjs-core';
import { chain } from '../nn/chain';
import { Conv2d, DepthwiseConv2d, LayerNorm, Linear, samePadding, type KernelSize } from '../nn/layers';
import { Module } from '../nn/module';
import { conv2d } from '../ops/conv';
import { gelu } from '../ops/gelu';
import { pixelShuffle } from '../ops/pixel-shuffle';
import { residual } from '../ops/residual';
import { resize } from '../ops/resize';
import { addMean, requireMinimumSize, SrNetwork, subtractMean } from './sr-network';

export interface SeeMoReConfig {
  readonly scale: number;
  /** Channels C of every feature map. */
  readonly channels: number;
  /** Number of residual groups, each a local and a global block. */
  readonly groups: number;
  /** Inner widths of the experts. */
  readonly expertWidths: readonly number[];
  /** Mix the two halves of the local block's features channel by channel. */
  readonly shuffle: boolean;
  /** How often the context branch is reduced by 4. */
  readonly recursive: number;
  /** Length of the striped convolutions of the global block. */
  readonly globalKernel: number;
}

/** The official sizes; the paper uses `tiny`. */
export const SEEMORE_PRESETS = {
  tiny: {
    scale: 4,
    channels: 36,
    groups: 6,
    expertWidths: [2, 4, 8],
    shuffle: true,
    recursive: 2,
    globalKernel: 11,
  },
  base: {
    scale: 4,
    channels: 48,
    groups: 8,
    expertWidths: [2, 4, 8],
    shuffle: true,
    recursive: 2,
    globalKernel: 11,
  },
  large: {
    scale: 4,
    channels: 48,
    groups: 16,
    expertWidths: [2, 4, 8],
    shuffle: false,
    recursive: 1,
    globalKernel: 11,
  },
} as const satisfies Record<string, SeeMoReConfig>;

const NORM_EPSILON = 1e-6;

export class SeeMoRe extends SrNetwork {
  readonly scale: number;
  readonly minimumSize: number;
  private readonly shallow: Conv2d;
  private readonly groups: ResidualGroup[];
  private readonly norm: LayerNorm;
  private readonly deep: Conv2d;
  private readonly upsampler: Conv2d;

  constructor(readonly config: SeeMoReConfig = SEEMORE_PRESETS.tiny) {
    super();
    const { scale, channels } = config;
    this.scale = scale;
    this.minimumSize = 4 ** config.recursive;
    this.shallow = this.child('conv_1', conv(3, channels, 3));
    this.groups = Array.from({ length: config.groups }, (_, i) =>
      this.child(`body.${i}`, new ResidualGroup(config)),
    );
    this.norm = this.child('norm', new LayerNorm(channels, NORM_EPSILON));
    this.deep = this.child('conv_2', conv(channels, channels, 3));
    this.upsampler = this.child('upsampler.0', conv(channels, 3 * scale * scale, 3));
  }

  forward(lr: tf.Tensor4D): tf.Tensor4D {
    requireMinimumSize(this, lr);
    const f0 = this.shallow.forward(subtractMean(lr, 1)); // [B, h, w, C]
    const deep = chain(f0, [...this.groups, this.norm, this.deep]);
    return addMean(pixelShuffle(this.upsampler.forward(residual(f0, deep)), this.scale), 1);
  }
}

class ResidualGroup extends Module {
  private readonly local: Block;
  private readonly global: Block;

  constructor(config: SeeMoReConfig) {
    super();
    this.local = this.child('local_block', new Block(config.channels, new LocalBlock(config)));
    this.global = this.child('global_block', new Block(config.channels, new GlobalBlock(config)));
  }

  forward(x: tf.Tensor4D): tf.Tensor4D {
    return chain(x, [this.local, this.global]);
  }
}

/** x + block(norm(x)), then x + ffn(norm(x)). */
class Block extends Module {
  private readonly norm1: LayerNorm;
  private readonly norm2: LayerNorm;
  private readonly ffn: GatedFfn;

  constructor(
    channels: number,
    private readonly mixer: LocalBlock | GlobalBlock,
  ) {
    super();
    this.norm1 = this.child('norm_1', new LayerNorm(channels, NORM_EPSILON));
    this.child('block', mixer);
    this.norm2 = this.child('norm_2', new LayerNorm(channels, NORM_EPSILON));
    this.ffn = this.child('ffn', new GatedFfn(channels));
  }

  forward(x: tf.Tensor4D): tf.Tensor4D {
    const mixed = residual(x, this.mixer.forward(this.norm1.forward(x)));
    return residual(mixed, this.ffn.forward(this.norm2.forward(mixed)));
  }
}

/** Gated feed-forward; its output is activated before the residual sum. */
class GatedFfn extends Module {
  private readonly expand: Conv2d;
  private readonly project: Conv2d;
  private readonly gate: DepthwiseConv2d;

  constructor(channels: number) {
    super();
    this.expand = this.child('fn_1.0', conv(channels, 2 * channels, 1));
    this.project = this.child('fn_2.0', conv(channels, channels, 1));
    this.gate = this.child('gate', depthwise(channels, 3));
  }

  forward(x: tf.Tensor4D): tf.Tensor4D {
    const [a, g] = tf.split<tf.Tensor4D>(gelu(this.expand.forward(x)), 2, 3);
    return gelu(this.project.forward(tf.mul<tf.Tensor4D>(a, this.gate.forward(g))));
  }
}

/** Mixture of low-rank experts over a local feature `p` and a wide-context feature `k` (RME block). */
class LocalBlock extends Module {
  private readonly mix: Conv2d;
  private readonly expand: Conv2d;
  private readonly reduce: DepthwiseConv2d;
  private readonly contextSpatial: DepthwiseConv2d;
  private readonly contextChannel: Conv2d;
  private readonly row: DepthwiseConv2d;
  private readonly column: DepthwiseConv2d;
  private readonly experts: MixtureOfExperts;
  private readonly project: Conv2d;

  constructor(private readonly config: SeeMoReConfig) {
    super();
    const c = config.channels;
    this.mix = this.child('conv_1.0', conv(c, c, 3));
    this.expand = this.child('conv_1.2', conv(c, 2 * c, 1));
    this.reduce = this.child('agg_conv.0', new DepthwiseConv2d(c, 4, { stride: 4 }));
    this.contextSpatial = this.child('conv.0', depthwise(c, 3));
    this.contextChannel = this.child('conv.1', conv(c, c, 1));
    this.row = this.child('conv_2.0.conv.0', depthwise(c, [1, 3]));
    this.column = this.child('conv_2.0.conv.1', depthwise(c, [3, 1]));
    this.experts = this.child('moe_layer', new MixtureOfExperts(c, config.expertWidths));
    this.project = this.child('proj', conv(c, c, 1));
  }

  forward(x: tf.Tensor4D): tf.Tensor4D {
    const mixed = gelu(this.mix.forward(x));
    const { filter, biases } = this.expand;
    const u = this.config.shuffle // [B, h, w, 2C]
      ? conv2d(mixed, channelShuffle(filter), channelShuffle(biases))
      : this.expand.forward(mixed);
    const [first, second] = tf.split<tf.Tensor4D>(u, 2, 3);
    const p = gelu(this.column.forward(this.row.forward(first)));
    const k = residual(second, this.context(second));
    return this.project.forward(this.experts.forward(p, k));
  }

  /** Wide context: the map reduced 4^recursive times with one shared filter, refined, and resized back. */
  private context(k: tf.Tensor4D): tf.Tensor4D {
    let r = k;
    for (let i = 0; i < this.config.recursive; i++) r = gelu(this.reduce.forward(r));
    r = this.contextChannel.forward(this.contextSpatial.forward(r));
    return resize(r, k.shape[1], k.shape[2], { mode: 'bilinear' });
  }
}

/** out[2m] = in[m], out[2m + 1] = in[C + m] over the 2C channels of the last axis. */
function channelShuffle<T extends tf.Tensor>(t: T): T {
  const channels = t.shape[t.rank - 1];
  const halves = tf.reshape(t, [-1, 2, channels / 2]);
  return tf.reshape(tf.transpose(halves, [0, 2, 1]), t.shape) as T;
}

class MixtureOfExperts extends Module {
  private readonly experts: Expert[];
  private readonly router: Linear;
  /** By expert and channel of all widths together: 1 where the channel is the expert's. */
  private readonly owned: number[][];

  constructor(channels: number, widths: readonly number[]) {
    super();
    this.experts = widths.map((width, e) => this.child(`experts.${e}`, new Expert(channels, width)));
    this.router = this.child('gate.body.2', new Linear(channels, widths.length, { bias: false }));
    this.owned = widths.map((_, e) =>
      widths.flatMap((width, o) => Array<number>(width).fill(o === e ? 1 : 0)),
    );
  }

  /**
   * p + w_e E_e(p, k) for the expert e with the largest router weight w_e of the image, where
   * E_e(p, k) = up_e(down_e(p) * down'_e(k)): one up(w (down(p) * down'(k))) over the channels of all experts, with w_e in
   * those of the chosen one and 0 in the others.
   */
  forward(p: tf.Tensor4D, k: tf.Tensor4D): tf.Tensor4D {
    const logits = this.router.forward(tf.mean(p, [1, 2])); // [B, experts]
    const weights = tf.softmax(logits);
    const chosen = tf.cast(tf.oneHot(tf.argMax(weights, -1), this.experts.length), 'float32'); // no gradient
    const perImage = tf.mul<tf.Tensor2D>(weights, chosen);
    const [ps, ks, ups] = (['downP', 'downK', 'up'] as const).map((of) => this.experts.map((e) => e[of]));
    const low = tf.mul<tf.Tensor4D>(
      conv2d(p, filters(ps, 3), biases(ps)),
      conv2d(k, filters(ks, 3), biases(ks)),
    );
    const weighed = tf.mul<tf.Tensor4D>(low, overPicture(tf.matMul(perImage, tf.tensor2d(this.owned))));
    const bias = overPicture(tf.matMul(perImage, tf.reshape(biases(ups), [ups.length, -1])));
    return residual(tf.add<tf.Tensor4D>(p, bias), conv2d(weighed, filters(ups, 2), undefined));
  }
}

/** Of 1x1 convolutions beside each other: along axis 2 their inputs, along axis 3 their outputs. */
function filters(layers: readonly Conv2d[], axis: 2 | 3): tf.Tensor4D {
  return tf.concat(
    layers.map(({ filter }) => filter),
    axis,
  );
}

/** Of convolutions one after the other. */
function biases(layers: readonly Conv2d[]): tf.Tensor1D {
  return tf.concat(layers.map(({ biases }) => biases));
}

/** One value an image and channel, to be applied to every pixel: [B, C] to [B, 1, 1, C]. */
function overPicture(t: tf.Tensor2D): tf.Tensor4D {
  return tf.reshape(t, [t.shape[0], 1, 1, t.shape[1]]);
}

/** The weights of a low-rank expert, up(downP(p) * downK(k)); `MixtureOfExperts` applies them. */
class Expert extends Module {
  readonly downP: Conv2d;
  readonly downK: Conv2d;
  readonly up: Conv2d;

  constructor(channels: number, width: number) {
    super();
    this.downP = this.child('conv_1', conv(channels, width, 1));
    this.downK = this.child('conv_2', conv(channels, width, 1));
    this.up = this.child('conv_3', conv(width, channels, 1));
  }
}

/** Striped large-kernel attention (SME block). */
class GlobalBlock extends Module {
  private readonly project: Conv2d;
  private readonly queryValue: Conv2d;
  private readonly row: DepthwiseConv2d;
  private readonly column: DepthwiseConv2d;

  constructor({ channels, globalKernel }: SeeMoReConfig) {
    super();
    this.project = this.child('proj', conv(channels, channels, 1));
    this.queryValue = this.child('to_qv.0', conv(channels, 2 * channels, 1));
    this.row = this.child('attn.conv.0', depthwise(channels, [1, globalKernel]));
    this.column = this.child('attn.conv.1', depthwise(channels, [globalKernel, 1]));
  }

  forward(x: tf.Tensor4D): tf.Tensor4D {
    const [q, v] = tf.split<tf.Tensor4D>(gelu(this.queryValue.forward(x)), 2, 3);
    return this.project.forward(tf.mul<tf.Tensor4D>(this.column.forward(this.row.forward(q)), v));
  }
}

function conv(inputs: number, outputs: number, kernel: number): Conv2d {
  return new Conv2d(inputs, outputs, kernel, { padding: samePadding(kernel) });
}

function depthwise(channels: number, kernel: KernelSize): DepthwiseConv2d {
  return new DepthwiseConv2d(channels, kernel, { padding: samePadding(kernel) });
}
