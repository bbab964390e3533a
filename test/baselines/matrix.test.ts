/**
 * Every SR network trains by every process: reduced networks, tiny patches, a few iterations over one batch. What comes
 * before the SR network's training (`preparation`) has tests of its own; here the pairs are the camera's.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cameraPairs, scenePhotos } from '../../src/data/camera-pairs';
import { PairLoader, type PatchBatch } from '../../src/data/loader';
import type { TrainingProcess } from '../../src/losses/training-process';
import { Dat, DAT_PRESETS } from '../../src/networks/dat';
import type { NetworkName } from '../../src/networks/networks';
import { RrdbNet } from '../../src/networks/rrdbnet';
import { SeeMoRe, SEEMORE_PRESETS } from '../../src/networks/seemore';
import type { SrNetwork } from '../../src/networks/sr-network';
import { SwinIr, SWINIR_PRESETS } from '../../src/networks/swinir';
import { loadCheckpoint, saveCheckpoint } from '../../src/train/checkpoint';
import { PROCESS_NAMES, processConfig, recipe } from '../../src/train/config';
import { createProcess } from '../../src/train/processes';
import { processTrainer, type Trainer } from '../../src/train/trainer';
import { startTestEngine, TEST_ENGINE } from '../engines';

const NETWORKS: Record<NetworkName, () => SrNetwork> = {
  rrdbnet: () => new RrdbNet({ channels: 8, growth: 4, blocks: 1 }),
  swinir: () => new SwinIr({ ...SWINIR_PRESETS.light, channels: 12, depths: [2], heads: [2] }),
  dat: () => new Dat({ ...DAT_PRESETS.light, channels: 32, depths: [2], heads: [2], split: [4, 8] }),
  seemore: () => new SeeMoRe({ ...SEEMORE_PRESETS.tiny, channels: 12, groups: 1 }),
};

/** What lets a process run without downloads, and lightly; the others run as they are. */
const OPTIONS: Partial<Record<string, object>> = {
  'alignment-loss': { flow: 'small', gcm: 'plain' },
  cx: { features: 'random-orthogonal', layers: { relu3_1: 1 } },
  cobi: { features: 'random-orthogonal', layers: { relu3_1: 1 }, patches: { side: 4, weight: 1 } },
  'pseudo-gt': { flow: 'small', features: 'random-orthogonal' },
  mimic: { flow: 'small', colour: 'cielab' },
};

// Two patches: DAT's batch norms see one value a patch.
const SETTINGS = recipe({ patch: 16, batch: 2, iterations: 1000, rate: 2e-3, seed: 3 });
const STEPS = 6;
const SAVED = 4;

interface Training {
  readonly network: SrNetwork;
  readonly process: TrainingProcess;
  readonly trainer: Trainer;
}

describe(`SR networks and training processes on ${TEST_ENGINE}`, () => {
  const folder = mkdtempSync(join(tmpdir(), 'mimicsr-matrix-'));
  const pairs = cameraPairs(scenePhotos(1, 0), 'realsr-like', 0);
  beforeAll(startTestEngine);
  afterAll(() => rmSync(folder, { recursive: true }));

  describe.each(PROCESS_NAMES)('%s', (name) => {
    const options = OPTIONS[name];
    const config = processConfig(options === undefined ? { name } : { name, options });
    let batch: PatchBatch;
    beforeAll(async () => {
      const { noise, degradation } = createdOnce(() => createProcess(config, SETTINGS));
      const loader = new PairLoader(pairs, { ...SETTINGS, noise, degradation });
      batch = await loader.batch(1);
      await loader.close();
    });

    const start = (network: NetworkName, seed: number): Training => {
      const sr = NETWORKS[network]().initialise(seed);
      const process = createProcess(config, { ...SETTINGS, seed });
      const loader = { batch: () => Promise.resolve(batch) } as unknown as PairLoader;
      return { network: sr, process, trainer: processTrainer(sr, process, loader, SETTINGS) };
    };
    const end = ({ network, process, trainer }: Training): void => {
      trainer.dispose();
      process.helper?.dispose();
      process.dispose?.();
      network.dispose();
    };
    /** Weights of all that trains. */
    const weights = async ({ trainer }: Training): Promise<Buffer> => {
      const states = await Promise.all(trainer.parts().map(({ module }) => module.stateDict()));
      return Buffer.concat(
        states.flatMap((state) => [...state.values()].map(({ data }) => Buffer.from(data.buffer))),
      );
    };

    it.each(Object.keys(NETWORKS) as NetworkName[])(
      '%s: its losses fall, nothing leaks, a resume is exact',
      async (network) => {
        const before = tf.memory().numTensors;
        const file = join(folder, `${name}-${network}.safetensors`);
        const whole = start(network, 1);
        const losses: number[] = [];
        let held = 0;
        for (let step = 1; step <= STEPS; step++) {
          losses.push((await whole.trainer.step(step)).loss);
          if (step === 1) held = tf.memory().numTensors;
          if (step === SAVED) await saveCheckpoint(file, whole.trainer, step);
        }
        expect(tf.memory().numTensors).toBe(held);
        expect(Math.min(...losses.slice(-2))).toBeLessThan(0.98 * losses[0]);

        // Another seed: whatever the checkpoint does not bring back would show.
        const resumed = start(network, 2);
        expect(loadCheckpoint(file, resumed.trainer)).toBe(SAVED);
        for (let step = SAVED + 1; step <= STEPS; step++) await resumed.trainer.step(step);
        expect((await weights(resumed)).equals(await weights(whole))).toBe(true);
        end(whole);
        end(resumed);
        expect(tf.memory().numTensors).toBe(before);
      },
    );
  });
});

/** What a process says about its batches; nothing of it is kept. */
function createdOnce(make: () => TrainingProcess): Pick<TrainingProcess, 'noise' | 'degradation'> {
  const process = make();
  process.helper?.dispose();
  process.dispose?.();
  return process;
}
