import * as tf from '@tensorflow/tfjs-core';
import { InputError } from '../util/errors';
import { registerGaps } from './gaps';
import type { EngineLoader } from './loader';

const PACKAGES = ['webgpu', '@tensorflow/tfjs-backend-webgpu'] as const;

/** TensorFlow.js on WebGPU through Dawn's Node binding; both packages are optional peers. */
export const webgpuEngine: EngineLoader = {
  name: 'webgpu',
  summary: 'TensorFlow.js on WebGPU through Dawn (optional peers)',
  probe: () => {
    const missing = PACKAGES.filter((name) => !installed(name));
    if (missing.length > 0) {
      return Promise.resolve({
        available: false,
        detail: `not installed: ${missing.join(', ')} (npm install ${missing.join(' ')})`,
      });
    }
    return Promise.resolve({ available: true, detail: PACKAGES.join(' + ') });
  },
  async start() {
    const { create, globals } = require('webgpu') as { create(o: string[]): unknown; globals: object };
    Object.assign(globalThis, globals);
    Object.defineProperty(globalThis, 'navigator', { value: { gpu: create([]) }, configurable: true });
    require('@tensorflow/tfjs-backend-webgpu');
    registerGaps('webgpu');
    if (!(await tf.setBackend('webgpu'))) {
      throw new InputError(
        "engine 'webgpu': no usable GPU adapter was found (a Vulkan, Metal or D3D12 driver is needed)",
      );
    }
  },
};

function installed(name: string): boolean {
  try {
    require.resolve(name);
    return true;
  } catch {
    return false;
  }
}
