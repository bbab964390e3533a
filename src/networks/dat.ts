/**
 * DAT: "Dual Aggregation Transformer for Image Super-Resolution" (Chen et al., ICCV 2023), after zhengchen1999/DAT
 * @ 1645c64 (`basicsr/archs/dat_arch.py`) and the copy in omarAlezaby/Mimicked_Ali @ 27a5681 (same maths). State-dict
 * keys are the official ones without the derived buffers (position indices, offsets, masks), which are computed.
 *
 * Blocks alternate between attention over windows of the image (even) and attention between channels (odd). Tokens stay
 * in image shape [B, H, W, C]. Left out: dropout, which no official model uses.
 */
import * as tf from '@tensorflow/tfjs-core';
import { BatchNorm } from '../nn/batch-norm';
import { chain } from '../nn/chain';
import { DropPath, dropRate } from '../nn/drop-path';
import { constant } from '../nn/init';
import { Conv2d, DepthwiseConv2d, LayerNorm, type Linear } from '../nn/layers';
import { Module } from '../nn/module';
import type { Parameter } from '../nn/parameter';
import { channelAttention } from '../ops/channel-attention';
import { gelu } from '../ops/gelu';
import { residual } from '../ops/residual';
import { relativePositionBias } from '../ops/relative-position-bias';
import { windowAttention, type Size2, type WindowGroup } from '../ops/window-attention';
import { addMean, SrNetwork, subtractMean } from './sr-network';
import {
  conv3,
  linear,
  NORM_EPSILON,
  residualConv,
  upsampleTail,
  type ConvBottleneck,
  type ResidualConnection,
} from './transformer-layers';

export interface DatConfig {
  readonly scale: number;
  /** Channels C of the tokens (`embed_dim`). */
  readonly channels: number;
  /** Blocks of each residual group. */
  readonly depths: readonly number[];
  /** Heads of each residual group; even divisors of the channels. */
  readonly heads: readonly number[];
  /** Sides of the windows (`split_size`): half of the heads sees rows x columns, the other half columns x rows. */
  readonly split: Size2;
  /** Hidden channels of the feed-forward network, in units of C. */
  readonly expansion: number;
  readonly upsampler: 'pixelshuffle' | 'pixelshuffledirect';
  readonly residual: ResidualConnection;
  /** Factor of the values inside the network (`img_range`). */
  readonly range: number;
  /** Stochastic depth of the last block in training; it grows linearly from 0. */
  readonly dropPath: number;
}

const LIGHT = {
  scale: 4,
  channels: 60,
  depths: [18],
  heads: [6],
  split: [8, 32],
  expansion: 2,
  upsampler: 'pixelshuffledirect',
  residual: '3conv',
  range: 1,
  dropPath: 0.1,
} as const satisfies DatConfig;

/**
 * Official sizes for x4; the paper uses `light`. `small`, `base` and `second` are called DAT-S, DAT and DAT-2 there. `mini` is
 * not official: four of the blocks of `light` (plain windows, channels, shifted windows, channels), for budgets of minutes.
 */
export const DAT_PRESETS = {
  light: LIGHT,
  mini: { ...LIGHT, depths: [4] },
  small: {
    scale: 4,
    channels: 180,
    depths: [6, 6, 6, 6, 6, 6],
    heads: [6, 6, 6, 6, 6, 6],
    split: [8, 16],
    expansion: 2,
    upsampler: 'pixelshuffle',
    residual: '1conv',
    range: 1,
    dropPath: 0.1,
  },
  base: {
    scale: 4,
    channels: 180,
    depths: [6, 6, 6, 6, 6, 6],
    heads: [6, 6, 6, 6, 6, 6],
    split: [8, 32],
    expansion: 4,
    upsampler: 'pixelshuffle',
    residual: '1conv',
    range: 1,
    dropPath: 0.1,
  },
  second: {
    scale: 4,
    channels: 180,
    depths: [6, 6, 6, 6, 6, 6],
    heads: [6, 6, 6, 6, 6, 6],
    split: [8, 32],
    expansion: 2,
    upsampler: 'pixelshuffle',
    residual: '1conv',
    range: 1,
    dropPath: 0.1,
  },
} as const satisfies Record<string, DatConfig>;

