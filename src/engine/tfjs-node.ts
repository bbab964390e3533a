import type { EngineLoader, EngineName } from './loader';
import { InputError } from '../util/errors';
import { registerGaps } from './gaps';
import * as tf from '@tensorflow/tfjs-core';

/**
 * TensorFlow's own bindings, optional peers that a user may have installed. Version 4.22 brings TensorFlow 2.9 (CUDA 11.2
 * for the GPU form) and calls two functions that Node 23 removed; they are put back before it loads.
 */
function tfjsNode(name: EngineName, packageName: string, summary: string): EngineLoader {
  const missing = `${packageName} is not installed (npm install ${packageName}@4.22.0)`;
  return {
    name,
    summary,
    probe: () => {
      try {
        const manifest = require(`${packageName}/package.json`) as { version: string };
        // A build of the kit may stand in for the package with plain TensorFlow.js; that is not the native engine.
        require.resolve(`${packageName}/dist/nodejs_kernel_backend`);
        return Promise.resolve({ available: true, detail: `${packageName} ${manifest.version}` });
      } catch {
        return Promise.resolve({ available: false, detail: missing });
      }
    },
    async start() {
      const util = require('node:util') as Record<string, unknown>;
      util.isNullOrUndefined ??= (v: unknown) => v === null || v === undefined;
      util.isArray ??= Array.isArray;
      try {
        require(packageName);
      } catch (error) {
        throw new InputError(`engine '${name}': ${packageName} does not load: ${(error as Error).message}`);
      }
      registerGaps('tensorflow');
      if (!(await tf.setBackend('tensorflow')))
        throw new InputError(`engine '${name}': backend did not start`);
    },
  };
}

export const tfjsNodeGpuEngine = tfjsNode(
  'node-gpu',
  '@tensorflow/tfjs-node-gpu',
  'TensorFlow 2.9 on CUDA 11 (optional peer)',
);
export const tfjsNodeEngine = tfjsNode(
  'node',
  '@tensorflow/tfjs-node',
  'TensorFlow 2.9 on the CPU (optional peer)',
);
