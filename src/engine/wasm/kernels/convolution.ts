/**
 * Convolution and its gradients, on native/wasm/convolution.ts and filter-gradient.ts. The gradient by the input is itself
 * a convolution: dy, its pixels spread by the stride, with the filter turned by 180 degrees and its channels exchanged (the
 * formulas are in ../../gaps/conv-gradients.ts).
 */
import { backend_util, type TensorInfo } from '@tensorflow/tfjs-core';
import { sizeOf, type Heap } from '../heap';
import { VALUE } from './boxes';
import { allFloat, type KernelFunction } from './kernel';

type Size4 = [number, number, number, number];

export interface ConvAttributes {
  readonly strides: number | [number, number];
  readonly pad: Parameters<typeof backend_util.computeConv2DInfo>[4];
  readonly dataFormat?: 'NHWC' | 'NCHW';
  readonly dilations?: number | [number, number];
  readonly dimRoundingMode?: 'floor' | 'round' | 'ceil';
}

export interface FusedAttributes extends ConvAttributes {
  readonly activation: string;
  readonly leakyreluAlpha?: number;
}

/** f(v) = max(v, 0) + slope min(v, 0); undefined for an activation of another kind. */
export function slopeOf({ activation, leakyreluAlpha }: FusedAttributes): number | undefined {
  if (activation === 'linear') return 1;
  if (activation === 'relu') return 0;
  return activation === 'leakyrelu' ? leakyreluAlpha : undefined;
}

export const conv2d: KernelFunction = (heap, { x, filter }, attrs: ConvAttributes) =>
  forward(heap, x, filter, undefined, attrs, 1);

export const fusedConv2d: KernelFunction = (heap, { x, filter, bias }, attrs: FusedAttributes) => {
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
  const inputs = bias === undefined ? [x, filter] : [x, filter, bias];
  if (!allFloat(...inputs) || attrs.dataFormat === 'NCHW' || x.shape[3] !== filter.shape[2]) return undefined;
  if (bias !== undefined && sizeOf(bias.shape) !== filter.shape[3]) return undefined;
  const info = convInfo(x.shape, filter.shape, attrs);
  const out = heap.output(info.outShape);
  if (sizeOf(info.outShape) === 0) return out;
  const [kh, kw, inputsOf, outputs] = filter.shape as Size4;
  const weights: Weights = {
    filter: heap.address(filter),
    bias: bias === undefined ? 0 : heap.address(bias),
    rows: kh,
    columns: kw,
    inputs: inputsOf,
    outputs,
    tapStep: inputsOf * outputs,
    inputStep: outputs,
    outputStep: 1,
  };
  const image: Placed = {
    source: heap.address(x),
    batch: info.batchSize,
    height: info.inHeight,
    width: info.inWidth,
    before: [info.padInfo.top, info.padInfo.left],
    gap: [1, 1],
  };
  const geometry: Geometry = {
    height: info.outHeight,
    width: info.outWidth,
    stride: [info.strideHeight, info.strideWidth],
    dilation: [info.dilationHeight, info.dilationWidth],
  };
  convolve(heap, image, weights, geometry, slope, heap.address(out));
  return out;
}

export const conv2dInputGradient: KernelFunction = (
  heap,
  { dy, filter },
  attrs: ConvAttributes & { inputShape: Size4 },
) => {
  if (!allFloat(dy, filter) || attrs.dataFormat === 'NCHW') return undefined;
  const info = convInfo(attrs.inputShape, filter.shape, attrs);
  const out = heap.output(attrs.inputShape);
  const [kh, kw, inputs, outputs] = filter.shape as Size4;
  const weights: Weights = {
    filter: heap.address(filter) + VALUE * (kh * kw - 1) * inputs * outputs,
    bias: 0,
    rows: kh,
    columns: kw,
    inputs: outputs,
    outputs: inputs,
    tapStep: -inputs * outputs,
    inputStep: 1,
    outputStep: outputs,
  };
  const dilation = [info.dilationHeight, info.dilationWidth] as const;
  const image: Placed = {
    source: heap.address(dy),
    batch: info.batchSize,
    height: info.outHeight,
    width: info.outWidth,
    before: [dilation[0] * (kh - 1) - info.padInfo.top, dilation[1] * (kw - 1) - info.padInfo.left],
    gap: [info.strideHeight, info.strideWidth],
  };
  const geometry: Geometry = { height: info.inHeight, width: info.inWidth, stride: [1, 1], dilation };
  convolve(heap, image, weights, geometry, 1, heap.address(out));
  return out;
};

