import * as tf from '@tensorflow/tfjs-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  auxiliaryInputProcess,
  auxiliaryInputSchema,
  createAuxiliaryInputProcess,
} from '../../src/baselines/auxiliary-input';
import { cameraPairs, scenePhotos } from '../../src/data/camera-pairs';
import { PairLoader } from '../../src/data/loader';
import type { PairBatch } from '../../src/losses/training-process';
import { KernelGen } from '../../src/networks/kernel-gen';
import { createNetwork } from '../../src/networks/networks';
import type { SrNetwork } from '../../src/networks/sr-network';
import type { Module } from '../../src/nn/module';
import { processConfig, recipe } from '../../src/train/config';
import { processTrainer } from '../../src/train/trainer';
import { InputError } from '../../src/util/errors';
import { leavesNoTensors, startTestEngine, TEST_ENGINE } from '../engines';
import { NO_SHARED, SHARED } from '../shared';

beforeAll(startTestEngine);

const config = (settings: object = {}) => auxiliaryInputSchema.parse(settings);

describe(`Auxiliary Input on ${TEST_ENGINE}`, () => {
  let sr: SrNetwork;
  let generator: KernelGen;
  let batch: Required<PairBatch>;
  beforeAll(() => {
    sr = createNetwork('seemore').initialise(1);
    generator = new KernelGen().initialise(2);
    const uniform = (side: number, seed: number): tf.Tensor4D =>
      tf.randomUniform<tf.Rank.R4>([1, side, side, 3], 0, 1, 'float32', seed);
    batch = { hr: uniform(64, 1), lr: uniform(16, 2), noise: uniform(16, 3) };
  });
  afterAll(() => {
    sr.dispose();
    generator.dispose();
    tf.dispose(Object.values(batch));
  });

  /** Largest gradient of a loss term in a network's weights; undefined where none arrives. */
  const reach = (term: string, module: Module): number | undefined => {
    const variables = module.trainable().map(([, p]) => p.variable);
    try {
      const { value, grads } = tf.variableGrads(
        () => auxiliaryInputProcess(config(), generator).losses(sr, batch, 1)[term].value,
        variables,
      );
      const found = Object.values(grads).map((g) => tf.tidy(() => tf.max(tf.abs(g)).dataSync()[0]));
      tf.dispose([value, grads]);
      return Math.max(...found);
    } catch (error) {
      expect((error as Error).message).toMatch(/Cannot find a connection/);
      return undefined;
    }
  };

  it('trains the SR network by the reconstruction alone, and the generator by its own losses alone', () => {
    for (const term of ['auxiliary', 'position']) {
      expect(reach(term, sr)).toBeUndefined();
      expect(reach(term, generator)).toBeGreaterThan(0);
    }
    expect(reach('reconstruction', sr)).toBeGreaterThan(0);
    expect(reach('reconstruction', generator)).toBeUndefined();
  });

  it('feeds the SR network the auxiliary LR, with noise and without, in [0,1]', () => {
    tf.tidy(() => {
      const fed = (noise: boolean): tf.Tensor4D => {
        let input: tf.Tensor4D | undefined;
        const watch = {
          forward: (lr: tf.Tensor4D) => {
            input = tf.keep(tf.clone(lr));
            return batch.hr;
          },
        } as unknown as SrNetwork;
        auxiliaryInputProcess(config({ noise }), generator).losses(watch, batch, 1);
        return input!;
      };
      const auxiliary = generator.forward(batch.hr, batch.lr);
      // The mean of the middle 2x2 of each 4x4, as the noise image was shrunk.
      const blocks = tf.slice(tf.reshape(batch.hr, [16, 4, 16, 12]), [0, 1, 0, 3], [-1, 2, -1, 6]);
      const shrunk = tf.reshape(tf.mean(tf.reshape(blocks, [16, 2, 16, 2, 3]), [1, 3]), [1, 16, 16, 3]);
      for (const [noise, expected] of [
        [false, auxiliary],
        [true, tf.add(auxiliary, tf.sub(batch.noise, shrunk))],
      ] as const) {
        const input = fed(noise);
        const worst = tf.max(tf.abs(tf.sub(input, tf.clipByValue(expected, 0, 1)))).dataSync()[0];
        expect(worst).toBeLessThan(1e-6);
        input.dispose();
      }
    });
  });

  it('leaves no tensors, says what it adds and what the trainer and the loader have to do', async () => {
    await leavesNoTensors(() => {
      tf.tidy(() => void auxiliaryInputProcess(config(), generator).losses(sr, batch, 1));
    });
    expect(auxiliaryInputProcess(config(), generator)).toMatchObject({
      trained: { 'auxiliary-LR generator': 630_915 },
      frozen: {},
      helperRate: 0.5,
      noise: 'repaired',
      minimumPatch: 7,
    });
    expect(auxiliaryInputProcess(config({ noise: false }), generator).noise).toBeUndefined();
  });

  it('trains both networks, each at its own rate', async () => {
    const settings = recipe({ patch: 16, batch: 4, iterations: 12, seed: 1 });
    const process = createAuxiliaryInputProcess(config(), 1);
    const network = createNetwork('seemore').initialise(1);
    const pairs = cameraPairs(scenePhotos(2, 0), 'realsr-like', 0);
    const loader = new PairLoader(pairs, { patch: 16, batch: 4, seed: 1, noise: process.noise });
    const trainer = processTrainer(network, process, loader, settings);
    const seen: Record<string, number>[] = [];
    for (let step = 1; step <= 12; step++) seen.push((await trainer.step(step)).terms);
    const mean = (part: typeof seen, term: string): number =>
      part.reduce((sum, terms) => sum + terms[term], 0) / part.length;
    for (const term of ['auxiliary', 'position', 'reconstruction']) {
      expect(mean(seen.slice(-3), term), term).toBeLessThan(0.9 * mean(seen.slice(0, 3), term));
    }
    expect(trainer.parts().map((part) => [part.name, part.rate(1)])).toEqual([
      ['sr', 1e-3],
      ['helper', 5e-4],
    ]);
    trainer.dispose();
    process.helper?.dispose();
    network.dispose();
  });
});

