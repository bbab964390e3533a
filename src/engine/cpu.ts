import * as tf from '@tensorflow/tfjs-core';
import type { EngineLoader } from './loader';

/** TensorFlow.js in plain JavaScript: slow, complete, and the reference of the parity tests. */
export const cpuEngine: EngineLoader = {
  name: 'cpu',
  summary: 'TensorFlow.js in plain JavaScript (tests, last resort)',
  probe: () =>
    Promise.resolve({ available: true, detail: `@tensorflow/tfjs-backend-cpu ${tf.version_core}` }),
  async start() {
    await import('@tensorflow/tfjs-backend-cpu');
    tf.enableProdMode(); // no advice to install other bindings
    await tf.setBackend('cpu');
  },
};
