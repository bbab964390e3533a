/**
 * SwinIR: "SwinIR: Image Restoration Using Swin Transformer" (Liang et al., ICCVW 2021), after JingyunLiang/SwinIR
 * @ 6545850 (`models/network_swinir.py`) and the copy in omarAlezaby/Mimicked_Ali @ 27a5681. State-dict keys are the
 * official ones without the derived buffers (`relative_position_index`, `attn_mask`), which are computed.
 *
 * Tokens stay in image shape [B, H, W, C]. Left out, as no official super-resolution model uses them: absolute position
 * embedding, patches larger than a pixel, dropout, a block that shrinks its window to a configured image size.
 */
import * as tf from '@tensorflow/tfjs-core';
import { chain } from '../nn/chain';
import { DropPath, dropRate } from '../nn/drop-path';
import { truncatedNormal } from '../nn/init';
import type { Conv2d, Linear } from '../nn/layers';
import { LayerNorm } from '../nn/layers';
import { Module } from '../nn/module';
import type { Parameter } from '../nn/parameter';
import { gelu } from '../ops/gelu';
import { reflectPad } from '../ops/reflect-pad';
import { residual } from '../ops/residual';
import { relativePositionBias } from '../ops/relative-position-bias';
import { windowAttention, type Size2 } from '../ops/window-attention';
import { addMean, requireMinimumSize, SrNetwork, subtractMean } from './sr-network';
import {
  conv3,
  linear,
  NORM_EPSILON,
  residualConv,
  upsampleTail,
  type ConvBottleneck,
  type ResidualConnection,
  type Upsampler,
} from './transformer-layers';

export interface SwinIrConfig {
  readonly scale: number;
  /** Channels C of the tokens (`embed_dim`). */
  readonly channels: number;
  /** Blocks of each layer; every second block is shifted by half a window. */
  readonly depths: readonly number[];
  /** Heads of each layer; divisors of the channels. */
  readonly heads: readonly number[];
  /** Side of the windows in LR pixels. */
  readonly window: number;
  /** Hidden channels of the two-layer perceptron, in units of C. */
  readonly mlpRatio: number;
  readonly upsampler: Upsampler;
  readonly residual: ResidualConnection;
  /** Factor of the values inside the network (`img_range`). */
  readonly range: number;
  /** Stochastic depth of the last block in training; it grows linearly from 0. */
  readonly dropPath: number;
}

const LIGHT = {
  scale: 4,
  channels: 60,
  depths: [6, 6, 6, 6],
  heads: [6, 6, 6, 6],
  window: 8,
  mlpRatio: 2,
  upsampler: 'pixelshuffledirect',
  residual: '1conv',
  range: 1,
  dropPath: 0.1,
} as const satisfies SwinIrConfig;

/**
 * Official sizes for x4; the paper uses `light`. `real` and `real-large` are those of the real-world models. `mini` is not
 * official: one of the four groups of `light`, for budgets of minutes.
 */
export const SWINIR_PRESETS = {
  light: LIGHT,
  mini: { ...LIGHT, depths: [6], heads: [6] },
  classical: {
    scale: 4,
    channels: 180,
    depths: [6, 6, 6, 6, 6, 6],
    heads: [6, 6, 6, 6, 6, 6],
    window: 8,
    mlpRatio: 2,
    upsampler: 'pixelshuffle',
    residual: '1conv',
    range: 1,
    dropPath: 0.1,
  },
  real: {
    scale: 4,
    channels: 180,
    depths: [6, 6, 6, 6, 6, 6],
    heads: [6, 6, 6, 6, 6, 6],
    window: 8,
    mlpRatio: 2,
    upsampler: 'nearest+conv',
    residual: '1conv',
    range: 1,
    dropPath: 0.1,
  },
  'real-large': {
    scale: 4,
    channels: 240,
    depths: [6, 6, 6, 6, 6, 6, 6, 6, 6],
    heads: [8, 8, 8, 8, 8, 8, 8, 8, 8],
    window: 8,
    mlpRatio: 2,
    upsampler: 'nearest+conv',
    residual: '3conv',
    range: 1,
    dropPath: 0.1,
  },
} as const satisfies Record<string, SwinIrConfig>;

export class SwinIr extends SrNetwork {
  readonly scale: number;
  readonly minimumSize: number;
  private readonly shallow: Conv2d;
  private readonly patchNorm: LayerNorm;
  private readonly layers: ResidualSwinLayer[];
  private readonly norm: LayerNorm;
  private readonly deep: Conv2d | ConvBottleneck;
  private readonly tail: (f: tf.Tensor4D) => tf.Tensor4D;