describe('The configuration of Auxiliary Input', () => {
  it('is that of SelfDZSR where nothing is said', () => {
    expect(processConfig({ name: 'auxiliary-input' })).toEqual({
      name: 'auxiliary-input',
      options: { start: 'random', position: 100, generatorRate: 0.5, noise: true },
    });
  });

  it.each([
    [{ start: 'canon' }, /'options\.start'.*"canon"/],
    [{ position: -1 }, /'options\.position'.*-1/],
    [{ positon: 1 }, /'positon'.*did you mean 'position'/],
  ])('%o is refused with the reason', (options, message) => {
    expect(() => processConfig({ name: 'auxiliary-input', options })).toThrow(InputError);
    expect(() => processConfig({ name: 'auxiliary-input', options })).toThrow(message);
  });
});

describe("Auxiliary Input from SelfDZSR's weights", () => {
  afterEach(() => vi.unstubAllEnvs());

  it.skipIf(SHARED === undefined)(`starts from them (${NO_SHARED})`, async () => {
    const process = createAuxiliaryInputProcess(config({ start: 'selfdzsr-nikon' }), 1);
    const state = await process.helper!.stateDict();
    expect(state.get('tail_mean.bias')!.data[0]).toBeCloseTo(0.4488, 5);
    process.helper!.dispose();
  });

  describe('that are missing', () => {
    beforeEach(() => {
      vi.stubEnv('MIMICSR_SHARED', '');
      vi.stubEnv('MIMICSR_DATA', 'no-such-folder');
    });

    it('says what brings them', () => {
      const create = (): unknown => createAuxiliaryInputProcess(config({ start: 'selfdzsr-nikon' }), 1);
      expect(create).toThrow(InputError);
      expect(create).toThrow(/no-such-folder.*KernelGen_model_400\.pth: 'mimicsr data fetch selfdzsr-auxlr'/);
    });
  });
});
