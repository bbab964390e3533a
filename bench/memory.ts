/**
 * node --expose-gc -r ./bench/register.cjs bench/memory.ts [--network NAME] [--steps N] [--batch N] [--patch N] [--shallow] [--samples]: many
 * training steps of one process, with what is held meanwhile: TensorFlow.js's tensors, the resident memory, and of it what JavaScript
 * holds (its heap and array buffers). The growth is the slope of a line through the second half, after garbage collection: a
 * leak of one small map a step would be seen. The engine is the one that MIMICSR_ENGINE names.
 */
import { parseArgs } from 'node:util';
import * as tf from '@tensorflow/tfjs-core';
import { startEngine } from '../src/engine/engines';
import { Dat, DAT_PRESETS } from '../src/networks/dat';
import { createNetwork, NETWORK_NAMES, type NetworkName } from '../src/networks/networks';
import { RRDBNET_PRESETS, RrdbNet } from '../src/networks/rrdbnet';
import { SEEMORE_PRESETS, SeeMoRe } from '../src/networks/seemore';
import type { SrNetwork } from '../src/networks/sr-network';
import { SwinIr, SWINIR_PRESETS } from '../src/networks/swinir';
import { knownName } from '../src/util/errors';
import { training } from './kit/training';

const { values } = parseArgs({
  options: {
    network: { type: 'string', default: 'seemore' },
    preset: { type: 'string' },
    steps: { type: 'string', default: '10000' },
    batch: { type: 'string', default: '1' },
    patch: { type: 'string', default: '16' },
    /** Every kind of layer, as few of them as there can be: a leak of one is seen as well, in a fifth of the time. */
    shallow: { type: 'boolean', default: false },
    /** Print every sample: step, resident MiB, JavaScript's MiB. */
    samples: { type: 'boolean', default: false },
  },
});
const SAMPLES = 40;

const SHALLOW: Readonly<Record<NetworkName, () => SrNetwork>> = {
  rrdbnet: () => new RrdbNet({ ...RRDBNET_PRESETS.light, blocks: 1 }),
  swinir: () => new SwinIr({ ...SWINIR_PRESETS.light, depths: [2], heads: [6] }),
  dat: () => new Dat({ ...DAT_PRESETS.light, depths: [4] }),
  seemore: () => new SeeMoRe({ ...SEEMORE_PRESETS.tiny, groups: 1 }),
};

/** @throws InputError for an unknown name or preset */
function networkAsked(): SrNetwork {
  if (!values.shallow) return createNetwork(values.network, values.preset);
  return SHALLOW[knownName('network', values.network, NETWORK_NAMES)]();
}

/** Least-squares slope of y over x. */
function slope(points: readonly (readonly [number, number])[]): number {
  const mean = (k: 0 | 1): number => points.reduce((sum, p) => sum + p[k], 0) / points.length;
  const [mx, my] = [mean(0), mean(1)];
  const covariance = points.reduce((sum, [x, y]) => sum + (x - mx) * (y - my), 0);
  return covariance / points.reduce((sum, [x]) => sum + (x - mx) ** 2, 0);
}

async function main(): Promise<void> {
  const collect = globalThis.gc;
  if (collect === undefined) throw new Error('run node with --expose-gc');
  const { name, detail } = await startEngine();
  const [steps, batch, patch] = [values.steps, values.batch, values.patch].map(Number);
  const network = networkAsked();
  const lr = tf.randomUniform<tf.Rank.R4>([batch, patch, patch, 3]);
  const hr = tf.randomUniform([batch, 4 * patch, 4 * patch, 3]);
  const step = training(network, () => network.forward(lr), hr);
  const resident: [number, number][] = [];
  const heap: [number, number][] = [];
  const tensors = new Set<number>();
  for (let i = 1; i <= steps; i++) {
    await step();
    tensors.add(tf.memory().numTensors);
    if (i % Math.ceil(steps / SAMPLES) !== 0) continue;
    collect();
    const { rss, heapUsed, external } = process.memoryUsage();
    resident.push([i, rss / 2 ** 20]);
    heap.push([i, (heapUsed + external) / 2 ** 20]);
  }
  const half = resident.slice(resident.length / 2);
  if (values.samples)
    for (const [k, [i, mib]] of resident.entries())
      process.stdout.write(`${i} ${mib.toFixed(1)} ${heap[k][1].toFixed(1)}\n`);
  const line =
    `${values.network}${values.shallow ? ', shallow' : ''}, batch ${batch}, patch ${patch}, ${steps} steps on ${name} (${detail}): tensors after a step ` +
    `${[...tensors].join(', ')}; resident ${resident[0][1].toFixed(0)} MiB at step ${resident[0][0]}, ` +
    `${half[0][1].toFixed(0)} at ${half[0][0]}, ${half.at(-1)![1].toFixed(0)} at the end; ` +
    `slope of the second half ${(slope(half) * 1000).toFixed(2)} MiB a thousand steps, of what JavaScript holds ` +
    `${(slope(heap.slice(heap.length / 2)) * 1000).toFixed(2)} (${heap.at(-1)![1].toFixed(0)} MiB at the end)`;
  process.stdout.write(`${line}\n`);
}

void main();
