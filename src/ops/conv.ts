/**
 * Convolutions in NHWC with bias, activation and gradients: plain, dilated (whose gradients TensorFlow.js refuses) and
 * depthwise. Paddings are explicit and symmetric, as in PyTorch.
 *
 * An engine may supply all gradients of one convolution as one fused kernel (`fused.ts`), `ConvGrad` or
 * `DepthwiseConvGrad`: inputs dy, x, filter and, with an activation, the output y; attributes those of TensorFlow.js's
 * FusedConv2D and biasGradient; outputs dx, dfilter and, if there is a bias, dbias.
 */
import * as tf from '@tensorflow/tfjs-core';
import { filterGradient, inputGradient, type Size4 } from '../engine/gaps/conv-gradients';
import { channelSum } from './channel-sum';
import { hasFused, runFused } from './fused';
import { addMacs } from './mac-count';
import { isVector, misfit } from './shapes';

export interface ConvOptions {
  /** Default 1. */
  readonly stride?: number;
  /** Zeros added on both sides of each axis: one number or [rows, columns]. Default 0. */
  readonly padding?: number | readonly [number, number];
  /** Distance between the taps of the filter. Default 1; with a dilation the stride must be 1. */
  readonly dilation?: number;
  /** Applied to the sum of convolution and bias, in the same kernel. Default none. */
  readonly activation?: Activation;
}

/** max(x, 0), or max(x, 0) + slope min(x, 0) with a slope > 0. */
export type Activation = 'relu' | { readonly kind: 'leakyRelu'; readonly slope: number };

/**
 * Cross-correlation plus bias, then the activation.
 * @param x [B, H, W, I]
 * @param filter [kh, kw, I, O]
 * @param bias [O], or undefined
 * @returns [B, H', W', O], H' = floor((H + 2 padding - dilation (kh - 1) - 1) / stride) + 1
 */
export function conv2d(
  x: tf.Tensor4D,
  filter: tf.Tensor4D,
  bias: tf.Tensor1D | undefined,
  options: ConvOptions = {},
): tf.Tensor4D {
  const attrs = kernelAttributes(options);
  requireFit('conv2d', x, filter, bias, filter.shape[3], attrs);
  const dilation = options.dilation ?? 1;
  if (dilation > 1 && attrs.strides[0] > 1)
    throw new Error('conv2d: stride and dilation cannot both exceed 1');
  const forward: Forward = (x, filter, bias) => {
    const y = runConvolution(['Conv2D', 'FusedConv2D'], x, filter, bias, attrs, options.activation);
    addMacs(y.size * filter.shape[0] * filter.shape[1] * filter.shape[2]);
    return y;
  };
  const at = {
    stride: attrs.strides,
    dilation: attrs.dilations,
    before: [attrs.pad[1][0], attrs.pad[2][0]],
  } as const;
  const { strides, pad, dataFormat, dimRoundingMode } = attrs;
  const shared = { strides, pad, dataFormat, dimRoundingMode };
  const gradients: ConvolutionGradients = {
    fused: 'ConvGrad',
    attrs,
    input: (dy, filter, inputShape) =>
      dilation > 1
        ? inputGradient(dy, filter, inputShape, at)
        : tf.engine().runKernel('Conv2DBackpropInput', { dy, filter }, { ...shared, inputShape }),
    filter: (x, dy, filterShape) =>
      dilation > 1
        ? filterGradient(x, dy, filterShape, at)
        : tf.engine().runKernel('Conv2DBackpropFilter', { x, dy }, { ...shared, filterShape }),
  };
  return withGradients(x, filter, bias, options.activation, forward, gradients);
}

/**
 * One filter a channel, plus bias (PyTorch's groups = C), then the activation.
 * @param x [B, H, W, C]
 * @param filter [kh, kw, C, 1]
 * @param bias [C], or undefined
 */
