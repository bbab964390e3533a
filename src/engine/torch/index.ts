/**
 * The torch engine: TensorFlow.js on libtorch's kernels through the kit's own addon (native/), on the CPU or a GPU.
 *
 * MIMICSR_DEVICE: `cpu` (default) or `cuda:N`. MIMICSR_THREADS: CPU threads, default all cores.
 */
import { availableParallelism } from 'node:os';

import * as tf from '@tensorflow/tfjs-core';

import { InputError, reasonOf } from '../../util/errors';
import { threadCount } from '../../util/threads';
import type { EngineLoader, EngineStatus } from '../loader';
import { type Addon, builtAgainst, loadAddon } from './addon';
import { BACKEND, registerTorch } from './register';

const BUILD =
  'install libtorch (`apt-get install libtorch-dev`, or `pip install torch`), then run `npm run build:torch`';

let loaded: Addon | undefined;

/** Loads the addon once; the sentence says why it cannot be. */
function load(): Addon | string {
  if (loaded !== undefined) return loaded;
  let built: ReturnType<typeof builtAgainst>;
  try {
    built = builtAgainst();
    if (built === undefined) return `its addon is not built: ${BUILD}`;
    loaded = loadAddon();
    return loaded;
  } catch (error) {
    const version = built?.libtorch ?? 'of unknown version';
    return `its addon, built against libtorch ${version}, does not load (${reasonOf(error)}): ${BUILD} again`;
  }
}

function device(): string {
  const name = process.env.MIMICSR_DEVICE || 'cpu';
  if (!/^(cpu|cuda(:\d+)?)$/.test(name)) {
    throw new InputError(`MIMICSR_DEVICE: expected "cpu" or "cuda:N", found "${name}"`);
  }
  return name;
}

function probe(): EngineStatus {
  const addon = load();
  if (typeof addon === 'string') return { available: false, detail: addon };
  const where =
    process.env.MIMICSR_DEVICE || `cpu, ${process.env.MIMICSR_THREADS || availableParallelism()} threads`;
  return { available: true, detail: `libtorch ${addon.libtorch} on ${where}` };
}

export const torchEngine: EngineLoader = {
  name: 'torch',
  summary: "PyTorch's kernels (libtorch) under TensorFlow.js, CPU or CUDA",
  probe: () => Promise.resolve(probe()),
  async start() {
    const addon = load();
    if (typeof addon === 'string') throw new InputError(`engine 'torch': ${addon}`);
    const name = device();
    if (name !== 'cpu' && !addon.cuda) {
      throw new InputError(
        `engine 'torch': MIMICSR_DEVICE is "${name}", but libtorch ${addon.libtorch} sees no CUDA GPU`,
      );
    }
    try {
      addon.start(name, threadCount());
    } catch (error) {
      throw new InputError(`engine 'torch': ${reasonOf(error)}`);
    }
    if (tf.findBackend(BACKEND) === null) registerTorch(addon);
    tf.enableProdMode();
    await tf.setBackend(BACKEND);
  },
};
