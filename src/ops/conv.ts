/**
 * Convolutions in NHWC with bias and gradients: plain, dilated (whose gradients TensorFlow.js refuses) and depthwise.
 * Paddings are explicit and symmetric, as in PyTorch.
 */
import * as tf from '@tensorflow/tfjs-core';
import { inputGradient, filterGradient } from '../engine/gaps/conv-gradients';
import { channelSum } from './channel-sum';

export interface ConvOptions {
  /** Default 1. */
  readonly stride?: number;
  /** Zeros added on both sides of each axis: one number or [rows, columns]. Default 0. */
  readonly padding?: number | readonly [number, number];
  /** Distance between the taps of the filter. Default 1; with a dilation the stride must be 1. */
  readonly dilation?: number;
}

/**
 * Cross-correlation plus bias.
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
  const dilation = options.dilation ?? 1;
  if (dilation > 1 && attrs.strides[0] > 1)
    throw new Error('conv2d: stride and dilation cannot both exceed 1');
  const forward = (x: tf.Tensor, filter: tf.Tensor, bias?: tf.Tensor): tf.Tensor4D =>
    runConvolution(bias === undefined ? 'Conv2D' : 'FusedConv2D', x, filter, bias, attrs);
  const gradients = (dy: tf.Tensor4D, x: tf.Tensor4D, filter: tf.Tensor4D): tf.Tensor[] => {
    if (dilation > 1) {
      const at = {
        stride: attrs.strides,
        dilation: attrs.dilations,
        before: [attrs.pad[1][0], attrs.pad[2][0]],
      } as const;
      return [inputGradient(dy, filter, x.shape, at), filterGradient(x, dy, filter.shape, at)];
    }
    const { strides, pad, dataFormat, dimRoundingMode } = attrs;
    const shared = { strides, pad, dataFormat, dimRoundingMode };
    return [
      tf
        .engine()
        .runKernel('Conv2DBackpropInput', { dy, filter }, { ...shared, inputShape: x.shape }) as tf.Tensor,
      tf
        .engine()
        .runKernel('Conv2DBackpropFilter', { x, dy }, { ...shared, filterShape: filter.shape }) as tf.Tensor,
    ];
  };
  return withGradients(x, filter, bias, forward, gradients);
}

/**
 * One filter a channel, plus bias (PyTorch's groups = C).
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
  const forward = (x: tf.Tensor, filter: tf.Tensor, bias?: tf.Tensor): tf.Tensor4D =>
    runConvolution(
      bias === undefined ? 'DepthwiseConv2dNative' : 'FusedDepthwiseConv2D',
      x,
      filter,
      bias,
      attrs,
    );
  const gradients = (dy: tf.Tensor4D, x: tf.Tensor4D, filter: tf.Tensor4D): tf.Tensor[] => {
    const { strides, pad, dilations, dimRoundingMode } = attrs;
    const shared = { strides, pad, dilations, dimRoundingMode };
    return [
      tf
        .engine()
        .runKernel(
          'DepthwiseConv2dNativeBackpropInput',
          { dy, filter },
          { ...shared, inputShape: x.shape },
        ) as tf.Tensor,
      tf
        .engine()
        .runKernel(
          'DepthwiseConv2dNativeBackpropFilter',
          { x, dy },
          { ...shared, filterShape: filter.shape },
        ) as tf.Tensor,
    ];
  };
  return withGradients(x, filter, bias, forward, gradients);
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

function runConvolution(
  kernel: string,
  x: tf.Tensor,
  filter: tf.Tensor,
  bias: tf.Tensor | undefined,
  attrs: KernelAttributes,
): tf.Tensor4D {
  const inputs: tf.NamedTensorMap = bias === undefined ? { x, filter } : { x, filter, bias };
  const extra = bias === undefined ? {} : { activation: 'linear', leakyreluAlpha: 0 };
  return tf
    .engine()
    .runKernel(kernel, inputs, { ...attrs, ...extra } as unknown as tf.NamedAttrMap) as tf.Tensor4D;
}

/** Binds a convolution's value to its gradients; the bias, where there is one, gets the sum over all positions. */
function withGradients(
  x: tf.Tensor4D,
  filter: tf.Tensor4D,
  bias: tf.Tensor1D | undefined,
  forward: (x: tf.Tensor, filter: tf.Tensor, bias?: tf.Tensor) => tf.Tensor4D,
  gradients: (dy: tf.Tensor4D, x: tf.Tensor4D, filter: tf.Tensor4D) => tf.Tensor[],
): tf.Tensor4D {
  const op = tf.customGrad((...args) => {
    const save = args.pop() as tf.GradSaveFunc;
    const [x, filter, bias] = args as tf.Tensor[];
    save([x, filter]);
    return {
      value: forward(x, filter, bias),
      gradFunc: (dy: tf.Tensor, [x, filter]: tf.Tensor[]) => {
        const both = gradients(dy as tf.Tensor4D, x as tf.Tensor4D, filter as tf.Tensor4D);
        return bias === undefined ? both : [...both, channelSum(dy)];
      },
    };
  });
  return op(...(bias === undefined ? [x, filter] : [x, filter, bias])) as tf.Tensor4D;
}
