/**
 * One batch in the making, in memory that all threads share. The loader opens a slot for an iteration; threads take the
 * samples of the open slot one by one, and whoever finishes the last one says so. A closed slot has no sample to give, so
 * a thread that comes late, to a slot that others have finished or that is open for another iteration already, is never
 * wrong: the iteration is read after a sample was taken, and cannot change before that sample is done.
 */
import { batchIn, batchMemory, type PatchBatch, type PatchOptions } from './patches';

const FIELD = { step: 0, next: 1, done: 2, failed: 3 } as const;
const HEADER = 64; // bytes, the width of a cache line

export class BatchSlot {
  readonly batch: PatchBatch;
  private readonly state: Int32Array;
  private readonly size: number;

  constructor(
    readonly memory: SharedArrayBuffer,
    options: PatchOptions,
  ) {
    this.state = new Int32Array(memory, 0, HEADER / Int32Array.BYTES_PER_ELEMENT);
    this.batch = batchIn(memory, HEADER, options);
    this.size = options.batch;
  }

  static create(options: PatchOptions): BatchSlot {
    const slot = new BatchSlot(batchMemory(SharedArrayBuffer, options, HEADER), options);
    slot.state[FIELD.next] = options.batch; // closed
    return slot;
  }

  /** Opens the slot, finished or never used before, for an iteration. */
  open(step: number): void {
    const { state } = this;
    state[FIELD.step] = step;
    state[FIELD.done] = 0;
    state[FIELD.failed] = 0;
    Atomics.store(state, FIELD.next, 0);
  }

  /** Number in the batch of a sample that nobody has taken, or undefined. */
  take(): number | undefined {
    const k = Atomics.add(this.state, FIELD.next, 1);
    return k < this.size ? k : undefined;
  }

  /** Iteration of the samples that were taken and are not done. */
  get step(): number {
    return Atomics.load(this.state, FIELD.step);
  }

  /** A sample is done; true if it was the last of the batch. */
  finish(): boolean {
    return Atomics.add(this.state, FIELD.done, 1) + 1 === this.size;
  }

  /** Marks the batch as one that an error spoilt. */
  fail(): void {
    Atomics.store(this.state, FIELD.failed, 1);
  }

  get failed(): boolean {
    return Atomics.load(this.state, FIELD.failed) === 1;
  }
}
