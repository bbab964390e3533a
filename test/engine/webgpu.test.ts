/**
 * A smoke test of the webgpu engine where its optional packages and Chromium's software GPU (SwiftShader) are installed:
 * `npm install --no-save webgpu @tensorflow/tfjs-backend-webgpu` and Debian's `chromium`.
 */
import '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-cpu';
import { existsSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { startEngine } from '../../src/engine/engines';
import { webgpuEngine } from '../../src/engine/webgpu';
import { MimicModule } from '../../src/mimic/module';
import { SeeMoRe } from '../../src/networks/seemore';
import { variableGradients } from '../../src/nn/gradients';
import type { Module } from '../../src/nn/module';
import { meanAbsoluteError } from '../../src/ops/mean-absolute-error';
import { isInstalled } from '../../src/util/optional-package';
import { leavesNoTensors } from '../engines';

const SWIFTSHADER = '/usr/lib/chromium/vk_swiftshader_icd.json';
const here =
  isInstalled('webgpu') && isInstalled('@tensorflow/tfjs-backend-webgpu') && existsSync(SWIFTSHADER);
const SKIPPED = here ? '' : ' (skipped: its optional packages or Chromium are not installed)';

describe.skipIf(!here)(`webgpu engine on a software GPU${SKIPPED}`, () => {
  it(
    'is taken only where it is pinned, and computes what the cpu engine does',
    { timeout: 560_000 },
    async () => {
      process.env.VK_ICD_FILENAMES = SWIFTSHADER;
      delete process.env.MIMICSR_ENGINE;
      expect((await webgpuEngine.probe()).detail).toMatch(/software adapter/);
      process.env.MIMICSR_ENGINE = 'webgpu';
      const { name, detail } = await startEngine();
      expect(name, detail).toBe('webgpu');
      const onGpu = await results();
      await tf.setBackend('cpu');
      const expected = await results();
      for (const [key, values] of expected) {
        const scale = values.reduce((most, v) => Math.max(most, Math.abs(v)), 1e-6);
        const found = onGpu.get(key)!;
        const worst = values.reduce((most, v, i) => Math.max(most, Math.abs(v - found[i])), 0);
        expect(worst / scale, key).toBeLessThan(2e-3);
      }
    },
  );
});

/** Outputs and gradients of the smallest network and of the mimicking module. */
async function results(): Promise<Map<string, Float32Array>> {
  const found = new Map<string, Float32Array>();
  const add = async (
    label: string,
    module: Module,
    forward: () => tf.Tensor,
    size: number,
  ): Promise<void> => {
    const target = tf.randomUniform([1, size, size, 3], 0, 1, 'float32', 3);
    const weights = module.trainable();
    const { value, grads } = variableGradients(
      () => meanAbsoluteError(forward(), target),
      weights.map(([, p]) => p.variable),
    );
    found.set(`${label}: loss`, (await value.data()) as Float32Array);
    for (const [key, p] of weights) {
      found.set(`${label}: ${key}`, (await grads[p.variable.name].data()) as Float32Array);
    }
    tf.dispose([value, grads, target] as tf.TensorContainer);
    module.dispose();
  };
  await leavesNoTensors(async () => {
    const [h, lr] = [1, 2].map((seed) => tf.randomUniform<tf.Rank.R4>([1, 16, 16, 3], 0, 1, 'float32', seed));
    const network = new SeeMoRe({ ...new SeeMoRe().config, groups: 1 }).initialise(5);
    await add('seemore', network, () => network.forward(lr), 64);
    const module = new MimicModule().initialise(6);
    await add('mimic', module, () => module.forward(h, lr), 16);
    tf.dispose([h, lr]);
  });
  return found;
}
