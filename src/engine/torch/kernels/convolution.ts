/** Convolutions and pools: native/kernels/convolution.cc, pool.cc. NHWC only; geometry is made explicit here. */
import * as tf from '@tensorflow/tfjs-core';

import type { Call, TorchBackend } from '../backend';
import type { Define } from './define';

const { computeConv2DInfo, computePool2DInfo } = tf.backend_util;
type Info2 = tf.backend_util.Conv2DInfo;
type Size4 = [number, number, number, number];

/** Numbered as enum Activation in native/kernels/convolution.h. */
export const ACTIVATIONS = ['linear', 'relu', 'relu6', 'elu', 'sigmoid', 'leakyrelu', 'prelu'] as const;

/** What the kit's convolution ops pass (src/ops/conv.ts). */
export type ConvAttrs = tf.FusedConv2DAttrs;

interface FusedInputs {
  x: tf.TensorInfo;
  filter: tf.TensorInfo;
  bias?: tf.TensorInfo;
  preluActivationWeights?: tf.TensorInfo;
}

/** Strides, zeros before, output sizes, dilations: `read_window` in native/kernels/convolution.cc. */
export function window2(call: Call, info: Info2): Call {
  return call
    .numbers([info.strideHeight, info.strideWidth])
    .numbers([info.padInfo.top, info.padInfo.left])
    .numbers([info.outHeight, info.outWidth])
    .numbers([info.dilationHeight, info.dilationWidth]);
}

export function activation(call: Call, name: string | undefined, slope: number | undefined): Call {
  const code = ACTIVATIONS.indexOf((name ?? 'linear') as (typeof ACTIVATIONS)[number]);
  if (code < 0) throw new Error(`the torch engine has no fused activation ${name}`);
  return call.number(code).number(slope ?? 0.2);
}

function onlyNhwc(dataFormat: string | undefined): void {
  if (dataFormat !== undefined && dataFormat !== 'NHWC') {
    throw new Error(`the torch engine runs NHWC, not ${dataFormat}`);
  }
}

export function defineConvolution(define: Define, torch: TorchBackend): void {
  const conv = (name: 'Conv' | 'DepthwiseConv', inputs: FusedInputs, a: Partial<tf.FusedConv2DAttrs>) => {
    onlyNhwc(a.dataFormat);
    const { x, filter, bias, preluActivationWeights } = inputs;
    const depthwise = name === 'DepthwiseConv';
    const info = computeConv2DInfo(
      x.shape as Size4, filter.shape as Size4, a.strides!, a.dilations ?? [1, 1], a.pad!, a.dimRoundingMode, depthwise,
    ); // prettier-ignore
    const call = window2(torch.call(name).tensor(x).tensor(filter).optional(bias), info);
    return activation(call, a.activation, a.leakyreluAlpha).optional(preluActivationWeights).one();
  };
  define<tf.Conv2DInputs, tf.Conv2DAttrs>('Conv2D', (inputs, attrs) => conv('Conv', inputs, attrs));
  define<FusedInputs, tf.FusedConv2DAttrs>('FusedConv2D', (inputs, attrs) => conv('Conv', inputs, attrs));
  define<tf.DepthwiseConv2dNativeInputs, tf.DepthwiseConv2dNativeAttrs>(
    'DepthwiseConv2dNative',
    (inputs, attrs) => conv('DepthwiseConv', inputs, attrs),
  );
  define<FusedInputs, tf.FusedDepthwiseConv2DAttrs>('FusedDepthwiseConv2D', (inputs, attrs) =>
    conv('DepthwiseConv', inputs, attrs),
  );

  define<tf.Conv2DBackpropInputInputs, tf.Conv2DBackpropInputAttrs & { dilations?: [number, number] }>(
    'Conv2DBackpropInput',
    ({ dy, filter }, { inputShape, strides, pad, dataFormat, dimRoundingMode, dilations }) => {
      onlyNhwc(dataFormat);
      const info = computeConv2DInfo(
        inputShape,
        filter.shape as Size4,
        strides,
        dilations ?? 1,
        pad,
        dimRoundingMode,
      );
      return window2(
        torch.call('ConvBackpropInput').tensor(dy).tensor(filter).numbers(inputShape),
        info,
      ).one();
    },
  );
  define<tf.Conv2DBackpropFilterInputs, tf.Conv2DBackpropFilterAttrs & { dilations?: [number, number] }>(
    'Conv2DBackpropFilter',
    ({ x, dy }, { filterShape, strides, pad, dataFormat, dimRoundingMode, dilations }) => {
      onlyNhwc(dataFormat);
      const info = computeConv2DInfo(
        x.shape as Size4,
        filterShape,
        strides,
        dilations ?? 1,
        pad,
        dimRoundingMode,
      );
      return window2(torch.call('ConvBackpropFilter').tensor(x).tensor(dy).numbers(filterShape), info).one();
    },
  );
  define<tf.DepthwiseConv2dNativeBackpropInputInputs, tf.DepthwiseConv2dNativeBackpropInputAttrs>(
    'DepthwiseConv2dNativeBackpropInput',
    ({ dy, filter }, { inputShape, strides, dilations, pad, dimRoundingMode }) => {
      const info = computeConv2DInfo(
        inputShape, filter.shape as Size4, strides, dilations, pad, dimRoundingMode, true,
      ); // prettier-ignore
      return window2(
        torch.call('DepthwiseConvBackpropInput').tensor(dy).tensor(filter).numbers(inputShape),
        info,
      ).one();
    },
  );
  define<tf.DepthwiseConv2dNativeBackpropFilterInputs, tf.DepthwiseConv2dNativeBackpropFilterAttrs>(
    'DepthwiseConv2dNativeBackpropFilter',
    ({ x, dy }, { filterShape, strides, dilations, pad, dimRoundingMode }) => {
      const info = computeConv2DInfo(
        x.shape as Size4,
        filterShape,
        strides,
        dilations,
        pad,
        dimRoundingMode,
        true,
      );
      return window2(
        torch.call('DepthwiseConvBackpropFilter').tensor(x).tensor(dy).numbers(filterShape),
        info,
      ).one();
    },
  );

  definePools(define, torch);
}

interface Pool2Attrs extends tf.MaxPoolAttrs {
  includeBatchInIndex?: boolean;
}

function definePools(define: Define, torch: TorchBackend): void {
  const pool2 = (call: Call, x: tf.TensorInfo, a: Pool2Attrs): Call => {
    const info = computePool2DInfo(x.shape as Size4, a.filterSize, a.strides, 1, a.pad, a.dimRoundingMode);
    return window2(call.numbers([info.filterHeight, info.filterWidth]), info);
  };
  for (const name of ['MaxPool', 'AvgPool']) {
    define<tf.MaxPoolInputs, Pool2Attrs>(name, ({ x }, a) => pool2(torch.call(name).tensor(x), x, a).one());
    define<tf.AvgPoolGradInputs, Pool2Attrs>(`${name}Grad`, ({ dy, input }, a) =>
      pool2(torch.call(`${name}Grad`).tensor(dy).tensor(input), input, a).one(),
    );
  }
  define<tf.MaxPoolWithArgmaxInputs, Pool2Attrs>('MaxPoolWithArgmax', ({ x }, a) =>
    pool2(torch.call('MaxPoolWithArgmax').tensor(x), x, a).flag(a.includeBatchInIndex).many(),
  );
}
