/**
 * What SwinIR and DAT share around their blocks: linear layers with the transformers' initial values, the convolutions
 * that end a residual group, and the tails that make the HR image. Facts from JingyunLiang/SwinIR @ 6545850
 * (`models/network_swinir.py`), which DAT follows.
 */
import type * as tf from '@tensorflow/tfjs-core';
import { chain } from '../nn/chain';
import { constant, truncatedNormal } from '../nn/init';
import { Conv2d, Linear } from '../nn/layers';
import { Module } from '../nn/module';
import type { Activation } from '../ops/conv';
import { nearestUpsample2 } from '../ops/nearest-upsample';
import { pixelShuffle } from '../ops/pixel-shuffle';
import { InputError } from '../util/errors';

/** Epsilon of every layer norm of SwinIR and DAT. */
export const NORM_EPSILON = 1e-5;

/** N(0, 0.02) weights and zero biases, as SwinIR and DAT start every linear layer. */
export function linear(inputs: number, outputs: number): Linear {
  return new Linear(inputs, outputs, { init: { weight: truncatedNormal(0.02), bias: constant(0) } });
}

/** A 3x3 convolution that keeps the size. */
export function conv3(inputs: number, outputs: number, activation?: Activation): Conv2d {
  return new Conv2d(inputs, outputs, 3, { padding: 1, activation });
}

const LEAKY: Activation = { kind: 'leakyRelu', slope: 0.2 };

/** PyTorch's default slope, which the tails' first convolution has. */
const LEAKY_BEFORE_UPSAMPLE: Activation = { kind: 'leakyRelu', slope: 0.01 };

/**
 * The convolution at the end of a residual group and of the body: one 3x3 (`1conv`), or a bottleneck of a quarter of
 * the channels, 3x3, 1x1, 3x3 (`3conv`).
 */
export type ResidualConnection = '1conv' | '3conv';

/** [B, h, w, C] to the same. Keys are those of a single convolution, or of a sequence `0`, `2`, `4`. */
export function residualConv(kind: ResidualConnection, channels: number): Conv2d | ConvBottleneck {
  return kind === '1conv' ? conv3(channels, channels) : new ConvBottleneck(channels);
}

export class ConvBottleneck extends Module {
  private readonly squeeze: Conv2d;
  private readonly mix: Conv2d;
  private readonly expand: Conv2d;

  constructor(channels: number) {
    super();
    const inner = Math.floor(channels / 4);
    this.squeeze = this.child('0', conv3(channels, inner, LEAKY));
    this.mix = this.child('2', new Conv2d(inner, inner, 1, { activation: LEAKY }));
    this.expand = this.child('4', conv3(inner, channels));
  }

  forward(x: tf.Tensor4D): tf.Tensor4D {
    return chain(x, [this.squeeze, this.mix, this.expand]);
  }
}

/**
 * Tails from features to image: `pixelshuffle` (refined features, then doublings or one tripling), `pixelshuffledirect`
 * (one convolution, any scale), `nearest+conv` (doublings by nearest neighbour and convolution), `none` (scale 1, the
 * result is a correction of the input).
 */
export type Upsampler = 'pixelshuffle' | 'pixelshuffledirect' | 'nearest+conv' | 'none';

/** Channels between the body and the image in the tails that refine. */
const TAIL_CHANNELS = 64;

/**
 * A tail as a function, [B, h, w, C] to [B, scale h, scale w, 3]. Its keys stand beside the body's, not below a common
 * one: `register` makes each layer a child of the network.
 * @throws InputError where the tail has no such scale
 */
export function upsampleTail(
  kind: Upsampler,
  channels: number,
  scale: number,
  register: <M extends Module>(key: string, module: M) => M,
): (f: tf.Tensor4D) => tf.Tensor4D {
  const impossible = (scales: string): InputError =>
    new InputError(`upsampler '${kind}': expected a scale of ${scales}, found ${scale}`);
  switch (kind) {
    case 'pixelshuffledirect': {
      const conv = register('upsample.0', conv3(channels, 3 * scale * scale));
      return (f) => pixelShuffle(conv.forward(f), scale);
    }
    case 'pixelshuffle': {
      const doublings = Math.log2(scale);
      if (scale !== 3 && !Number.isInteger(doublings)) throw impossible('3 or a power of 2');
      const before = register(
        'conv_before_upsample.0',
        conv3(channels, TAIL_CHANNELS, LEAKY_BEFORE_UPSAMPLE),
      );
      const factors = scale === 3 ? [3] : Array.from({ length: doublings }, () => 2);
      // Between two convolutions stands a pixel shuffle, which takes a number of its own: keys 0, 2, 4.
      const steps = factors.map((r, i) => ({
        r,
        conv: register(`upsample.${2 * i}`, conv3(TAIL_CHANNELS, TAIL_CHANNELS * r * r)),
      }));
      const last = register('conv_last', conv3(TAIL_CHANNELS, 3));
      const doubled = steps.map(({ r, conv }) => ({
        forward: (x: tf.Tensor4D) => pixelShuffle(conv.forward(x), r),
      }));
      return (f) => chain(f, [before, ...doubled, last]);
    }
    case 'nearest+conv': {
      if (scale !== 2 && scale !== 4) throw impossible('2 or 4');
      const before = register(
        'conv_before_upsample.0',
        conv3(channels, TAIL_CHANNELS, LEAKY_BEFORE_UPSAMPLE),
      );
      const steps = Array.from({ length: Math.log2(scale) }, (_, i) =>
        register(`conv_up${i + 1}`, conv3(TAIL_CHANNELS, TAIL_CHANNELS, LEAKY)),
      );
      const refine = register('conv_hr', conv3(TAIL_CHANNELS, TAIL_CHANNELS, LEAKY));
      const last = register('conv_last', conv3(TAIL_CHANNELS, 3));
      const doubled = steps.map((conv) => ({
        forward: (x: tf.Tensor4D) => conv.forward(nearestUpsample2(x)),
      }));
      return (f) => chain(f, [before, ...doubled, refine, last]);
    }
    case 'none': {
      if (scale !== 1) throw impossible('1');
      const last = register('conv_last', conv3(channels, 3));
      return (f) => last.forward(f);
    }
  }
}