export class Dat extends SrNetwork {
  readonly scale: number;
  readonly minimumSize = 1;
  private readonly shallow: Conv2d;
  private readonly firstNorm: LayerNorm;
  private readonly groups: ResidualGroup[];
  private readonly norm: LayerNorm;
  private readonly deep: Conv2d | ConvBottleneck;
  private readonly tail: (f: tf.Tensor4D) => tf.Tensor4D;

  constructor(readonly config: DatConfig = DAT_PRESETS.light) {
    super();
    const { channels, depths } = config;
    this.scale = config.scale;
    this.shallow = this.child('conv_first', conv3(3, channels));
    this.firstNorm = this.child('before_RG.1', new LayerNorm(channels, NORM_EPSILON));
    const blocks = depths.reduce((a, b) => a + b, 0);
    let first = 0;
    this.groups = depths.map((depth, g) => {
      const rates = Array.from({ length: depth }, (_, b) => dropRate(config.dropPath, first + b, blocks));
      first += depth;
      return this.child(`layers.${g}`, new ResidualGroup(config, g, rates));
    });
    this.norm = this.child('norm', new LayerNorm(channels, NORM_EPSILON));
    this.deep = this.child('conv_after_body', residualConv(config.residual, channels));
    this.tail = upsampleTail(config.upsampler, channels, config.scale, (key, module) =>
      this.child(key, module),
    );
  }

  forward(lr: tf.Tensor4D): tf.Tensor4D {
    const { range } = this.config;
    const f0 = this.shallow.forward(subtractMean(lr, range)); // [B, h, w, C]
    const deep = chain(f0, [this.firstNorm, ...this.groups, this.norm, this.deep]);
    return addMean(this.tail(residual(f0, deep)), range);
  }
}

/** t + conv(blocks(t)). */
class ResidualGroup extends Module {
  private readonly blocks: Block[];
  private readonly conv: Conv2d | ConvBottleneck;

  /** @param dropRates stochastic depth of each block */
  constructor(config: DatConfig, group: number, dropRates: readonly number[]) {
    super();
    const heads = config.heads[group];
    this.blocks = dropRates.map((rate, b) => {
      const attention =
        b % 2 === 0
          ? new SpatialAttention(config, heads, isShifted(group, b))
          : new ChannelAttention(config.channels, heads);
      return this.child(`blocks.${b}`, new Block(config, attention, rate));
    });
    this.conv = this.child('conv', residualConv(config.residual, config.channels));
  }

  forward(t: tf.Tensor4D): tf.Tensor4D {
    return residual(t, chain(t, [...this.blocks, this.conv]));
  }
}

/** Every second spatial block is shifted; which one a group begins with alternates. */
function isShifted(group: number, block: number): boolean {
  return group % 2 === 0 ? block > 0 && (block - 2) % 4 === 0 : block % 4 === 0;
}

/** t + attention(norm(t)), then t + ffn(norm(t)). */
class Block extends Module {
  private readonly norm1: LayerNorm;
  private readonly dropPath: DropPath;
  private readonly ffn: SpatialGateFfn;
  private readonly norm2: LayerNorm;

  constructor(
    { channels, expansion }: DatConfig,
    private readonly attention: SpatialAttention | ChannelAttention,
    dropPathRate: number,
  ) {
    super();
    this.norm1 = this.child('norm1', new LayerNorm(channels, NORM_EPSILON));
    this.child('attn', attention);
    this.dropPath = this.child('drop_path', new DropPath(dropPathRate));
    this.ffn = this.child('ffn', new SpatialGateFfn(channels, Math.floor(channels * expansion)));
    this.norm2 = this.child('norm2', new LayerNorm(channels, NORM_EPSILON));
  }

  forward(t: tf.Tensor4D): tf.Tensor4D {
    const attended = this.dropPath.forward(this.attention.forward(this.norm1.forward(t)));
    const middle = residual(t, attended);
    return residual(middle, this.dropPath.forward(this.ffn.forward(this.norm2.forward(middle))));
  }
}

/** Feed-forward network whose one half is gated by a depthwise convolution of the other. */
class SpatialGateFfn extends Module {
  private readonly expand: Linear;
  private readonly gateNorm: LayerNorm;
  private readonly gate: DepthwiseConv2d;
  private readonly project: Linear;

  constructor(channels: number, hidden: number) {
    super();
    const half = Math.floor(hidden / 2);
    this.expand = this.child('fc1', linear(channels, hidden));
    this.gateNorm = this.child('sg.norm', new LayerNorm(half, NORM_EPSILON));
    this.gate = this.child('sg.conv', new DepthwiseConv2d(half, 3, { padding: 1 }));
    this.project = this.child('fc2', linear(half, channels));
  }

