/** Arithmetic of two tensors with broadcasting, and element by element functions, on native/wasm. */
import { backend_util, type TensorInfo } from '@tensorflow/tfjs-core';
import { sizeOf, type Heap } from '../heap';
import { allFloat, type KernelFunction } from './kernel';

/** Numbered as in native/wasm/elementwise.ts. */
const OPERATIONS = { add: 0, subtract: 1, multiply: 2, divide: 3 } as const;
type Operation = keyof typeof OPERATIONS;

export function binary(operation: Operation): KernelFunction {
  return (heap, { a, b }) => {
    if (!allFloat(a, b)) return undefined;
    const shape = backend_util.assertAndGetBroadcastShape(a.shape, b.shape);
    const spans = commonSpans(shape, a.shape, b.shape);
    if (spans.length > 3 || sizeOf(shape) === 0) return undefined;
    const out = heap.output(shape);
    combine(heap, operation, a, b, out, spans);
    return out;
  };
}

/** Neighbouring axes of the result on which each operand behaves alike: it has values there, or is repeated. */
interface Span {
  readonly size: number;
  readonly inA: boolean;
  readonly inB: boolean;
}

function commonSpans(shape: readonly number[], a: readonly number[], b: readonly number[]): Span[] {
  const spans: Span[] = [];
  shape.forEach((size, i) => {
    if (size === 1) return;
    const inA = (a[i - shape.length + a.length] ?? 1) > 1;
    const inB = (b[i - shape.length + b.length] ?? 1) > 1;
    const last = spans.at(-1);
    if (last?.inA === inA && last.inB === inB) {
      spans[spans.length - 1] = { size: last.size * size, inA, inB };
    } else {
      spans.push({ size, inA, inB });
    }
  });
  return spans;
}

function combine(
  heap: Heap,
  operation: Operation,
  a: TensorInfo,
  b: TensorInfo,
  out: TensorInfo,
  spans: readonly Span[],
): void {
  const one: Span = { size: 1, inA: true, inB: true };
  const inner = spans.at(-1) ?? one;
  const operands = [
    ...[OPERATIONS[operation], heap.address(a), Number(!inner.inA)],
    ...[heap.address(b), Number(!inner.inB), heap.address(out)],
  ];
  if (spans.length <= 1) {
    heap.run('binary', operands, { units: inner.size, cost: 5, multiple: 4 });
    return;
  }
  const [n0, n1, n2] = spans.length === 2 ? [one, ...spans] : spans;
  const steps = (has: (span: Span) => boolean): [number, number] => {
    const step1 = has(n2) ? n2.size : 1;
    return [has(n0) ? step1 * (has(n1) ? n1.size : 1) : 0, has(n1) ? step1 : 0];
  };
  const args = [...operands, n1.size, n2.size, ...steps((s) => s.inA), ...steps((s) => s.inB)];
  heap.run('binaryRows', args, { units: n0.size * n1.size, cost: 10 + 5 * n2.size });
}

/** Sum of several tensors of one shape. */
export const addN: KernelFunction = (heap, inputs) => {
  const [first, ...rest] = Object.values(inputs);
  if (rest.length === 0 || !allFloat(first, ...rest)) return undefined;
  const out = heap.output(first.shape);
  const whole: Span = { size: sizeOf(first.shape), inA: true, inB: true };
  rest.forEach((next, i) => combine(heap, 'add', i === 0 ? first : out, next, out, [whole]));
  return out;
};

export const gelu: KernelFunction = (heap, { x }) => {
  const out = heap.output(x.shape);
  heap.run('gelu', [heap.address(x), heap.address(out)], { units: sizeOf(x.shape), cost: 60, multiple: 4 });
  return out;
};

export const geluGradient: KernelFunction = (heap, { dy, x }) => {
  const out = heap.output(x.shape);
  const args = [heap.address(dy), heap.address(x), heap.address(out)];
  heap.run('geluGradient', args, { units: sizeOf(x.shape), cost: 60, multiple: 4 });
  return out;
};

/** 1 where x > 0, alpha elsewhere. */
export const step: KernelFunction = (heap, { x }, { alpha }: { alpha: number }) => {
  if (!allFloat(x)) return undefined;
  const out = heap.output(x.shape);
  const args = [heap.address(x), heap.address(out), alpha];
  heap.run('step', args, { units: sizeOf(x.shape), cost: 5, multiple: 4 });
  return out;
};

/** 1 where x > 0, -1 where x < 0, 0 elsewhere. */
export const sign: KernelFunction = (heap, { x }) => {
  if (!allFloat(x)) return undefined;
  const out = heap.output(x.shape);
  heap.run('sign', [heap.address(x), heap.address(out)], { units: sizeOf(x.shape), cost: 5, multiple: 4 });
  return out;
};

/** Over the last axis. */
export const softmax: KernelFunction = (heap, { logits }, { dim }: { dim: number }) => {
  const length = logits.shape.at(-1) ?? 1;
  if (!allFloat(logits) || (dim !== -1 && dim !== logits.shape.length - 1)) return undefined;
  const out = heap.output(logits.shape);
  const args = [heap.address(logits), heap.address(out), length];
  heap.run('softmax', args, {
    units: length === 0 ? 0 : sizeOf(logits.shape) / length,
    cost: 30 + 40 * length,
  });
  return out;
};
