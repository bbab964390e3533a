/**
 * The embedded default: TensorFlow.js's WebAssembly backend from the npm registry, under the kit's own SIMD kernels
 * (native/wasm) for all that training spends its time on, on all cores.
 *
 * MIMICSR_THREADS: threads, default all cores. Results do not depend on their number.
 */
import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { InputError } from '../../util/errors';
import { threadCount } from '../../util/threads';
import { registerGaps } from '../gaps';
import type { EngineLoader } from '../loader';
import { createBackend } from './backend';
import { Heap } from './heap';
import { registerKernels } from './register';
import { ThreadPool } from './threads';
import { WebAssembly } from './webassembly';

const KERNELS = join(__dirname, '../../../native/wasm/build/kernels.wasm');

export const wasmEngine: EngineLoader = {
  name: 'wasm',
  summary: "TensorFlow.js on WebAssembly with the kit's own SIMD kernels (embedded default)",
  probe: () => {
    const threads = process.env.MIMICSR_THREADS || String(availableParallelism());
    return Promise.resolve(
      existsSync(KERNELS)
        ? {
            available: true,
            detail: `@tensorflow/tfjs-backend-wasm ${tf.version_core}, ${threads} thread${threads === '1' ? '' : 's'}`,
          }
        : { available: false, detail: 'its kernels are not built: run `npm run build`' },
    );
  },
  async start() {
    const threads = threadCount();
    const { backend, memory } = await createBackend();
    const pool = new ThreadPool(new WebAssembly.Module(readFileSync(KERNELS)), memory, threads);
    tf.removeBackend('wasm');
    tf.registerBackend('wasm', () => backend);
    registerGaps('wasm');
    registerKernels(new Heap(backend, pool));
    if (!(await tf.setBackend('wasm'))) throw new InputError("engine 'wasm' did not start on this machine");
  },
};