  forward(t: tf.Tensor4D): tf.Tensor4D {
    const [a, g] = tf.split<tf.Tensor4D>(gelu(this.expand.forward(t)), 2, 3);
    return this.project.forward(tf.mul<tf.Tensor4D>(a, this.gate.forward(this.gateNorm.forward(g))));
  }
}

/**
 * What both attentions share: a convolution path V' beside the attention path A, and the adaptive interaction of the two.
 * One path's channel map gates the other path, and the other's spatial map the first.
 */
abstract class DualAttention extends Module {
  protected readonly qkv: Linear;
  private readonly project: Linear;
  private readonly convolution: ConvPath;
  private readonly channelMap: ChannelMap;
  private readonly spatialMap: SpatialMap;

  constructor(channels: number) {
    super();
    this.qkv = this.child('qkv', linear(channels, 3 * channels));
    this.project = this.child('proj', linear(channels, channels));
    this.convolution = this.child('dwconv', new ConvPath(channels));
    this.channelMap = this.child('channel_interaction', new ChannelMap(channels));
    this.spatialMap = this.child('spatial_interaction', new SpatialMap(channels));
  }

  /** q, k, v [B, h, w, 3C] to A [B, h, w, C]. */
  protected abstract attend(qkv: tf.Tensor4D): tf.Tensor4D;

  /** Which path's channels are pooled to gate the other. */
  protected abstract readonly pooled: 'attention' | 'convolution';

  forward(t: tf.Tensor4D): tf.Tensor4D {
    const qkv = this.qkv.forward(t);
    const [b, h, w, c] = t.shape;
    const v = tf.slice(qkv, [0, 0, 0, 2 * c], [b, h, w, c]);
    const attended = this.attend(qkv);
    const convolved = this.convolution.forward(v);
    const [pooled, mapped] = this.pooled === 'attention' ? [attended, convolved] : [convolved, attended];
    const byChannel = tf.sigmoid(this.channelMap.forward(pooled)); // [B, 1, 1, C], gates `mapped`
    const byPlace = tf.sigmoid(this.spatialMap.forward(mapped)); // [B, h, w, 1], gates `pooled`
    return this.project.forward(tf.add(tf.mul(mapped, byChannel), tf.mul<tf.Tensor4D>(pooled, byPlace)));
  }
}

/** Attention inside windows, half of the heads in upright and half in lying ones. */
class SpatialAttention extends DualAttention {
  protected readonly pooled = 'convolution';
  private readonly positions: PositionBias[];
  private readonly groups: readonly WindowGroup[];
  private readonly scale: number;
  /** Maps are padded to multiples of this. */
  private readonly multiple: number;

  constructor(
    { channels, split: [rows, columns] }: DatConfig,
    private readonly heads: number,
    shifted: boolean,
  ) {
    super(channels);
    this.scale = (channels / heads) ** -0.5;
    this.multiple = Math.max(rows, columns);
    const windows: Size2[] = [
      [rows, columns],
      [columns, rows],
    ];
    this.groups = windows.map((window) => ({
      window,
      shift: shifted ? [Math.floor(window[0] / 2), Math.floor(window[1] / 2)] : [0, 0],
    }));
    this.positions = windows.map((window, a) =>
      this.child(`attns.${a}.pos`, new PositionBias(Math.floor(channels / 2), heads / 2, window)),
    );
  }

  /** Padded keys are zeros that take part in the softmax, as in the official code. */
  protected attend(qkv: tf.Tensor4D): tf.Tensor4D {
    const [b, h, w, c3] = qkv.shape;
    const [bottom, right] = [h, w].map((n) => (this.multiple - (n % this.multiple)) % this.multiple);
    const whole = bottom === 0 && right === 0;
    const margins: [number, number][] = [
      [0, 0],
      [0, bottom],
      [0, right],
      [0, 0],
    ];
    const padded = whole ? qkv : tf.pad(qkv, margins);
    const bias = tf.concat(
      this.groups.map(({ window }, a) => relativePositionBias(this.positions[a].forward(), window)),
      0,
    );
    const y = windowAttention(padded, bias, { heads: this.heads, scale: this.scale, groups: this.groups });
    return whole ? y : tf.slice(y, [0, 0, 0, 0], [b, h, w, c3 / 3]);
  }
}

