/**
 * RRDBNet, the generator of "ESRGAN: Enhanced Super-Resolution Generative Adversarial Networks" (Wang et al., ECCVW 2018),
 * after xinntao/ESRGAN @ 73e9b63 (`RRDBNet_arch.py`) and its identical copy in omarAlezaby/Mimicked_Ali @ 27a5681.
 * State-dict keys are those; `weights/key-maps.ts` knows BasicSR's and the oldest names.
 *
 * Left out: the x0.1 initial scaling of BasicSR's RRDBNet, which the paper's code has switched off, and scales other
 * than 4.
 */
import * as tf from '@tensorflow/tfjs-core';
import { chain } from '../nn/chain';
import { Conv2d } from '../nn/layers';
import { Module } from '../nn/module';
import type { Activation } from '../ops/conv';
import { nearestUpsample2 } from '../ops/nearest-upsample';
import { residual } from '../ops/residual';
import { SrNetwork } from './sr-network';

export interface RrdbNetConfig {
  /** Channels of the trunk (the official `nf`). */
  readonly channels: number;
  /** Channels that each dense convolution adds (`gc`). */
  readonly growth: number;
  /** Number of RRDBs (`nb`). */
  readonly blocks: number;
}

/**
 * `full` is ESRGAN's generator, which the paper uses; `light` has its width and Real-ESRGAN's six blocks. `mini` is not official:
 * two blocks of half the width, for budgets of minutes.
 */
export const RRDBNET_PRESETS = {
  full: { channels: 64, growth: 32, blocks: 23 },
  light: { channels: 64, growth: 32, blocks: 6 },
  mini: { channels: 32, growth: 16, blocks: 2 },
} as const satisfies Record<string, RrdbNetConfig>;

const LEAKY: Activation = { kind: 'leakyRelu', slope: 0.2 };

/** Factor of every residual branch of the trunk. */
const RESIDUAL_SCALE = 0.2;

export class RrdbNet extends SrNetwork {
  readonly scale = 4;
  readonly minimumSize = 1;
  private readonly shallow: Conv2d;
  private readonly trunk: Rrdb[];
  private readonly deep: Conv2d;
  private readonly up1: Conv2d;
  private readonly up2: Conv2d;
  private readonly refine: Conv2d;
  private readonly last: Conv2d;

  constructor(readonly config: RrdbNetConfig = RRDBNET_PRESETS.full) {
    super();
    const { channels: c } = config;
    this.shallow = this.child('conv_first', conv3(3, c));
    this.trunk = Array.from({ length: config.blocks }, (_, i) =>
      this.child(`RRDB_trunk.${i}`, new Rrdb(config)),
    );
    this.deep = this.child('trunk_conv', conv3(c, c));
    this.up1 = this.child('upconv1', conv3(c, c, LEAKY));
    this.up2 = this.child('upconv2', conv3(c, c, LEAKY));
    this.refine = this.child('HRconv', conv3(c, c, LEAKY));
    this.last = this.child('conv_last', conv3(c, 3));
  }

  forward(lr: tf.Tensor4D): tf.Tensor4D {
    const f0 = this.shallow.forward(lr); // [B, h, w, C]
    const deep = chain(f0, [...this.trunk, this.deep]);
    const doubled = (conv: Conv2d) => ({ forward: (f: tf.Tensor4D) => conv.forward(nearestUpsample2(f)) });
    // [B, 2h, 2w, C], [B, 4h, 4w, C] twice, [B, 4h, 4w, 3]
    return chain(residual(f0, deep), [doubled(this.up1), doubled(this.up2), this.refine, this.last]);
  }
}

/** Residual in residual dense block: x + 0.2 times three dense blocks in a row. */
class Rrdb extends Module {
  private readonly dense: DenseBlock[];

  constructor(config: RrdbNetConfig) {
    super();
    this.dense = [1, 2, 3].map((j) => this.child(`RDB${j}`, new DenseBlock(config)));
  }

  forward(x: tf.Tensor4D): tf.Tensor4D {
    return residual(x, chain(x, this.dense), RESIDUAL_SCALE);
  }
}

/** Each convolution sees the block's input and all results before it. */
class DenseBlock extends Module {
  private readonly grow: Conv2d[];
  private readonly fuse: Conv2d;

  constructor({ channels, growth }: RrdbNetConfig) {
    super();
    this.grow = [0, 1, 2, 3].map((k) =>
      this.child(`conv${k + 1}`, conv3(channels + k * growth, growth, LEAKY)),
    );
    this.fuse = this.child('conv5', conv3(channels + 4 * growth, channels));
  }

  forward(x: tf.Tensor4D): tf.Tensor4D {
    let seen = x; // [B, h, w, C + k growth]
    for (const conv of this.grow) seen = tf.concat([seen, conv.forward(seen)], 3);
    return residual(x, this.fuse.forward(seen), RESIDUAL_SCALE);
  }
}

function conv3(inputs: number, outputs: number, activation?: Activation): Conv2d {
  return new Conv2d(inputs, outputs, 3, { padding: 1, activation });
}
