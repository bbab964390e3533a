/**
 * The domain alignment module (DAM) of "Generating Aligned Pseudo-Supervision from Non-Aligned Data for Image Restoration
 * in Under-Display Camera" (Feng et al., CVPR 2023), after jnjaby/AlignFormer @ 3ef8a4b (`dam_arch.py`): gives a degraded
 * picture the look of a clean one of the same scene that does not lie over it. State-dict keys are the official ones.
 *
 * A guidance network sums the clean picture up in one vector, the style, and the style scales the filters of a U-shaped
 * chain of convolutions over the degraded one (StyleGAN2's modulated convolutions, without noise).
 *
 * Left out: the padding of pictures whose sides are no multiples of 4, which HR pictures are.
 */
import * as tf from '@tensorflow/tfjs-core';
import { chain } from '../nn/chain';
import { normal } from '../nn/init';
import { Conv2d } from '../nn/layers';
import { Module } from '../nn/module';
import type { Parameter } from '../nn/parameter';
import { blur } from '../ops/blur';
import { conv2d, type Activation } from '../ops/conv';
import { residual } from '../ops/residual';
import { transposedConv2d } from '../ops/transposed-conv';

const LEAKY = { kind: 'leakyRelu', slope: 0.2 } as const satisfies Activation;
/** Added to the sum of squares under the root. */
const EPSILON = 1e-8;

export class Dam extends Module {
  private readonly guidance: Conv2d[];
  private readonly layers: Record<(typeof CHAIN)[number][0], ModulatedConv2d>;

  /** @param channels width of everything within; the official 64 */
  constructor(channels = 64) {
    super();
    this.guidance = [3, channels, channels, channels, channels].map((inputs, i) =>
      this.child(
        `guide_net.${2 * i}`,
        new Conv2d(inputs, channels, 3, {
          padding: 1,
          stride: i % 2 === 1 ? 2 : 1,
          ...(i < 4 ? { activation: LEAKY } : {}),
        }),
      ),
    );
    this.layers = Object.fromEntries(
      CHAIN.map(([name, sampling]) => {
        const [inputs, outputs] = [name === 'conv0' ? 3 : channels, name === 'conv6' ? 3 : channels];
        const options = { style: channels, sampling, activated: name !== 'conv6' };
        return [name, this.child(name, new ModulatedConv2d(inputs, outputs, options))];
      }),
    ) as typeof this.layers;
  }

  /**
   * @param source [B, H, W, 3] the degraded picture, RGB in [0,1], sides multiples of 4
   * @param reference [B, H, W, 3] the clean one
   * @returns [B, H, W, 3] the source with the reference's look, not clamped
   */
  forward(source: tf.Tensor4D, reference: tf.Tensor4D): tf.Tensor4D {
    const style = this.style(reference);
    const run = (x: tf.Tensor4D, ...names: (keyof typeof this.layers)[]): tf.Tensor4D => {
      const layers = names.map((name) => this.layers[name]);
      return chain(
        x,
        layers.map((layer) => ({ forward: (y) => layer.forward(y, style) })),
      );
    };
    const f0 = run(source, 'conv0'); // [B, H, W, C]
    const f1 = run(f0, 'conv11', 'conv12'); // [B, H/2, W/2, C]
    const f2 = run(f1, 'conv21', 'conv22'); // [B, H/4, W/4, C]
    const f3 = run(f2, 'conv31', 'conv32');
    const f4 = run(residual(f3, f2), 'conv41', 'conv42'); // [B, H/2, W/2, C]
    const f5 = run(residual(f4, f1), 'conv51', 'conv52'); // [B, H, W, C]
    return run(residual(f5, f0), 'conv6');
  }

  /** [B, H, W, 3] to [B, 1, 1, C]. */
  style(reference: tf.Tensor4D): tf.Tensor4D {
    return tf.tidy(() => tf.mean<tf.Tensor4D>(chain(reference, this.guidance), [1, 2], true));
  }
}

type Sampling = 'same' | 'down' | 'up';

/** The chain's convolutions in the order of the official state dict. */
const CHAIN = [
  ['conv0', 'same'],
  ['conv11', 'down'],
  ['conv12', 'same'],
  ['conv21', 'down'],
  ['conv22', 'same'],
  ['conv31', 'same'],
  ['conv32', 'same'],
  ['conv41', 'up'],
  ['conv42', 'same'],
  ['conv51', 'up'],
  ['conv52', 'same'],
  ['conv6', 'same'],
] as const satisfies readonly (readonly [string, Sampling])[];