export function depthwiseConv2d(
  x: tf.Tensor4D,
  filter: tf.Tensor4D,
  bias: tf.Tensor1D | undefined,
  options: Omit<ConvOptions, 'dilation'> = {},
): tf.Tensor4D {
  const attrs = kernelAttributes(options);
  if (filter.shape[3] !== 1) throw misfit('depthwiseConv2d', { x, filter });
  requireFit('depthwiseConv2d', x, filter, bias, filter.shape[2], attrs);
  const forward: Forward = (x, filter, bias) => {
    const kernels = ['DepthwiseConv2dNative', 'FusedDepthwiseConv2D'] as const;
    const y = runConvolution(kernels, x, filter, bias, attrs, options.activation);
    addMacs(y.size * filter.shape[0] * filter.shape[1]);
    return y;
  };
  const { strides, pad, dilations, dimRoundingMode } = attrs;
  const shared = { strides, pad, dilations, dimRoundingMode };
  const gradients: ConvolutionGradients = {
    fused: 'DepthwiseConvGrad',
    attrs,
    input: (dy, filter, inputShape) =>
      tf.engine().runKernel('DepthwiseConv2dNativeBackpropInput', { dy, filter }, { ...shared, inputShape }),
    filter: (x, dy, filterShape) =>
      tf.engine().runKernel('DepthwiseConv2dNativeBackpropFilter', { x, dy }, { ...shared, filterShape }),
  };
  return withGradients(x, filter, bias, options.activation, forward, gradients);
}

type KernelAttributes = {
  readonly strides: [number, number];
  readonly pad: [[0, 0], [number, number], [number, number], [0, 0]];
  readonly dataFormat: 'NHWC';
  readonly dilations: [number, number];
  readonly dimRoundingMode: 'floor';
};

function kernelAttributes({ stride = 1, padding = 0, dilation = 1 }: ConvOptions): KernelAttributes {
  const [rows, columns] = typeof padding === 'number' ? [padding, padding] : padding;
  return {
    strides: [stride, stride],
    pad: [
      [0, 0],
      [rows, rows],
      [columns, columns],
      [0, 0],
    ],
    dataFormat: 'NHWC',
    dilations: [dilation, dilation],
    dimRoundingMode: 'floor',
  };
}

/** @throws Error where x, filter and bias are not of the same channels, or the filter reaches farther than x and its zeros */
function requireFit(
  op: string,
  x: tf.Tensor4D,
  filter: tf.Tensor4D,
  bias: tf.Tensor1D | undefined,
  outputs: number,
  { strides, pad, dilations }: KernelAttributes,
): void {
  // An output of size 0 may be; one of less may not.
  const reaches = (axis: 1 | 2): boolean =>
    x.shape[axis] + 2 * pad[axis][0] + strides[axis - 1] > dilations[axis - 1] * (filter.shape[axis - 1] - 1);
  const channels = x.rank === 4 && filter.rank === 4 && x.shape[3] === filter.shape[2];
  if (channels && (bias === undefined || isVector(bias, outputs)) && reaches(1) && reaches(2)) return;
  throw misfit(op, bias === undefined ? { x, filter } : { x, filter, bias });
}

/** The kernel `plain`, or `fused` where there is a bias or an activation. */
function runConvolution(
  [plain, fused]: readonly [plain: string, fused: string],
  x: tf.Tensor,
  filter: tf.Tensor,
  bias: tf.Tensor | undefined,
  attrs: KernelAttributes,
  activation: Activation | undefined,
): tf.Tensor4D {
  const run = (kernel: string, inputs: tf.NamedTensorMap, extra: tf.NamedAttrMap): tf.Tensor4D =>
    tf.engine().runKernel<tf.Tensor4D>(kernel, inputs, { ...attrs, ...extra });
  if (bias === undefined && activation === undefined) return run(plain, { x, filter }, {});
  return run(fused, bias === undefined ? { x, filter } : { x, filter, bias }, fusedAttributes(activation));
}