/** Attention between the channels of a head. */
class ChannelAttention extends DualAttention {
  protected readonly pooled = 'attention';
  private readonly temperature: Parameter;

  constructor(
    channels: number,
    private readonly heads: number,
  ) {
    super(channels);
    this.temperature = this.parameter('temperature', [heads, 1, 1], constant(1));
  }

  protected attend(qkv: tf.Tensor4D): tf.Tensor4D {
    return channelAttention(qkv, tf.reshape(this.temperature.value(), [this.heads]));
  }
}

/** V' = GELU(batch norm(depthwise convolution of v)). */
class ConvPath extends Module {
  private readonly conv: DepthwiseConv2d;
  private readonly norm: BatchNorm;

  constructor(channels: number) {
    super();
    this.conv = this.child('0', new DepthwiseConv2d(channels, 3, { padding: 1 }));
    this.norm = this.child('1', new BatchNorm(channels));
  }

  forward(v: tf.Tensor4D): tf.Tensor4D {
    return gelu(this.norm.forward(this.conv.forward(v)));
  }
}

/** Global average, then two 1x1 convolutions: one logit a channel. [B, h, w, C] to [B, 1, 1, C]. */
class ChannelMap extends Module {
  private readonly squeeze: Conv2d;
  private readonly norm: BatchNorm;
  private readonly expand: Conv2d;

  constructor(channels: number) {
    super();
    const inner = Math.floor(channels / 8);
    this.squeeze = this.child('1', new Conv2d(channels, inner, 1));
    this.norm = this.child('2', new BatchNorm(inner));
    this.expand = this.child('4', new Conv2d(inner, channels, 1));
  }

  forward(x: tf.Tensor4D): tf.Tensor4D {
    const average = tf.mean<tf.Tensor4D>(x, [1, 2], true);
    return this.expand.forward(gelu(this.norm.forward(this.squeeze.forward(average))));
  }
}

/** Two 1x1 convolutions: one logit a pixel. [B, h, w, C] to [B, h, w, 1]. */
class SpatialMap extends Module {
  private readonly squeeze: Conv2d;
  private readonly norm: BatchNorm;
  private readonly project: Conv2d;

  constructor(channels: number) {
    super();
    const inner = Math.floor(channels / 16);
    this.squeeze = this.child('0', new Conv2d(channels, inner, 1));
    this.norm = this.child('1', new BatchNorm(inner));
    this.project = this.child('3', new Conv2d(inner, 1, 1));
  }

  forward(x: tf.Tensor4D): tf.Tensor4D {
    return this.project.forward(gelu(this.norm.forward(this.squeeze.forward(x))));
  }
}

/**
 * Dynamic position bias: a small perceptron from the offset between two tokens to the bias of each head. At 60 channels
 * it is one channel wide, and a layer norm over one channel gives a constant: the bias then changes nothing and all its
 * gradients are 0. It is computed all the same.
 */
class PositionBias extends Module {
  private readonly first: Linear;
  private readonly steps: { norm: LayerNorm; layer: Linear }[];
  private readonly offsets: Float32Array;

  /** @param channels of the half that the window serves */
  constructor(channels: number, heads: number, [rows, columns]: Size2) {
    super();
    const inner = Math.floor(Math.floor(channels / 4) / 4);
    this.first = this.child('pos_proj', linear(2, inner));
    this.steps = [1, 2, 3].map((n) => ({
      norm: this.child(`pos${n}.0`, new LayerNorm(inner, NORM_EPSILON)),
      layer: this.child(`pos${n}.2`, linear(inner, n === 3 ? heads : inner)),
    }));
    const offsets: number[] = [];
    for (let dy = 1 - rows; dy < rows; dy++)
      for (let dx = 1 - columns; dx < columns; dx++) offsets.push(dy, dx);
    this.offsets = Float32Array.from(offsets);
  }

  /** One row per offset (dy, dx), row-major: [(2 rows - 1) (2 columns - 1), heads]. */
  forward(): tf.Tensor2D {
    let p = this.first.forward<tf.Rank.R2>(tf.tensor2d(this.offsets, [this.offsets.length / 2, 2]));
    for (const { norm, layer } of this.steps) p = layer.forward(tf.relu(norm.forward(p)));
    return p;
  }
}