export const conv2dFilterGradient: KernelFunction = (
  heap,
  { x, dy },
  attrs: ConvAttributes & { filterShape: Size4 },
) => {
  if (!allFloat(x, dy) || attrs.dataFormat === 'NCHW') return undefined;
  if (sizeOf(x.shape) * sizeOf(dy.shape) === 0) return heap.filled(attrs.filterShape, 0);
  const info = convInfo(x.shape, attrs.filterShape, attrs);
  const out = heap.output(attrs.filterShape);
  const [kh, kw, inputs, outputs] = attrs.filterShape;
  const image: Placed = {
    source: heap.address(x),
    batch: info.batchSize,
    height: info.inHeight,
    width: info.inWidth,
    before: [info.padInfo.top, info.padInfo.left],
    gap: [1, 1],
  };
  const geometry: Geometry = {
    height: info.outHeight,
    width: info.outWidth,
    stride: [info.strideHeight, info.strideWidth],
    dilation: [info.dilationHeight, info.dilationWidth],
  };
  withRuns(heap, image, kh, kw, inputs, geometry, (runs) => {
    const { images, height, width } = runs;
    const args = [
      ...[runs.image, heap.address(dy), heap.address(out), images, height, width, outputs],
      ...[runs.imageStep, runs.rowStep, runs.pixelStep],
      ...[runs.columns, runs.rowOfRuns, runs.columnOfRuns, runs.bytes],
    ];
    const groups = Math.ceil(runs.bytes / VALUE / 4);
    heap.run('filterGradient', args, {
      units: runs.rows * runs.columns * groups,
      cost: 8 * images * height * width * outputs,
    });
  });
  return out;
};

/** Sizes, strides and paddings as numbers. */
export function convInfo(
  inputShape: number[],
  filterShape: number[],
  { strides, dilations, pad, dimRoundingMode }: ConvAttributes,
  depthwise = false,
): backend_util.Conv2DInfo {
  return backend_util.computeConv2DInfo(
    inputShape as Size4,
    filterShape as Size4,
    strides,
    dilations ?? 1,
    pad,
    dimRoundingMode,
    depthwise,
  );
}

/** An image in a frame of zeros whose size the convolution sets: as the kernel `place` takes it. */
interface Placed {
  readonly source: number;
  readonly batch: number;
  readonly height: number;
  readonly width: number;
  readonly before: readonly [number, number];
  readonly gap: readonly [number, number];
}

/** A filter of rows x columns taps and how its values lie, in floats. */
interface Weights {
  readonly filter: number;
  readonly bias: number;
  readonly rows: number;
  readonly columns: number;
  readonly inputs: number;
  readonly outputs: number;
  readonly tapStep: number;
  readonly inputStep: number;
  readonly outputStep: number;
}

/** The output's size, and how a pixel of it sees the image. */
interface Geometry {
  readonly height: number;
  readonly width: number;
  readonly stride: readonly [number, number];
  readonly dilation: readonly [number, number];
}