  constructor(readonly config: SwinIrConfig = SWINIR_PRESETS.light) {
    super();
    const { channels, depths, window } = config;
    this.scale = config.scale;
    this.minimumSize = Math.floor(window / 2) + 1; // a side must be longer than its reflected part
    this.shallow = this.child('conv_first', conv3(3, channels));
    this.patchNorm = this.child('patch_embed.norm', new LayerNorm(channels, NORM_EPSILON));
    const blocks = depths.reduce((a, b) => a + b, 0);
    let first = 0;
    this.layers = depths.map((depth, l) => {
      const rates = Array.from({ length: depth }, (_, k) => dropRate(config.dropPath, first + k, blocks));
      first += depth;
      return this.child(`layers.${l}`, new ResidualSwinLayer(config, config.heads[l], rates));
    });
    this.norm = this.child('norm', new LayerNorm(channels, NORM_EPSILON));
    this.deep = this.child('conv_after_body', residualConv(config.residual, channels));
    this.tail = upsampleTail(config.upsampler, channels, config.scale, (key, module) =>
      this.child(key, module),
    );
  }

  /** Inputs that do not fill their last windows are mirrored at the bottom and right, and the output is cropped. */
  forward(lr: tf.Tensor4D): tf.Tensor4D {
    requireMinimumSize(this, lr);
    const { range, window, scale, upsampler } = this.config;
    const [b, h, w] = lr.shape;
    const missing = (n: number): number => (window - (n % window)) % window;
    const x = subtractMean(reflectPad(lr, missing(h), missing(w)), range);
    const f0 = this.shallow.forward(x); // [B, H, W, C], H and W multiples of the window
    const deep = chain(f0, [this.patchNorm, ...this.layers, this.norm, this.deep]);
    const made = this.tail(residual(f0, deep));
    const y = addMean(upsampler === 'none' ? tf.add<tf.Tensor4D>(x, made) : made, range);
    return tf.slice(y, [0, 0, 0, 0], [b, h * scale, w * scale, 3]);
  }
}

/** Residual Swin transformer block: t + conv(blocks(t)). */
class ResidualSwinLayer extends Module {
  private readonly blocks: SwinBlock[];
  private readonly conv: Conv2d | ConvBottleneck;

  /** @param dropRates stochastic depth of each block */
  constructor(config: SwinIrConfig, heads: number, dropRates: readonly number[]) {
    super();
    const half = Math.floor(config.window / 2);
    this.blocks = dropRates.map((rate, k) =>
      this.child(`residual_group.blocks.${k}`, new SwinBlock(config, heads, k % 2 === 0 ? 0 : half, rate)),
    );
    this.conv = this.child('conv', residualConv(config.residual, config.channels));
  }

  forward(t: tf.Tensor4D): tf.Tensor4D {
    return residual(t, chain(t, [...this.blocks, this.conv]));
  }
}

/** t + attention(norm(t)), then t + mlp(norm(t)). */
class SwinBlock extends Module {
  private readonly norm1: LayerNorm;
  private readonly attention: WindowAttention;
  private readonly dropPath: DropPath;
  private readonly norm2: LayerNorm;
  private readonly mlp: Mlp;

  constructor(config: SwinIrConfig, heads: number, shift: number, dropPathRate: number) {
    super();
    const { channels, window, mlpRatio } = config;
    this.norm1 = this.child('norm1', new LayerNorm(channels, NORM_EPSILON));
    this.attention = this.child('attn', new WindowAttention(channels, heads, window, shift));
    this.dropPath = this.child('drop_path', new DropPath(dropPathRate));
    this.norm2 = this.child('norm2', new LayerNorm(channels, NORM_EPSILON));
    this.mlp = this.child('mlp', new Mlp(channels, Math.floor(channels * mlpRatio)));
  }

  forward(t: tf.Tensor4D): tf.Tensor4D {
    const attended = this.dropPath.forward(this.attention.forward(this.norm1.forward(t)));
    const middle = residual(t, attended);
    return residual(middle, this.dropPath.forward(this.mlp.forward(this.norm2.forward(middle))));
  }
}

class WindowAttention extends Module {
  private readonly table: Parameter;
  private readonly qkv: Linear;
  private readonly project: Linear;
  private readonly window: Size2;
  private readonly shift: Size2;

  constructor(
    private readonly channels: number,
    private readonly heads: number,
    window: number,
    shift: number,
  ) {
    super();
    this.window = [window, window];
    this.shift = [shift, shift];
    const rows = (2 * window - 1) ** 2;
    this.table = this.parameter('relative_position_bias_table', [rows, heads], truncatedNormal(0.02));
    this.qkv = this.child('qkv', linear(channels, 3 * channels));
    this.project = this.child('proj', linear(channels, channels));
  }

  forward(t: tf.Tensor4D): tf.Tensor4D {
    const bias = relativePositionBias(this.table.value(), this.window);
    const attended = windowAttention(this.qkv.forward(t), bias, {
      heads: this.heads,
      scale: (this.channels / this.heads) ** -0.5,
      groups: [{ window: this.window, shift: this.shift }],
    });
    return this.project.forward(attended);
  }
}

class Mlp extends Module {
  private readonly expand: Linear;
  private readonly project: Linear;

  constructor(channels: number, hidden: number) {
    super();
    this.expand = this.child('fc1', linear(channels, hidden));
    this.project = this.child('fc2', linear(hidden, channels));
  }

  forward(t: tf.Tensor4D): tf.Tensor4D {
    return this.project.forward(gelu(this.expand.forward(t)));
  }
}