/**
 * A 3x3 convolution whose filter W is scaled, for each picture, by what the style says of every input channel, and then
 * to a root of squares of 1 for every output channel:
 *
 *   y = W'' x + b,   W' = W a(style),   W'' = W' / sqrt(sum of W'^2 over inputs and taps + 1e-8)
 *
 * Computed as (W (a x)) / sqrt(...), the same with one filter for the whole batch.
 */
class ModulatedConv2d extends Module {
  private readonly weight: Parameter;
  private readonly scale: Conv2d;
  private readonly shift: Conv2d;
  private readonly blur?: Blur;
  private readonly sampling: Sampling;
  private readonly activated: boolean;

  constructor(
    private readonly inputs: number,
    private readonly outputs: number,
    options: { readonly style: number; readonly sampling: Sampling; readonly activated: boolean },
  ) {
    super();
    this.sampling = options.sampling;
    this.activated = options.activated;
    this.weight = this.parameter('weight', [1, outputs, inputs, 3, 3], normal(1), {
      layout: this.sampling === 'up' ? 'modulatedTransposed' : 'modulated',
    });
    const fromStyle = (channels: number): Conv2d =>
      new Conv2d(options.style, channels, 1, { activation: LEAKY });
    this.scale = this.child('style_weight.0', fromStyle(inputs));
    this.shift = this.child('style_bias.0', fromStyle(outputs));
    if (this.sampling !== 'same') this.blur = this.child('blur', new Blur(this.sampling === 'up' ? 4 : 1));
  }

  /**
   * @param x [B, H, W, inputs]
   * @param style [B, 1, 1, C]
   * @returns [B, H', W', outputs], H' = H, H / 2 or 2 H
   */
  forward(x: tf.Tensor4D, style: tf.Tensor4D): tf.Tensor4D {
    const a = this.scale.forward(style); // [B, 1, 1, inputs]
    const scaled = this.convolve(tf.mul(x, a));
    const y = tf.add<tf.Tensor4D>(tf.mul(scaled, this.demodulation(a)), this.shift.forward(style));
    return this.activated ? tf.leakyRelu(y, LEAKY.slope) : y;
  }

  private convolve(x: tf.Tensor4D): tf.Tensor4D {
    const filter = this.filter();
    switch (this.sampling) {
      case 'same':
        return conv2d(x, filter, undefined, { padding: 1 });
      case 'down':
        return conv2d(this.blur!.forward(x, 2), filter, undefined, { stride: 2 });
      case 'up':
        return this.blur!.forward(transposedConv2d(x, filter, undefined, { stride: 2, padding: 0 }), 1);
    }
  }

  /** [3, 3, inputs, outputs], or [3, 3, outputs, inputs] to sample up. */
  private filter(): tf.Tensor4D {
    const shape = this.weight.value().shape.slice(0, 4) as tf.Tensor4D['shape'];
    return tf.reshape(this.weight.value(), shape);
  }

  /** 1 / sqrt(...) of every picture and output channel: [B, 1, 1, outputs]. */
  private demodulation(a: tf.Tensor4D): tf.Tensor4D {
    const squares = tf.sum<tf.Tensor2D>(tf.square(this.filter()), [0, 1]); // [inputs, outputs] or its transpose
    const scales = tf.square(tf.reshape<tf.Rank.R2>(a, [-1, this.inputs]));
    const sums = tf.matMul(scales, squares, false, this.sampling === 'up'); // [B, outputs]
    return tf.reshape(tf.rsqrt(tf.add(sums, EPSILON)), [-1, 1, 1, this.outputs]);
  }
}

/** outer([1, 3, 3, 1]) / 64 times a gain: 4 behind a transposed convolution, which gives one pixel in four a value. */
class Blur extends Module {
  private readonly kernel: Parameter;

  constructor(gain: number) {
    super();
    const taps = [1, 3, 3, 1];
    const kernel = Float32Array.from(taps.flatMap((a) => taps.map((b) => (gain * a * b) / 64)));
    this.kernel = this.parameter('kernel', [4, 4], () => kernel, { trainable: false });
  }

  forward(x: tf.Tensor4D, padding: number): tf.Tensor4D {
    return blur(x, this.kernel.value(), padding);
  }
}
