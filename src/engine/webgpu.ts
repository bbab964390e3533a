import * as tf from '@tensorflow/tfjs-core';
import { InputError, reasonOf } from '../util/errors';
import { isInstalled, loadPackage } from '../util/optional-package';
import { registerGaps } from './gaps';
import type { EngineLoader, EngineStatus } from './loader';

const PACKAGES = ['webgpu', '@tensorflow/tfjs-backend-webgpu'] as const;

/** The part of WebGPU that is used here. */
interface Adapter {
  readonly info: { readonly description: string; readonly architecture: string };
}
interface Gpu {
  requestAdapter(): Promise<Adapter | null>;
}
interface Dawn {
  readonly create: (options: string[]) => Gpu;
  readonly globals: object;
}

/** Drivers that compute on the processor: slower than `wasm`, so used only where the engine is pinned. */
const SOFTWARE = /swiftshader|llvmpipe|lavapipe|software/i;

/** TensorFlow.js on WebGPU through Dawn's Node binding; both packages are optional peers. */
export const webgpuEngine: EngineLoader = {
  name: 'webgpu',
  summary: 'TensorFlow.js on WebGPU through Dawn (optional peers)',
  probe: status,
  async start() {
    const { create, globals } = loadPackage<Dawn>('webgpu');
    Object.assign(globalThis, globals);
    Object.defineProperty(globalThis, 'navigator', { value: { gpu: create([]) }, configurable: true });
    loadPackage('@tensorflow/tfjs-backend-webgpu');
    registerGaps('webgpu');
    if (!(await tf.setBackend('webgpu'))) throw new InputError("engine 'webgpu': the backend did not start");
  },
};

async function status(): Promise<EngineStatus> {
  const missing = PACKAGES.filter((name) => !isInstalled(name));
  if (missing.length > 0) {
    const names = missing.join(' ');
    return { available: false, detail: `not installed: ${names} (npm install ${names})` };
  }
  let adapter: Adapter | null;
  try {
    adapter = await loadPackage<Dawn>('webgpu').create([]).requestAdapter();
  } catch (error) {
    return {
      available: false,
      detail: `webgpu does not load (${reasonOf(error)}): npm install webgpu again`,
    };
  }
  if (adapter === null) {
    return { available: false, detail: 'no GPU adapter (a Vulkan, Metal or D3D12 driver is needed)' };
  }
  const name = `${adapter.info.description} ${adapter.info.architecture}`.trim();
  const pinned = process.env.MIMICSR_ENGINE === 'webgpu';
  if (SOFTWARE.test(name) && !pinned) {
    return {
      available: false,
      detail: `${name} is a software adapter, slower than wasm (MIMICSR_ENGINE=webgpu takes it)`,
    };
  }
  return { available: true, detail: name };
}
