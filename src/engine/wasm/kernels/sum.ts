/** Sums and means, on native/wasm/sum.ts. */
import { util, type TensorInfo } from '@tensorflow/tfjs-core';
import { sizeOf, type Heap } from '../heap';
import type { Inputs, KernelFunction } from './kernel';

/** Positions whose sum is taken in one go: of vectors, and of single floats. */
const GROUP_OF_ROWS = 128;
const GROUP_OF_FLOATS = 4096;

/** x [outer, length, inner] to out [outer, inner]: the sum over the middle, times `scale`. Addresses. */
export function sumAxis(
  heap: Heap,
  x: number,
  out: number,
  outer: number,
  length: number,
  inner: number,
  scale: number,
): void {
  if (length === 0) {
    heap.fill(out, outer * inner, 0 * scale); // a mean of nothing is NaN
    return;
  }
  const most = inner === 1 ? GROUP_OF_FLOATS : GROUP_OF_ROWS;
  const groups = Math.ceil(length / most);
  const pass = (to: number, groups: number, factor: number): void => {
    const [kernel, sizes] = inner === 1 ? ['sumRows', [length]] : ['sumColumns', [length, inner]];
    heap.run(kernel, [x, to, ...sizes, most, groups, factor], {
      units: outer * groups,
      cost: 4 * Math.min(most, length) * inner,
    });
  };
  if (groups === 1) {
    pass(out, 1, scale);
    return;
  }
  heap.withScratch(outer * groups * inner, (parts) => {
    pass(parts, groups, 1);
    sumAxis(heap, parts, out, outer, groups, inner, scale);
  });
}

/** a, b [length, inner] to out [inner]: the sum of the rows' products. Addresses. */
export function sumOfProducts(
  heap: Heap,
  a: number,
  b: number,
  out: number,
  length: number,
  inner: number,
): void {
  const groups = Math.ceil(length / GROUP_OF_ROWS);
  heap.withScratch(groups * inner, (parts) => {
    const args = [a, b, parts, length, inner, GROUP_OF_ROWS];
    heap.run('sumProductColumns', args, { units: groups, cost: 6 * GROUP_OF_ROWS * inner });
    sumAxis(heap, parts, out, 1, groups, inner, 1);
  });
}

interface SumAttributes {
  readonly axis: number | number[] | null;
  readonly keepDims: boolean;
}

export const sum: KernelFunction = (heap, inputs, attrs: SumAttributes) =>
  reduced(heap, inputs, attrs, () => 1);

export const mean: KernelFunction = (heap, inputs, attrs: SumAttributes) =>
  reduced(heap, inputs, attrs, (count) => 1 / count);

function reduced(
  heap: Heap,
  { x }: Inputs,
  { axis, keepDims }: SumAttributes,
  scale: (count: number) => number,
): TensorInfo | undefined {
  const axes = new Set(util.parseAxisParam(axis as number[], x.shape));
  const spans = merged(x.shape, axes);
  if (x.dtype !== 'float32') return undefined;
  const keptShape = x.shape.map((n, i) => (axes.has(i) ? 1 : n));
  const outShape = keepDims ? keptShape : x.shape.filter((_, i) => !axes.has(i));
  if (!spans.some((s) => s.summed)) return heap.alias(x, outShape);
  const out = heap.output(outShape);
  const factor = scale(sizeOf(x.shape) / sizeOf(keptShape));
  sumSpans(heap, heap.address(x), heap.address(out), spans, factor);
  return out;
}

interface Span {
  readonly size: number;
  readonly summed: boolean;
}

/** Neighbouring axes of one kind as one; axes of one position left out. */
function merged(shape: readonly number[], axes: ReadonlySet<number>): Span[] {
  const spans: Span[] = [];
  shape.forEach((size, i) => {
    if (size === 1) return;
    const summed = axes.has(i);
    const last = spans.at(-1);
    if (last?.summed === summed) spans[spans.length - 1] = { size: last.size * size, summed };
    else spans.push({ size, summed });
  });
  return spans;
}

/** Sums the last summed span, then the others. */
function sumSpans(heap: Heap, x: number, out: number, spans: readonly Span[], scale: number): void {
  const at = spans.findLastIndex((s) => s.summed);
  const outer = sizeOf(spans.slice(0, at).map((s) => s.size));
  const inner = sizeOf(spans.slice(at + 1).map((s) => s.size));
  const rest = spans.filter((_, i) => i !== at);
  if (!rest.some((s) => s.summed)) {
    sumAxis(heap, x, out, outer, spans[at].size, inner, scale);
    return;
  }
  heap.withScratch(outer * inner, (part) => {
    sumAxis(heap, x, part, outer, spans[at].size, inner, 1);
    sumSpans(heap, part, out, rest, scale);
  });
}
