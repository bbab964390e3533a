/** Kernels that move values and compute nothing. */
import { backend_util, slice_util, util, type TensorInfo } from '@tensorflow/tfjs-core';
import { sizeOf } from '../heap';
import { contiguous, copyBox, VALUE } from './boxes';
import type { Inputs, KernelFunction } from './kernel';

const fourBytes = (x: TensorInfo): boolean => x.dtype === 'float32' || x.dtype === 'int32';

/** No copy: one more owner of the same values, which no kernel changes. */
export const identity: KernelFunction = (heap, { x }) => heap.alias(x, x.shape);

/** The same for a cast that changes nothing; others are the backend's. */
export const cast: KernelFunction = (heap, { x }, { dtype }: { dtype: string }) =>
  x.dtype === dtype ? heap.alias(x, x.shape) : undefined;

export const slice: KernelFunction = (heap, { x }, attrs: { begin: number[]; size: number[] }) => {
  if (!fourBytes(x)) return undefined;
  const [begin, size] = slice_util.parseSliceParams(x, attrs.begin, attrs.size);
  slice_util.assertParamsValid(x, begin, size);
  const out = heap.output(size, x.dtype);
  const fromSteps = contiguous(x.shape);
  const from = heap.address(x) + VALUE * begin.reduce((at, b, i) => at + b * fromSteps[i], 0);
  copyBox(heap, { shape: size, from, fromSteps, to: heap.address(out), toSteps: contiguous(size) });
  return out;
};

export const split: KernelFunction = (
  heap,
  { x },
  attrs: { numOrSizeSplits: number | number[]; axis: number },
) => {
  if (!fourBytes(x)) return undefined;
  const [axis] = util.parseAxisParam(attrs.axis, x.shape);
  const fromSteps = contiguous(x.shape);
  let from = heap.address(x);
  return backend_util.prepareSplitSize(x as never, attrs.numOrSizeSplits, axis).map((size) => {
    const shape = x.shape.with(axis, size);
    const out = heap.output(shape, x.dtype);
    copyBox(heap, { shape, from, fromSteps, to: heap.address(out), toSteps: contiguous(shape) });
    from += VALUE * size * fromSteps[axis];
    return out;
  });
};

export const concat: KernelFunction = (heap, inputs, attrs: { axis: number }) => {
  const parts = Object.values(inputs as unknown as TensorInfo[] | Inputs);
  if (!parts.every((part) => fourBytes(part) && part.dtype === parts[0].dtype)) return undefined;
  const [axis] = util.parseAxisParam(attrs.axis, parts[0].shape);
  const shapes = parts.map((part) => part.shape);
  backend_util.assertParamsConsistent(shapes, axis);
  const outShape = backend_util.computeOutShape(shapes, axis);
  const out = heap.output(outShape, parts[0].dtype);
  const toSteps = contiguous(outShape);
  let to = heap.address(out);
  for (const part of parts) {
    const fromSteps = contiguous(part.shape);
    copyBox(heap, { shape: part.shape, from: heap.address(part), fromSteps, to, toSteps });
    to += VALUE * part.shape[axis] * toSteps[axis];
  }
  return out;
};

export const pad: KernelFunction = (
  heap,
  { x },
  attrs: { paddings: [number, number][]; constantValue: number },
) => {
  if (x.dtype !== 'float32') return undefined;
  const { paddings, constantValue } = attrs;
  const outShape = x.shape.map((n, i) => paddings[i][0] + n + paddings[i][1]);
  const out = heap.filled(outShape, constantValue);
  const toSteps = contiguous(outShape);
  copyBox(heap, {
    shape: x.shape,
    from: heap.address(x),
    fromSteps: contiguous(x.shape),
    to: heap.address(out) + VALUE * paddings.reduce((at, [before], i) => at + before * toSteps[i], 0),
    toSteps,
  });
  return out;
};

export const transpose: KernelFunction = (heap, { x }, { perm }: { perm: number[] }) => {
  if (!fourBytes(x)) return undefined;
  const shape = perm.map((axis) => x.shape[axis]);
  const steps = contiguous(x.shape);
  const out = heap.output(shape, x.dtype);
  copyBox(heap, {
    shape,
    from: heap.address(x),
    fromSteps: perm.map((axis) => steps[axis]),
    to: heap.address(out),
    toSteps: contiguous(shape),
  });
  return out;
};

export const reverse: KernelFunction = (heap, { x }, { dims }: { dims: number | number[] }) => {
  if (!fourBytes(x) || sizeOf(x.shape) === 0) return undefined;
  const turned = new Set(util.parseAxisParam(dims, x.shape));
  const steps = contiguous(x.shape);
  const out = heap.output(x.shape, x.dtype);
  const start = x.shape.reduce((at, n, i) => at + (turned.has(i) ? (n - 1) * steps[i] : 0), 0);
  copyBox(heap, {
    shape: x.shape,
    from: heap.address(x) + VALUE * start,
    fromSteps: steps.map((step, i) => (turned.has(i) ? -step : step)),
    to: heap.address(out),
    toSteps: steps,
  });
  return out;
};

/** Rows of x: axis 0, no batch axes. */
export const gather: KernelFunction = (
  heap,
  { x, indices },
  { axis, batchDims }: { axis: number; batchDims: number },
) => {
  if (!fourBytes(x) || axis !== 0 || batchDims !== 0 || indices.dtype !== 'int32') return undefined;
  for (const i of heap.integers(indices)) {
    if (i < 0 || i >= x.shape[0]) {
      throw new Error(`GatherV2: the index value ${i} is not in [0, ${x.shape[0] - 1}]`);
    }
  }
  const row = sizeOf(x.shape.slice(1));
  const out = heap.output([...indices.shape, ...x.shape.slice(1)], x.dtype);
  const args = [heap.address(x), heap.address(indices), heap.address(out), VALUE * row];
  heap.run('gather', args, { units: sizeOf(indices.shape), cost: 10 + 4 * row });
  return out;
};

/** [B, H, W, C r r] to [B, H r, W r, C]: see src/ops/pixel-shuffle.ts. */
export const pixelShuffle: KernelFunction = (heap, { x }, { r }: { r: number }) => {
  const [b, h, w, depth] = x.shape;
  const c = depth / (r * r);
  const out = heap.output([b, h * r, w * r, c]);
  const { shape, steps } = shuffledBlocks(b * h, w, c, r);
  copyBox(heap, {
    shape,
    from: heap.address(x),
    fromSteps: steps,
    to: heap.address(out),
    toSteps: contiguous(shape),
  });
  return out;
};

/** The way back. */
export const pixelUnshuffle: KernelFunction = (heap, { y }, { r }: { r: number }) => {
  const [b, hr, wr, c] = y.shape;
  const out = heap.output([b, hr / r, wr / r, c * r * r]);
  const { shape, steps } = shuffledBlocks((b * hr) / r, wr / r, c, r);
  copyBox(heap, {
    shape,
    from: heap.address(y),
    fromSteps: contiguous(shape),
    to: heap.address(out),
    toSteps: steps,
  });
  return out;
};

/** The shuffled image as [b h, r, w, r, c], and where its values lie in [b h, w, c, r, r]. */
function shuffledBlocks(rows: number, w: number, c: number, r: number): { shape: number[]; steps: number[] } {
  const depth = c * r * r;
  return { shape: [rows, r, w, r, c], steps: [w * depth, r, depth, 1, r * r] };
}
