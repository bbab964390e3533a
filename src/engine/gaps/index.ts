/**
 * The kernels that training needs and a TensorFlow.js backend may lack, built from kernels that every one has. They are
 * what the engines without kernels of the kit's own (webgpu, node) train with. wasm takes the segment sum from here, and
 * the gradients where its own kernels do not serve; torch takes none.
 */
import * as tf from '@tensorflow/tfjs-core';
import { filterGradient, inputGradient, type ConvGeometry, type Size4 } from './conv-gradients';
import { depthwiseFilterGradient, depthwiseInputGradient } from './depthwise-gradients';
import { unsortedSegmentSum } from './unsorted-segment-sum';

interface ConvAttributes {
  readonly strides: number | [number, number];
  readonly pad: Parameters<typeof tf.backend_util.computeConv2DInfo>[4];
  readonly dataFormat?: 'NHWC' | 'NCHW';
  readonly dilations?: number | [number, number];
  readonly dimRoundingMode?: 'floor' | 'round' | 'ceil';
  readonly inputShape: Size4;
  readonly filterShape: Size4;
}

type Compute = (inputs: Record<string, tf.Tensor4D>, attrs: ConvAttributes) => tf.Tensor;

const GAPS: Record<string, Compute> = {
  Conv2DBackpropInput: ({ dy, filter }, attrs) =>
    inputGradient(dy, filter, attrs.inputShape, geometry(attrs, attrs.inputShape, filter.shape, false)),
  Conv2DBackpropFilter: ({ x, dy }, attrs) =>
    filterGradient(x, dy, attrs.filterShape, geometry(attrs, x.shape, attrs.filterShape, false)),
  DepthwiseConv2dNativeBackpropInput: ({ dy, filter }, attrs) => {
    refuseMultiplier(filter.shape);
    return depthwiseInputGradient(
      dy,
      filter,
      attrs.inputShape,
      geometry(attrs, attrs.inputShape, filter.shape, true),
    );
  },
  DepthwiseConv2dNativeBackpropFilter: ({ x, dy }, attrs) => {
    refuseMultiplier(attrs.filterShape);
    return depthwiseFilterGradient(
      x,
      dy,
      attrs.filterShape,
      geometry(attrs, x.shape, attrs.filterShape, true),
    );
  },
  UnsortedSegmentSum: ({ x, segmentIds }, attrs) => {
    const { numSegments } = attrs as unknown as { numSegments: number };
    return unsortedSegmentSum(x, segmentIds as unknown as tf.Tensor1D, numSegments);
  },
};

/** Registers every kernel of this folder that `backendName` lacks. */
export function registerGaps(backendName: string): void {
  for (const [kernelName, compute] of Object.entries(GAPS)) {
    if (tf.getKernel(kernelName, backendName) !== undefined) continue;
    tf.registerKernel({
      kernelName,
      backendName,
      // Ops inside a kernel run at once and off the tape; what `compute` returns is the kernel's output tensor.
      kernelFunc: ({ inputs, attrs }) =>
        compute(inputs as Record<string, tf.Tensor4D>, attrs as unknown as ConvAttributes),
    });
  }
}

function geometry(
  attrs: ConvAttributes,
  inputShape: Size4,
  filterShape: Size4,
  depthwise: boolean,
): ConvGeometry {
  if (attrs.dataFormat === 'NCHW') throw new Error('convolution gradients are written for NHWC, got NCHW');
  const info = tf.backend_util.computeConv2DInfo(
    inputShape,
    filterShape,
    attrs.strides,
    attrs.dilations ?? 1,
    attrs.pad,
    attrs.dimRoundingMode,
    depthwise,
  );
  return {
    stride: [info.strideHeight, info.strideWidth],
    dilation: [info.dilationHeight, info.dilationWidth],
    before: [info.padInfo.top, info.padInfo.left],
  };
}

function refuseMultiplier([, , , multiplier]: Size4): void {
  if (multiplier !== 1)
    throw new Error(`depthwise gradients are written for channel multiplier 1, got ${multiplier}`);
}
