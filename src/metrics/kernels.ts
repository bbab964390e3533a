/**
 * Where NRQM computes: float64 arrays in a WebAssembly memory, and the kernels of native/metrics that work on them, on one
 * or several threads.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ThreadPool } from '../engine/wasm/threads';
import { WebAssembly, type Memory } from '../engine/wasm/webassembly';
import { threadCount } from '../util/threads';
import { InputError } from '../util/errors';

const KERNELS = join(__dirname, '../../native/metrics/build/metrics.wasm');
const PAGE = 65536;
const MOST_PAGES = 65536;

export class MetricKernels {
  private readonly memory: Memory;
  private readonly pool: ThreadPool;
  /** First free byte. */
  private top = 64;

  constructor(threads = threadCount()) {
    if (!existsSync(KERNELS)) throw new Error(`${KERNELS} is missing: run npm run build`);
    this.memory = new WebAssembly.Memory({ initial: 1, maximum: MOST_PAGES, shared: true });
    this.pool = new ThreadPool(new WebAssembly.Module(readFileSync(KERNELS)), this.memory, threads);
  }

  /** What `body` allocates lives until it returns; what it returns must not be one of those arrays. */
  scope<T>(body: () => T): T {
    const { top } = this;
    try {
      return body();
    } finally {
      this.top = top;
    }
  }

  /** An array, not cleared. */
  float64(length: number): Float64Array {
    const at = this.reserve(length * 8); // may grow the memory: its buffer is then another object
    return new Float64Array(this.memory.buffer, at, length);
  }

  /** A copy of the values. */
  put(values: ArrayLike<number>): Float64Array {
    const array = this.float64(values.length);
    array.set(values);
    return array;
  }

  int32(values: ArrayLike<number>): Int32Array {
    const at = this.reserve(values.length * 4);
    const array = new Int32Array(this.memory.buffer, at, values.length);
    array.set(values);
    return array;
  }

  /** Runs `kernel` on the units [0, units), `grain` at a time. */
  run(
    kernel: string,
    args: readonly (number | Float64Array | Int32Array)[],
    units: number,
    grain: number,
  ): void {
    const numbers = args.map((a) => (typeof a === 'number' ? a : a.byteOffset));
    this.pool.run(kernel, numbers, units, grain, false);
  }

  /** Ends the threads. */
  end(): Promise<void> {
    return this.pool.end();
  }

  private reserve(bytes: number): number {
    const at = this.top;
    this.top = Math.ceil((at + bytes) / 64) * 64;
    const missing = Math.ceil(this.top / PAGE) - this.memory.buffer.byteLength / PAGE;
    if (missing > 0) {
      try {
        this.memory.grow(missing);
      } catch {
        this.top = at;
        throw new InputError(
          `the picture is too large: NRQM needs more than the ${MOST_PAGES / 16384} GiB it may have`,
        );
      }
    }
    return at;
  }
}
