/**
 * The pool that runs one kernel at a time on several threads, each with an instance of the kernels of its own on the
 * shared memory (native/wasm/worker.cjs).
 *
 * A job is a kernel, its arguments and a number of units; threads take `grain` units at a time from a common counter
 * until there are none. The calling thread works as well and waits for no thread that has not begun: a job is open while
 * its caller works, threads enter and leave, and the caller, done, closes it and waits for those inside. So a thread that
 * wakes late finds the job closed, and only a closed and empty job is written over.
 */
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { WebAssembly, type Memory, type Module } from './webassembly';

type Kernel = (...args: number[]) => void;

/** Places in the control block, and the bits of its state: one for open, the rest count who is inside. */
const LAYOUT = {
  STATE: 0,
  GENERATION: 1,
  NEXT: 2,
  FAILED: 3,
  KERNEL: 4,
  ARGUMENTS: 5,
  UNITS: 6,
  GRAIN: 7,
  OPEN: 1,
  INSIDE: 2,
} as const;
const { STATE, GENERATION, NEXT, FAILED, KERNEL, ARGUMENTS, UNITS, GRAIN, OPEN } = LAYOUT;
const MOST_ARGUMENTS = 32;

/** Looks at the state so often before the caller sleeps: the last units are done within microseconds, as a rule. */
const SPINS = 2000;

const WORKER = join(__dirname, '../../../native/wasm/worker.cjs');

export class ThreadPool {
  private readonly control = new Int32Array(new SharedArrayBuffer(4 * 16));
  private readonly args = new Float64Array(new SharedArrayBuffer(8 * MOST_ARGUMENTS));
  private readonly kernelNames: string[];
  private readonly kernels: Kernel[];
  private readonly workers: Worker[];

  /** @param threads how many work on a job, the caller included */
  constructor(
    compiled: Module,
    memory: Memory,
    readonly threads: number,
  ) {
    const { exports } = new WebAssembly.Instance(compiled, { env: { memory } });
    this.kernelNames = Object.keys(exports);
    this.kernels = this.kernelNames.map((name) => exports[name]);
    const { control, args, kernelNames } = this;
    this.workers = Array.from({ length: threads - 1 }, () => {
      const worker = new Worker(WORKER, {
        workerData: { compiled, memory, kernelNames, control, args, layout: LAYOUT },
      });
      worker.unref(); // an idle pool does not keep the process alive
      return worker;
    });
  }

  /** Runs `kernel` on the units [0, units), `grain` at a time; on one thread where `small`. */
  run(name: string, args: readonly number[], units: number, grain: number, small: boolean): void {
    const index = this.kernelNames.indexOf(name);
    if (index < 0) throw new Error(`the wasm engine has no kernel ${name}: run npm run build again`);
    const kernel = this.kernels[index];
    if (small || this.workers.length === 0 || units <= grain) {
      for (let begin = 0; begin < units; begin += grain) {
        kernel(...args, begin, Math.min(units, begin + grain));
      }
      return;
    }
    const { control } = this;
    this.args.set(args);
    control[KERNEL] = index;
    control[ARGUMENTS] = args.length;
    control[UNITS] = units;
    control[GRAIN] = grain;
    control[NEXT] = 0;
    control[FAILED] = 0;
    Atomics.store(control, STATE, OPEN);
    Atomics.add(control, GENERATION, 1);
    Atomics.notify(control, GENERATION, Math.ceil(units / grain) - 1);
    try {
      for (;;) {
        const begin = Atomics.add(control, NEXT, grain);
        if (begin >= units) break;
        kernel(...args, begin, Math.min(units, begin + grain));
      }
    } finally {
      this.close();
    }
    if (Atomics.load(control, FAILED) !== 0)
      throw new Error(`kernel ${name} failed in a thread of the wasm engine`);
  }

  private close(): void {
    const { control } = this;
    Atomics.and(control, STATE, ~OPEN);
    for (let spins = 0; ; spins++) {
      const state = Atomics.load(control, STATE);
      if (state === 0) return;
      if (spins > SPINS) Atomics.wait(control, STATE, state);
    }
  }

  /** Ends the threads. */
  async end(): Promise<void> {
    await Promise.all(this.workers.map((worker) => worker.terminate()));
  }
}
