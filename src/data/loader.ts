/**
 * Batches of training patches, in this thread or in threads of its own. What batch n holds depends on the seed and n
 * alone, for any number of threads, so a resumed run sees what an uninterrupted one would have seen.
 */
import { availableParallelism, totalmem } from 'node:os';
import { InputError } from '../util/errors';
import { threadCount } from '../util/threads';
import { DEGRADATION_NAMES, DEGRADATIONS } from './degradations';
import { LoaderThreads } from './loader-threads';
import { PairStore } from './pair-store';
import type { PairSet } from './pairs';
import {
  batchIn,
  batchMemory,
  cutPatch,
  loadPair,
  SampleOrder,
  type PatchBatch,
  type PatchOptions,
} from './patches';

export type { PatchBatch } from './patches';

export interface LoaderOptions extends Omit<PatchOptions, 'scale'> {
  /** HR pixels a LR pixel. Default 4. */
  readonly scale?: number;
  /** Memory for decoded pairs, bytes. Default: a quarter of this process's share of the machine's. */
  readonly cacheBytes?: number;
  /** Threads that make batches ahead (see `loaderThreads`); 0, the default, makes each batch when it is asked for. */
  readonly workers?: number;
}

/** Loader threads that suit this machine: half of the CPU threads that may be used, at most 8. */
export function loaderThreads(): number {
  return Math.min(8, Math.floor(threadCount() / 2));
}

export class PairLoader {
  private readonly options: PatchOptions;
  private readonly order: SampleOrder;
  private readonly store?: PairStore;
  private readonly threads?: LoaderThreads;

  /**
   * Patches are made in threads where pairs and degradation can be named to another thread (`PairSet.source`, a
   * degradation of the kit's own), else in this one.
   * @throws InputError for a set without pairs
   */
  constructor(
    readonly pairs: PairSet,
    { scale = 4, cacheBytes = memoryShare() / 4, workers = 0, ...options }: LoaderOptions,
  ) {
    if (pairs.size === 0) throw new InputError(`no pairs to train on: ${pairs.description}`);
    this.options = { ...options, scale };
    this.order = new SampleOrder(pairs.size, options.seed);
    const { source } = pairs;
    const { degradation, ...plain } = this.options;
    const name = DEGRADATION_NAMES.find((n) => DEGRADATIONS[n] === degradation);
    if (workers > 0 && source !== undefined && (degradation === undefined || name !== undefined)) {
      this.threads = new LoaderThreads(source, pairs.size, plain, name, workers, cacheBytes);
    } else {
      this.store = PairStore.create(pairs.size, cacheBytes);
    }
  }

  /**
   * Batch of iteration `step` (1-based). Its arrays are the loader's own: they hold this batch until the next call. Threads
   * go on with the iterations after it.
   * @throws InputError on a pair that cannot be read or is smaller than the patch, naming it
   */
  async batch(step: number): Promise<PatchBatch> {
    if (this.threads !== undefined) return this.threads.batch(step);
    const { options } = this;
    const batch = batchIn(batchMemory(ArrayBuffer, options), 0, options);
    for (let k = 0; k < options.batch; k++) {
      const index = this.order.indexOf((step - 1) * options.batch + k);
      const pair = await this.store!.get(index, () => loadPair(this.pairs, index, options));
      await cutPatch(pair, options, step, k, batch);
    }
    return batch;
  }

  /** The names of the pairs that the batch of an iteration is cut from, which are read for it. */
  async names(step: number): Promise<string[]> {
    const { batch } = this.options;
    const first = (step - 1) * batch;
    const indices = Array.from({ length: batch }, (_, k) => this.order.indexOf(first + k));
    return Promise.all(indices.map(async (index) => (await this.pairs.load(index)).name));
  }

  /** Ends the loader's threads. */
  async close(): Promise<void> {
    await this.threads?.close();
  }
}

/** Bytes of memory that fall to this process: runs side by side share the cores (MIMICSR_THREADS), and so the memory. */
function memoryShare(): number {
  const memory = Math.min(totalmem(), process.constrainedMemory() || Infinity);
  return memory * Math.min(1, threadCount() / availableParallelism());
}