function fusedAttributes(activation: Activation | undefined): tf.NamedAttrMap {
  if (activation === undefined) return { activation: 'linear', leakyreluAlpha: 0 };
  if (activation === 'relu') return { activation: 'relu', leakyreluAlpha: 0 };
  return { activation: 'leakyrelu', leakyreluAlpha: activation.slope };
}

type Forward = (x: tf.Tensor4D, filter: tf.Tensor4D, bias?: tf.Tensor1D) => tf.Tensor4D;

interface ConvolutionGradients {
  /** Name and attributes of the engine's kernel for all gradients at once. */
  readonly fused: string;
  readonly attrs: KernelAttributes;
  input(dy: tf.Tensor4D, filter: tf.Tensor4D, inputShape: Size4): tf.Tensor | tf.Tensor[];
  filter(x: tf.Tensor4D, dy: tf.Tensor4D, filterShape: Size4): tf.Tensor | tf.Tensor[];
}

/**
 * Binds a convolution's value to its gradients; the bias, where there is one, gets the sum over all positions. Frozen
 * weights (variables that are not trainable) get none: a loss through a fixed network then costs no filter gradient,
 * and the input is not kept for one.
 */
function withGradients(
  x: tf.Tensor4D,
  filter: tf.Tensor4D,
  bias: tf.Tensor1D | undefined,
  activation: Activation | undefined,
  forward: Forward,
  gradients: ConvolutionGradients,
): tf.Tensor4D {
  if (isFrozen(filter) && (bias === undefined || isFrozen(bias))) {
    const op = tf.customGrad((x, save) => {
      const value = forward(x as tf.Tensor4D, filter, bias);
      if (activation !== undefined) (save as tf.GradSaveFunc)([value]);
      return {
        value,
        gradFunc: (dy: tf.Tensor, [y]: tf.Tensor[]) =>
          gradients.input(beforeActivation(dy, y, activation), filter, (x as tf.Tensor4D).shape),
      };
    });
    return op(x);
  }
  const op = tf.customGrad((...args) => {
    const save = args.pop() as tf.GradSaveFunc;
    const [x, filter, bias] = args as unknown as [tf.Tensor4D, tf.Tensor4D, tf.Tensor1D | undefined];
    const value = forward(x, filter, bias);
    save(activation === undefined ? [x, filter] : [x, filter, value]);
    return {
      value,
      gradFunc: (dy: tf.Tensor, [x, filter, y]: tf.Tensor[]) => {
        if (hasFused(gradients.fused)) {
          const inputs: tf.NamedTensorMap =
            activation === undefined ? { dy, x, filter } : { dy, x, filter, y };
          const biasGradient = bias !== undefined;
          const attrs = { ...gradients.attrs, ...fusedAttributes(activation), biasGradient };
          return runFused<tf.Tensor[]>(gradients.fused, inputs, attrs);
        }
        const d = beforeActivation(dy, y, activation);
        const both = [
          gradients.input(d, filter as tf.Tensor4D, (x as tf.Tensor4D).shape),
          gradients.filter(x as tf.Tensor4D, d, (filter as tf.Tensor4D).shape),
        ] as tf.Tensor[];
        return bias === undefined ? both : [...both, channelSum(d)];
      },
    };
  });
  return op(...(bias === undefined ? [x, filter] : [x, filter, bias]));
}

/**
 * The gradient before the activation, from the one after it and the output y, which has the sign of the activation's
 * input. At 0 the slope is the lower one, as in PyTorch.
 */
function beforeActivation(dy: tf.Tensor, y: tf.Tensor, activation: Activation | undefined): tf.Tensor4D {
  if (activation === undefined) return dy as tf.Tensor4D;
  return tf.mul(dy, tf.step(y, activation === 'relu' ? 0 : activation.slope));
}

function isFrozen(weight: tf.Tensor): boolean {
  return weight instanceof tf.Variable && !weight.trainable;
}
