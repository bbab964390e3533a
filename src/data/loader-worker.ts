/** A loader thread: makes the samples of the batch slots that it is told of. See loader-threads.ts. */
import { parentPort, workerData } from 'node:worker_threads';
import { InputError, reasonOf } from '../util/errors';
import { BatchSlot } from './batch-slot';
import { DEGRADATIONS } from './degradations';
import type { ThreadMessage, ThreadTask } from './loader-threads';
import { reopenPairs } from './pair-source';
import { PairStore } from './pair-store';
import { cutPatch, loadPair, SampleOrder, type PatchOptions } from './patches';

const task = workerData as ThreadTask;
const { size, busyWith, thread } = task;
const degradation = task.degradation === undefined ? undefined : DEGRADATIONS[task.degradation];
const options: PatchOptions = { ...task.options, degradation };
const pairs = reopenPairs(task.source);
const order = new SampleOrder(size, options.seed);
const store = new PairStore(task.shared);
const slots = task.slots.map((memory) => new BatchSlot(memory, options));
const tell = (message: ThreadMessage): void => parentPort!.postMessage(message);

async function work(number: number): Promise<void> {
  const slot = slots[number];
  for (let k = slot.take(); k !== undefined; k = slot.take()) {
    const { step } = slot;
    const index = order.indexOf((step - 1) * options.batch + k);
    Atomics.store(busyWith, thread, index);
    try {
      const pair = await store.get(index, () => loadPair(pairs, index, options));
      await cutPatch(pair, options, step, k, slot.batch);
    } catch (error) {
      slot.fail();
      tell({
        slot: number,
        error: reasonOf(error),
        input: error instanceof InputError,
        index,
      });
    }
    Atomics.store(busyWith, thread, -1);
    if (slot.finish()) tell({ slot: number });
  }
}

let last = Promise.resolve();
parentPort!.on('message', (slot: number) => {
  last = last.then(() => work(slot));
});
