import { dirname, join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { InputError } from '../util/errors';
import { registerGaps } from './gaps';
import type { EngineLoader } from './loader';

/**
 * The embedded default: TensorFlow.js's WebAssembly backend (XNNPACK, SIMD) from the npm registry alone, with the
 * kernels that it lacks for training. It runs on one thread: the backend's threads need a browser's workers.
 */
export const wasmEngine: EngineLoader = {
  name: 'wasm',
  summary: 'TensorFlow.js on WebAssembly SIMD, one thread (embedded default)',
  probe: () =>
    Promise.resolve({
      available: true,
      detail: `@tensorflow/tfjs-backend-wasm ${tf.version_core}, 1 thread`,
    }),
  async start() {
    const wasm = await import('@tensorflow/tfjs-backend-wasm');
    wasm.setWasmPaths(
      `${join(dirname(require.resolve('@tensorflow/tfjs-backend-wasm/package.json')), 'wasm-out')}/`,
    );
    // The backend's own Conv2DBackpropInput is a plain loop, an order of magnitude slower than its convolution.
    registerGaps('wasm', ['Conv2DBackpropInput']);
    if (!(await tf.setBackend('wasm'))) throw new InputError("engine 'wasm' did not start on this machine");
  },
};