function convolve(
  heap: Heap,
  image: Placed,
  weights: Weights,
  geometry: Geometry,
  slope: number,
  out: number,
): void {
  const { rows, columns, inputs, outputs, filter, bias, tapStep, inputStep, outputStep } = weights;
  const taps = rows * columns;
  heap.withScratch(packedSize(taps * inputs, outputs), (packed) => {
    const pack = [filter, bias, packed, taps, inputs, outputs, tapStep, inputStep, outputStep, 0, 0];
    heap.run('packFilter', pack, { units: 1, cost: taps * inputs * outputs });
    withRuns(heap, image, rows, columns, inputs, geometry, (runs) => {
      const args = [
        ...[runs.image, packed, 0, out, runs.height, runs.width, outputs],
        ...[runs.imageStep, runs.rowStep, runs.pixelStep],
        ...[runs.rows, runs.columns, runs.rowOfRuns, runs.columnOfRuns, runs.bytes, slope],
      ];
      heap.run('convolve', args, {
        units: runs.images * runs.height * Math.ceil(runs.width / 4),
        cost: 8 * taps * inputs * outputs,
        most: TILES,
      });
    });
  });
}

/** Tiles of four pixels that see one panel of the filter before the next: their part of the image stays in the cache. */
export const TILES = 32;

/** Floats of a packed filter of `values` input values an output channel. */
export function packedSize(values: number, outputs: number): number {
  return (values + 1) * 4 * Math.ceil(outputs / 4);
}

/** The parameters of native/wasm/convolution.ts, in its words. */
interface Runs {
  readonly image: number;
  readonly images: number;
  readonly height: number;
  readonly width: number;
  readonly imageStep: number;
  readonly rowStep: number;
  readonly pixelStep: number;
  readonly rows: number;
  readonly columns: number;
  readonly rowOfRuns: number;
  readonly columnOfRuns: number;
  readonly bytes: number;
}

/** Pads (or cuts) the image to exactly what the filter reads, and runs `body` on it. */
function withRuns(
  heap: Heap,
  { source, batch, height, width, before, gap }: Placed,
  kh: number,
  kw: number,
  channels: number,
  geometry: Geometry,
  body: (runs: Runs) => void,
): void {
  const { stride, dilation } = geometry;
  const pixel = VALUE * channels;
  // A filter of one tap that reads every pixel where it lies: all pixels are one row.
  if (kh * kw === 1 && stride[0] * stride[1] * gap[0] * gap[1] === 1 && before[0] === 0 && before[1] === 0) {
    if (geometry.height === height && geometry.width === width) {
      const all = { image: source, images: 1, height: 1, width: batch * height * width };
      const steps = { imageStep: 0, rowStep: 0, pixelStep: pixel };
      body({ ...all, ...steps, rows: 1, columns: 1, rowOfRuns: 0, columnOfRuns: 0, bytes: pixel });
      return;
    }
  }
  const frame = [
    stride[0] * (geometry.height - 1) + dilation[0] * (kh - 1) + 1,
    stride[1] * (geometry.width - 1) + dilation[1] * (kw - 1) + 1,
  ];
  const line = pixel * frame[1];
  // Neighbouring taps lie side by side: one run a filter row.
  const together = dilation[1] === 1;
  const runs = {
    images: batch,
    height: geometry.height,
    width: geometry.width,
    imageStep: frame[0] * line,
    rowStep: stride[0] * line,
    pixelStep: stride[1] * pixel,
    rows: kh,
    columns: together ? 1 : kw,
    rowOfRuns: dilation[0] * line,
    columnOfRuns: dilation[1] * pixel,
    bytes: together ? kw * pixel : pixel,
  };
  const fits = frame[0] === height && frame[1] === width && before[0] === 0 && before[1] === 0;
  if (fits && gap[0] * gap[1] === 1) {
    body({ image: source, ...runs });
    return;
  }
  heap.withScratch(batch * frame[0] * frame[1] * channels, (placed) => {
    const args = [source, placed, height, width, pixel, frame[0], frame[1], ...before, ...gap];
    heap.run('place', args, { units: batch * frame[0], cost: 4 * frame[1] * channels });
    body({ image: placed, ...runs });
  });
}
