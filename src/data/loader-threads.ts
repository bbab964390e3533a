/**
 * The loader's threads: they make batches ahead of the training, into a fixed number of slots, the bounded queue. A slot
 * whose batch was used is opened for the next iteration; while no slot is free the threads rest.
 *
 * The threads need nothing from the calling thread to go on (training keeps it busy for a whole step at a time): samples
 * are taken from a shared counter, decoded pairs lie in shared memory, and a message comes only when a batch is done.
 */
import { extname, join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { InputError } from '../util/errors';
import { BatchSlot } from './batch-slot';
import type { DegradationName } from './degradations';
import { originOf } from './pair-source';
import { PairStore, type SharedPairs } from './pair-store';
import type { PairSource } from './pairs';
import type { PatchBatch, PatchOptions } from './patches';

/** What a thread starts with. */
export interface ThreadTask {
  readonly source: PairSource;
  /** Pairs in the set. */
  readonly size: number;
  readonly options: Omit<PatchOptions, 'degradation'>;
  readonly degradation?: DegradationName | undefined;
  readonly shared: SharedPairs;
  readonly slots: readonly SharedArrayBuffer[];
  /** The pair that each thread is working on, or -1: for the message if it dies. */
  readonly busyWith: Int32Array;
  readonly thread: number;
}

/** From a thread: all samples of a slot are done, or one of them failed (which is done as well). */
export type ThreadMessage =
  | { readonly slot: number; readonly error?: undefined }
  | { readonly slot: number; readonly error: string; readonly input: boolean; readonly index: number };

/** Batches made ahead, besides the one in use. */
const AHEAD = 3;

/** Beside this file and of its kind: TypeScript where the sources run, JavaScript where the build does. */
const WORKER = join(__dirname, `loader-worker${extname(__filename)}`);

/** What was promised of a slot. */
interface Promised {
  readonly step: number;
  readonly batch: Promise<PatchBatch>;
  readonly resolve: (batch: PatchBatch) => void;
  readonly reject: (error: Error) => void;
  /** All its samples are done. */
  complete?: boolean;
  error?: Error;
}

export class LoaderThreads {
  private readonly slots: BatchSlot[];
  private readonly promised: (Promised | undefined)[];
  private readonly workers: Worker[];
  private readonly busyWith: Int32Array;
  private ended?: Error;
  /** Slot of the batch that the caller has in use. */
  private inUse?: number;
  private turn: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly source: PairSource,
    size: number,
    options: Omit<PatchOptions, 'degradation'>,
    degradation: DegradationName | undefined,
    threads: number,
    cacheBytes: number,
  ) {
    this.slots = Array.from({ length: AHEAD + 1 }, () => BatchSlot.create(options));
    this.promised = this.slots.map(() => undefined);
    this.busyWith = new Int32Array(new SharedArrayBuffer(threads * Int32Array.BYTES_PER_ELEMENT)).fill(-1);
    const { shared } = PairStore.create(size, cacheBytes);
    const slots = this.slots.map(({ memory }) => memory);
    this.workers = Array.from({ length: threads }, (_, thread) => {
      const { busyWith } = this;
      const task: ThreadTask = { source, size, options, degradation, shared, slots, busyWith, thread };
      const worker = new Worker(WORKER, { workerData: task });
      worker.on('message', (message: ThreadMessage) => this.hear(message));
      worker.on('error', (error) => this.died(thread, error.message));
      worker.on('exit', (code) => this.died(thread, `it ended with code ${code}`));
      worker.unref(); // idle threads do not keep the process alive
      return worker;
    });
  }

  /** Batch of iteration `step`; its arrays are written anew after the next call. */
  batch(step: number): Promise<PatchBatch> {
    const batch = this.turn.then(() => this.next(step));
    this.turn = batch.catch(() => undefined);
    return batch;
  }

  private async next(step: number): Promise<PatchBatch> {
    if (this.ended !== undefined) throw this.ended;
    let slot = this.promised.findIndex((p) => p?.step === step && p.error === undefined);
    if (slot < 0) {
      // The first iteration, or not the one that was expected: what was made ahead is for nothing.
      await Promise.allSettled(this.promised.flatMap((p) => p?.batch ?? []));
      this.slots.forEach((_, i) => this.open(i, step + i));
      slot = 0;
    } else if (this.inUse !== undefined && this.inUse !== slot) {
      this.open(this.inUse, step + AHEAD);
    }
    this.inUse = slot;
    for (const worker of this.workers) worker.ref();
    try {
      return await this.promised[slot]!.batch;
    } finally {
      for (const worker of this.workers) worker.unref();
    }
  }

  private open(slot: number, step: number): void {
    let [resolve, reject]: [Promised['resolve'], Promised['reject']] = [() => undefined, () => undefined];
    const batch = new Promise<PatchBatch>((...both) => ([resolve, reject] = both));
    batch.catch(() => undefined); // whoever asks for the batch gets the error; nobody may ask
    this.promised[slot] = { step, batch, resolve, reject };
    if (this.ended !== undefined) reject(this.ended);
    this.slots[slot].open(step);
    for (const worker of this.workers) worker.postMessage(slot);
  }

  /** A slot is settled when all its samples are done and, where one failed, its error has come (from any thread). */
  private hear(message: ThreadMessage): void {
    const promised = this.promised[message.slot]!;
    const slot = this.slots[message.slot];
    if (message.error === undefined) promised.complete = true;
    else if (message.input) promised.error ??= new InputError(message.error);
    else promised.error ??= new Error(`${originOf(this.source, message.index)}: ${message.error}`);
    if (!promised.complete) return;
    if (!slot.failed) promised.resolve(slot.batch);
    else if (promised.error !== undefined) promised.reject(promised.error);
  }

  private died(thread: number, reason: string): void {
    const index = this.busyWith[thread];
    const where = index < 0 ? '' : ` while it worked on ${originOf(this.source, index)}`;
    void this.end(new Error(`a loader thread failed${where}: ${reason}`));
  }

  private async end(why: Error): Promise<void> {
    if (this.ended === undefined) {
      this.ended = why;
      for (const promised of this.promised) promised?.reject(why);
    }
    await Promise.all(this.workers.map((worker) => worker.terminate()));
  }

  /** Ends the threads. */
  close(): Promise<void> {
    return this.end(new Error('the loader is closed'));
  }
}
