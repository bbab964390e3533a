/** Depthwise convolution and its gradients, on native/wasm/depthwise.ts and depthwise-gradients.ts. Channel multiplier 1. */
import type { backend_util, TensorInfo } from '@tensorflow/tfjs-core';
import { sizeOf, type Heap } from '../heap';
import { VALUE } from './boxes';
import { convInfo, slopeOf, type ConvAttributes, type FusedAttributes } from './convolution';
import { allFloat, type KernelFunction } from './kernel';
import { sumAxis } from './sum';

type Size4 = [number, number, number, number];

export const depthwiseConv2d: KernelFunction = (heap, { x, filter }, attrs: ConvAttributes) =>
  forward(heap, x, filter, undefined, attrs, 1);

export const fusedDepthwiseConv2d: KernelFunction = (heap, { x, filter, bias }, attrs: FusedAttributes) => {
  const slope = slopeOf(attrs);
  return slope === undefined ? undefined : forward(heap, x, filter, bias, attrs, slope);
};

function forward(
  heap: Heap,
  x: TensorInfo,
  filter: TensorInfo,
  bias: TensorInfo | undefined,
  attrs: ConvAttributes,
  slope: number,
): TensorInfo | undefined {
  if (!allFloat(x, filter, ...(bias === undefined ? [] : [bias])) || !serves(filter.shape, attrs))
    return undefined;
  if (bias !== undefined && sizeOf(bias.shape) !== filter.shape[2]) return undefined;
  const info = convInfo(x.shape, filter.shape, attrs, true);
  const out = heap.output(info.outShape);
  const pixel = VALUE * info.inChannels;
  const args = [
    ...[
      heap.address(x),
      heap.address(filter),
      bias === undefined ? 0 : heap.address(bias),
      heap.address(out),
    ],
    ...[info.inHeight, info.inWidth, info.inChannels, info.outHeight, info.outWidth],
    ...[info.filterHeight, info.filterWidth, info.filterWidth * pixel, pixel],
    ...[info.strideHeight, info.strideWidth, info.dilationHeight, info.dilationWidth],
    ...[info.padInfo.top, info.padInfo.left, slope],
  ];
  heap.run('depthwise', args, rowsOf(info.batchSize * info.outHeight, info.outWidth, info));
  return out;
}

export const depthwiseInputGradient: KernelFunction = (
  heap,
  { dy, filter },
  attrs: ConvAttributes & { inputShape: Size4 },
) => {
  if (!allFloat(dy, filter) || !serves(filter.shape, attrs)) return undefined;
  const info = convInfo(attrs.inputShape, filter.shape, attrs, true);
  const { inHeight, inWidth, inChannels, outHeight, outWidth, filterHeight, filterWidth } = info;
  const { strideHeight, strideWidth, dilationHeight, dilationWidth, padInfo } = info;
  if (strideHeight * strideWidth > 1 && dilationHeight * dilationWidth > 1) return undefined;
  const out = heap.output(attrs.inputShape);
  const pixel = VALUE * inChannels;
  const work = rowsOf(info.batchSize * inHeight, inWidth, info);
  if (strideHeight === 1 && strideWidth === 1) {
    // A depthwise convolution of dy with the filter turned.
    const lastTap = heap.address(filter) + (filterHeight * filterWidth - 1) * pixel;
    const args = [
      ...[heap.address(dy), lastTap, 0, heap.address(out)],
      ...[outHeight, outWidth, inChannels, inHeight, inWidth],
      ...[filterHeight, filterWidth, -filterWidth * pixel, -pixel],
      ...[1, 1, dilationHeight, dilationWidth],
      dilationHeight * (filterHeight - 1) - padInfo.top,
      dilationWidth * (filterWidth - 1) - padInfo.left,
      1,
    ];
    heap.run('depthwise', args, work);
    return out;
  }
  const args = [
    ...[heap.address(dy), heap.address(filter), heap.address(out)],
    ...[inHeight, inWidth, inChannels, outHeight, outWidth, filterHeight, filterWidth],
    ...[strideHeight, strideWidth, padInfo.top, padInfo.left],
  ];
  heap.run('depthwiseInputGradient', args, work);
  return out;
};

/** Output rows whose part of the filter's gradient is summed before the parts are. */
const GROUP = 16;

export const depthwiseFilterGradient: KernelFunction = (
  heap,
  { x, dy },
  attrs: ConvAttributes & { filterShape: Size4 },
) => {
  if (!allFloat(x, dy) || !serves(attrs.filterShape, attrs)) return undefined;
  const info = convInfo(x.shape, attrs.filterShape, attrs, true);
  const out = heap.output(attrs.filterShape);
  const size = sizeOf(attrs.filterShape);
  const rows = info.batchSize * info.outHeight;
  const groups = Math.ceil(rows / GROUP);
  heap.withScratch(groups * size, (parts) => {
    const args = [
      ...[heap.address(x), heap.address(dy), parts],
      ...[info.inHeight, info.inWidth, info.inChannels, rows, info.outHeight, info.outWidth],
      ...[info.filterHeight, info.filterWidth, info.strideHeight, info.strideWidth],
      ...[info.dilationHeight, info.dilationWidth, info.padInfo.top, info.padInfo.left, GROUP],
    ];
    heap.run('depthwiseFilterGradient', args, rowsOf(groups, GROUP * info.outWidth, info));
    sumAxis(heap, parts, heap.address(out), 1, groups, size, 1);
  });
  return out;
};

function serves([, , , multiplier]: number[], { dataFormat }: ConvAttributes): boolean {
  return multiplier === 1 && dataFormat !== 'NCHW';
}

function rowsOf(
  rows: number,
  pixels: number,
  info: backend_util.Conv2DInfo,
): { units: number; cost: number } {
  return { units: rows, cost: 4 * pixels * info.inChannels * info.filterHeight * info.filterWidth };
}
