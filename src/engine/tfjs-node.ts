import * as util from 'node:util';
import * as tf from '@tensorflow/tfjs-core';
import { InputError } from '../util/errors';
import { isInstalled, loadPackage } from '../util/optional-package';
import { registerGaps } from './gaps';
import type { EngineLoader, EngineName, EngineStatus } from './loader';

/**
 * TensorFlow's own bindings, optional peers that a user may have installed. Version 4.22 brings TensorFlow 2.9 (CUDA 11.2
 * for the GPU form) and calls two functions that Node 23 removed; they are put back before it loads.
 */
function tfjsNode(name: EngineName, packageName: string, summary: string): EngineLoader {
  const status = (): EngineStatus => {
    // A file that a plain TensorFlow.js standing in under the package's name would not have.
    if (!isInstalled(`${packageName}/dist/nodejs_kernel_backend`)) {
      return {
        available: false,
        detail: `${packageName} is not installed (npm install ${packageName}@4.22.0)`,
      };
    }
    const { version } = loadPackage<{ version: string }>(`${packageName}/package.json`);
    return { available: true, detail: `${packageName} ${version}` };
  };
  return {
    name,
    summary,
    probe: () => Promise.resolve(status()),
    async start() {
      const legacy = util as unknown as Record<string, unknown>;
      legacy.isNullOrUndefined ??= (v: unknown) => v === null || v === undefined;
      legacy.isArray ??= Array.isArray;
      try {
        loadPackage(packageName);
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
