/** The backend's tensors as addresses, and kernels run on them: all that the files in ./kernels need. */
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import type { DataType, TensorInfo } from '@tensorflow/tfjs-core';
import type { ThreadPool } from './threads';

/** About 50 microseconds: for less, waking threads costs more than it brings. */
const SMALL = 1_000_000;
/** Jobs are cut into so many pieces a thread that a thread which is held up leaves the others little to wait for. */
const PIECES = 4;

export interface Work {
  /** How many units the kernel's range has. */
  readonly units: number;
  /** About how many additions, multiplications and moves of a float one unit is. */
  readonly cost: number;
  /** Most units to take at a time, so that what they share stays in the cache. Default: no limit. */
  readonly most?: number;
  /** The pieces begin at multiples of this. Default 1. */
  readonly multiple?: number;
}

export class Heap {
  constructor(
    private readonly backend: BackendWasm,
    private readonly pool: ThreadPool,
    /** Jobs of fewer operations stay on one thread. */
    private readonly small = SMALL,
  ) {}

  /** A new tensor, not yet written. */
  output(shape: readonly number[], dtype: DataType = 'float32'): TensorInfo {
    return this.backend.makeOutput([...shape], dtype);
  }

  /** A new float32 tensor of one value throughout. */
  filled(shape: readonly number[], value: number): TensorInfo {
    const out = this.output(shape);
    this.fill(this.address(out), sizeOf(shape), value);
    return out;
  }

  fill(address: number, floats: number, value: number): void {
    this.run('fill', [address, value], { units: floats, cost: 2, multiple: 4 });
  }

  /** Where the values of a tensor lie. Valid until the tensor is disposed; the heap may grow but never moves. */
  address(tensor: TensorInfo): number {
    return this.backend.dataIdMap.get(tensor.dataId).memoryOffset;
  }

  /** The same values in another shape: no copy, one more owner. */
  alias(tensor: TensorInfo, shape: readonly number[]): TensorInfo {
    this.backend.incRef(tensor.dataId);
    return { dataId: tensor.dataId, shape: [...shape], dtype: tensor.dtype };
  }

  /** A new float32 scalar. */
  scalar(value: number): TensorInfo {
    return this.backend.makeOutput([], 'float32', undefined, Float32Array.of(value));
  }

  /** The values of an int32 tensor, where they lie: to be read at once, since the heap may grow. */
  integers(tensor: TensorInfo): Int32Array {
    return this.backend.typedArrayFromHeap(tensor) as Int32Array;
  }

  /** The first value of a tensor. */
  value(tensor: TensorInfo): number {
    return (this.backend.readSync(tensor.dataId, 0, 1) as Float32Array)[0];
  }

  free(tensor: TensorInfo): void {
    this.backend.disposeData(tensor.dataId);
  }

  /** What `body` makes of the address of `floats` floats that are freed afterwards. */
  withScratch<T>(floats: number, body: (address: number) => T): T {
    const scratch = this.output([floats]);
    try {
      return body(this.address(scratch));
    } finally {
      this.free(scratch);
    }
  }

  /** Runs a kernel of native/wasm on all its units, on as many threads as pay. */
  run(kernel: string, args: readonly number[], { units, cost, most = units, multiple = 1 }: Work): void {
    if (units === 0) return;
    const even = Math.ceil(units / (PIECES * this.pool.threads) / multiple) * multiple;
    const small = units * cost < this.small;
    this.pool.run(kernel, args, units, Math.max(1, Math.min(most, small ? units : even)), small);
  }
}

export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, n) => product * n, 1);
}
