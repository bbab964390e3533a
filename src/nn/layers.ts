/** The layers that the networks share, with PyTorch's names, layouts and default initial values. NHWC. */
import * as tf from '@tensorflow/tfjs-core';
import { conv2d, depthwiseConv2d, type ConvOptions } from '../ops/conv';
import { layerNorm } from '../ops/layer-norm';
import { transposedConv2d, type TransposedConvOptions } from '../ops/transposed-conv';
import { constant, uniformByFanIn, type Initialiser } from './init';
import { Module } from './module';
import type { Parameter } from './parameter';

export type KernelSize = number | readonly [number, number];

export interface Conv2dOptions extends ConvOptions {
  /** Default true. */
  readonly bias?: boolean;
  /** Initial weight and bias. Default: PyTorch's, by the fan-in. */
  readonly init?: { readonly weight: Initialiser; readonly bias: Initialiser };
}

/** torch.nn.Conv2d with groups = 1: [B, H, W, inputs] to [B, H', W', outputs]. Keys `weight`, `bias`. */
export class Conv2d extends Module {
  private readonly weight: Parameter;
  private readonly bias?: Parameter;

  constructor(
    inputs: number,
    outputs: number,
    kernel: KernelSize,
    private readonly options: Conv2dOptions = {},
  ) {
    super();
    const [kh, kw] = pair(kernel);
    const standard = uniformByFanIn(inputs * kh * kw);
    const init = options.init ?? { weight: standard, bias: standard };
    this.weight = this.parameter('weight', [outputs, inputs, kh, kw], init.weight, { layout: 'conv' });
    if (options.bias ?? true) this.bias = this.parameter('bias', [outputs], init.bias);
  }

  /** [kh, kw, inputs, outputs], for losses on the weights and for layers that run as one. */
  get filter(): tf.Tensor4D {
    return this.weight.value();
  }

  /** [outputs], zeros without a bias. */
  get biases(): tf.Tensor1D {
    return this.bias?.value() ?? tf.zeros([this.weight.shape[0]]);
  }

  forward(x: tf.Tensor4D): tf.Tensor4D {
    return conv2d(x, this.weight.value(), this.bias?.value(), this.options);
  }
}

/** torch.nn.Conv2d with groups = channels: [B, H, W, C] to [B, H', W', C]. Keys `weight`, `bias`. */
export class DepthwiseConv2d extends Module {
  private readonly weight: Parameter;
  private readonly bias?: Parameter;

  constructor(
    channels: number,
    kernel: KernelSize,
    private readonly options: Omit<Conv2dOptions, 'dilation'> = {},
  ) {
    super();
    const [kh, kw] = pair(kernel);
    const init = uniformByFanIn(kh * kw);
    this.weight = this.parameter('weight', [channels, 1, kh, kw], init, { layout: 'depthwise' });
    if (options.bias ?? true) this.bias = this.parameter('bias', [channels], init);
  }

  forward(x: tf.Tensor4D): tf.Tensor4D {
    return depthwiseConv2d(x, this.weight.value(), this.bias?.value(), this.options);
  }
}

/** torch.nn.ConvTranspose2d with a bias: [B, H, W, inputs] to [B, H', W', outputs]. Keys `weight`, `bias`. */
export class ConvTranspose2d extends Module {
  private readonly weight: Parameter;
  private readonly bias: Parameter;

  constructor(
    inputs: number,
    outputs: number,
    kernel: number,
    private readonly options: TransposedConvOptions,
  ) {
    super();
    // PyTorch takes the fan-in of a transposed filter [inputs, outputs, k, k] to be outputs * k * k.
    const init = uniformByFanIn(outputs * kernel * kernel);
    this.weight = this.parameter('weight', [inputs, outputs, kernel, kernel], init, { layout: 'conv' });
    this.bias = this.parameter('bias', [outputs], init);
  }

  forward(x: tf.Tensor4D): tf.Tensor4D {
    return transposedConv2d(x, this.weight.value(), this.bias.value<tf.Tensor1D>(), this.options);
  }
}

export interface LinearOptions {
  /** Default true. */
  readonly bias?: boolean;
  /** Initial weight and bias. Default: PyTorch's, U(-1/sqrt(inputs), 1/sqrt(inputs)) for both. */
  readonly init?: { readonly weight: Initialiser; readonly bias: Initialiser };
}

/** torch.nn.Linear over the last axis: [..., inputs] to [..., outputs]. Keys `weight`, `bias`. */
export class Linear extends Module {
  private readonly weight: Parameter;
  private readonly bias?: Parameter;

  constructor(
    private readonly inputs: number,
    private readonly outputs: number,
    options: LinearOptions = {},
  ) {
    super();
    const standard = uniformByFanIn(inputs);
    const init = options.init ?? { weight: standard, bias: standard };
    this.weight = this.parameter('weight', [outputs, inputs], init.weight, { layout: 'linear' });
    if (options.bias ?? true) this.bias = this.parameter('bias', [outputs], init.bias);
  }

  forward<R extends tf.Rank>(x: tf.Tensor<R>): tf.Tensor<R> {
    // A linear layer is a 1x1 convolution over an image of tokens: one kernel with the bias inside, on every engine.
    const filter = tf.reshape<tf.Rank.R4>(this.weight.value(), [1, 1, this.inputs, this.outputs]);
    const tokens = x.rank === 4 ? (x as tf.Tensor4D) : tf.reshape<tf.Rank.R4>(x, [1, 1, -1, this.inputs]);
    const y = conv2d(tokens, filter, this.bias?.value());
    return tf.reshape(y, [...x.shape.slice(0, -1), this.outputs] as tf.ShapeMap[R]);
  }
}

/** Layer norm over the last axis. Keys `weight`, `bias`. */
export class LayerNorm extends Module {
  private readonly weight: Parameter;
  private readonly bias: Parameter;

  constructor(
    channels: number,
    private readonly epsilon: number,
  ) {
    super();
    this.weight = this.parameter('weight', [channels], constant(1));
    this.bias = this.parameter('bias', [channels], constant(0));
  }

  forward<R extends tf.Rank>(x: tf.Tensor<R>): tf.Tensor<R> {
    return layerNorm(x, this.weight.value(), this.bias.value(), this.epsilon);
  }
}

/** Both sides' zeros that keep the size of a stride-1 convolution with an odd kernel. */
export function samePadding(kernel: KernelSize): readonly [number, number] {
  const [kh, kw] = pair(kernel);
  return [(kh - 1) / 2, (kw - 1) / 2];
}

function pair(kernel: KernelSize): readonly [number, number] {
  return typeof kernel === 'number' ? [kernel, kernel] : kernel;
}
