/** Boxes of values copied between two layouts, on native/wasm/copy.ts. */
import { sizeOf, type Heap } from '../heap';

export interface Box {
  /** Size of each axis. */
  readonly shape: readonly number[];
  /** Address of the box's first value in the source, and values from one position on each axis to the next. */
  readonly from: number;
  readonly fromSteps: readonly number[];
  /** The same in the destination. */
  readonly to: number;
  readonly toSteps: readonly number[];
}

/** Bytes of a value: float32 and int32. */
export const VALUE = 4;

/** Values from one position on each axis to the next in a contiguous array. */
export function contiguous(shape: readonly number[]): number[] {
  const steps = new Array<number>(shape.length).fill(1);
  for (let i = shape.length - 2; i >= 0; i--) steps[i] = steps[i + 1] * shape[i + 1];
  return steps;
}

export function copyBox(heap: Heap, box: Box): void {
  if (sizeOf(box.shape) === 0) return;
  const axes = mergedAxes(box);
  const last = axes.at(-1);
  let run = 1;
  if (last?.from === 1 && last.to === 1) {
    run = last.size;
    axes.pop();
  }
  copyRuns(heap, axes, box.from, box.to, run);
}

interface Axis {
  readonly size: number;
  readonly from: number;
  readonly to: number;
}

/** The box with as few axes as possible. */
function mergedAxes({ shape, fromSteps, toSteps }: Box): Axis[] {
  const axes: Axis[] = [];
  shape.forEach((size, i) => {
    if (size === 1) return;
    const [from, to] = [fromSteps[i], toSteps[i]];
    const outer = axes.at(-1);
    if (outer !== undefined && outer.from === from * size && outer.to === to * size) {
      axes[axes.length - 1] = { size: outer.size * size, from, to };
    } else {
      axes.push({ size, from, to });
    }
  });
  return axes;
}

const ONE: Axis = { size: 1, from: 0, to: 0 };

function copyRuns(heap: Heap, axes: readonly Axis[], from: number, to: number, run: number): void {
  if (axes.length > 5) {
    const [outer, ...inner] = axes;
    for (let i = 0; i < outer.size; i++) {
      copyRuns(heap, inner, from + VALUE * outer.from * i, to + VALUE * outer.to * i, run);
    }
    return;
  }
  // Threads share the first two of the kernel's five axes, so the box's outermost goes there, and its innermost last.
  const inner = axes.length < 2 ? [] : axes.slice(-Math.min(3, axes.length - 1));
  const outer = axes.slice(0, axes.length - inner.length);
  const five = [...padded(outer, 2), ...padded(inner, 3)];
  const [n0, n1, n2, n3, n4] = five.map((axis) => axis.size);
  const args = [
    ...[from, to, n1, n2, n3, n4, VALUE * run],
    ...five.map((axis) => VALUE * axis.from),
    ...five.map((axis) => VALUE * axis.to),
  ];
  heap.run('copyBox', args, { units: n0 * n1, cost: n2 * n3 * n4 * (4 * run + 4) });
}

/** Axes of one position before `axes`, to make `count`. */
function padded(axes: readonly Axis[], count: number): Axis[] {
  return [...new Array<Axis>(count - axes.length).fill(ONE), ...axes];
}
