/**
 * TensorFlow's own bindings cannot be installed everywhere, so this holds the list of what they register (made from the
 * published sources by scripts/tfjs-node-kernels.cjs) against what the kit runs: nothing may be missing from both it and
 * `engine/gaps`.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { registerGaps } from '../../src/engine/gaps';
import { startEngine } from '../../src/engine/engines';
import { loadFlowEstimator } from '../../src/flow/estimators';
import { createMimicProcess } from '../../src/mimic/process';
import { mimicConfig } from '../../src/mimic/config';
import { Dat, DAT_PRESETS } from '../../src/networks/dat';
import { RrdbNet } from '../../src/networks/rrdbnet';
import { SeeMoRe, SEEMORE_PRESETS } from '../../src/networks/seemore';
import type { SrNetwork } from '../../src/networks/sr-network';
import { SwinIr, SWINIR_PRESETS } from '../../src/networks/swinir';
import type { Module } from '../../src/nn/module';
import { variableGradients } from '../../src/nn/gradients';
import { meanAbsoluteError } from '../../src/ops/mean-absolute-error';
import { Adam } from '../../src/train/adam';
import { Random } from '../../src/util/random';

const published = JSON.parse(readFileSync(join(__dirname, 'tfjs-node-kernels.json'), 'utf8')) as {
  package: string;
  kernels: string[];
};

/** Names of the kernels that run while `body` does, on the cpu engine: it has none of the kit's fused ones. */
async function kernelsOf(body: () => Promise<void>): Promise<Set<string>> {
  const used = new Set<string>();
  const kernels = tf.getKernelsForBackend('cpu');
  const original = kernels.map(({ kernelFunc }) => kernelFunc);
  kernels.forEach((config, i) => {
    config.kernelFunc = (call) => {
      used.add(config.kernelName);
      return original[i](call);
    };
  });
  try {
    await body();
  } finally {
    kernels.forEach((config, i) => (config.kernelFunc = original[i]));
  }
  return used;
}

const NETWORKS: Record<string, () => SrNetwork> = {
  RRDBNet: () => new RrdbNet({ channels: 4, growth: 2, blocks: 1 }),
  SwinIR: () => new SwinIr({ ...SWINIR_PRESETS.light, channels: 12, depths: [2], heads: [2] }),
  DAT: () => new Dat({ ...DAT_PRESETS.light, channels: 32, depths: [4], heads: [2], split: [4, 8] }),
  SeeMoRe: () => new SeeMoRe({ ...SEEMORE_PRESETS.tiny, channels: 8, groups: 1 }),
};

/** Gradients, clip and Adam. */
async function step(module: Module, loss: () => tf.Scalar): Promise<void> {
  const weights = module.trainable();
  const { value, grads } = variableGradients(
    loss,
    weights.map(([, p]) => p.variable),
  );
  const adam = new Adam(weights, { betas: [0.9, 0.9], epsilon: 1e-8, clip: 0.01 });
  await adam.step(
    weights.map(([, p]) => grads[p.variable.name]),
    1e-3,
  );
  tf.dispose([value, grads] as tf.TensorContainer);
  adam.dispose();
}

describe(`kernels of ${published.package}`, () => {
  it('with the gaps serve a training step of every network and of the mimicking process', async () => {
    await startEngine('cpu');
    const used = await kernelsOf(async () => {
      const [lr, hr] = [16, 64].map((side) => tf.randomUniform<tf.Rank.R4>([2, side, side, 3]));
      for (const make of Object.values(NETWORKS)) {
        const network = make().initialise(1).train(true, new Random(1));
        await step(network, () => meanAbsoluteError(network.forward(lr), hr));
        network.dispose();
      }
      const mimic = createMimicProcess(
        mimicConfig({ flow: 'none', mask: false, noise: false, colour: 'cielab', phase: 'module' }),
        1,
      );
      const network = new SeeMoRe(); // not trained here
      const small = { lr: tf.zeros<tf.Rank.R4>([1, 8, 8, 3]), hr: tf.zeros<tf.Rank.R4>([1, 32, 32, 3]) };
      const losses = (): tf.Scalar[] => Object.values(mimic.losses(network, small, 1)).map((t) => t.value);
      await step(mimic.helper!, () => tf.addN<tf.Scalar>(losses()));
      const flow = loadFlowEstimator('small');
      tf.tidy(() => flow.estimate(lr, lr));
      flow.dispose();
      mimic.helper!.dispose();
      tf.dispose([lr, hr, small]);
    });
    expect(used.size).toBeGreaterThan(30);
    // The same registration as at the engine's start, on a backend without any kernel.
    registerGaps('no such backend');
    const gaps = tf.getKernelsForBackend('no such backend').map(({ kernelName }) => kernelName);
    const served = new Set([...published.kernels, ...gaps]);
    expect([...used].filter((name) => !served.has(name))).toEqual([]);
  });
});
