// A thread of the wasm engine's pool (src/engine/wasm/threads.ts, which says how jobs are handed over). It has an instance
// of the kernels of its own, on the memory that all share.
'use strict';
const { workerData } = require('node:worker_threads');

const { compiled, memory, kernelNames, control, args } = workerData;
const instance = new WebAssembly.Instance(compiled, { env: { memory } });
const kernels = kernelNames.map((name) => instance.exports[name]);
const { STATE, GENERATION, NEXT, FAILED, KERNEL, ARGUMENTS, UNITS, GRAIN, OPEN, INSIDE } = workerData.layout;

const LOOKS = 40_000;

/** Takes a place in the open job; false where there is none. */
function enter() {
  for (;;) {
    const state = Atomics.load(control, STATE);
    if ((state & OPEN) === 0) return false;
    if (Atomics.compareExchange(control, STATE, state, state + INSIDE) === state) return true;
  }
}

function work() {
  const kernel = kernels[control[KERNEL]];
  const own = Array.from(args.subarray(0, control[ARGUMENTS]));
  const units = control[UNITS];
  const grain = control[GRAIN];
  for (;;) {
    const begin = Atomics.add(control, NEXT, grain);
    if (begin >= units) return;
    kernel(...own, begin, Math.min(units, begin + grain));
  }
}

/**
 * Waits for a job after job number `seen`. Kernels follow one another within microseconds while a network trains, and
 * waking a sleeping thread takes longer than many of them: so it looks for a while (some 0.3 ms) before it sleeps.
 */
function awaitJob(seen) {
  for (let looks = 0; looks < LOOKS; looks++) {
    if (Atomics.load(control, GENERATION) !== seen) return;
  }
  Atomics.wait(control, GENERATION, seen);
}

for (let seen = 0; ; ) {
  awaitJob(seen);
  seen = Atomics.load(control, GENERATION);
  if (!enter()) continue;
  try {
    work();
  } catch {
    Atomics.store(control, FAILED, 1);
  }
  if (Atomics.sub(control, STATE, INSIDE) === INSIDE) Atomics.notify(control, STATE);
}
