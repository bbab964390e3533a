import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { l1Process } from '../../src/baselines/l1';
import { cameraPairs, scenePhotos } from '../../src/data/camera-pairs';
import { PairLoader } from '../../src/data/loader';
import type { LossTerms, TrainingProcess } from '../../src/losses/training-process';
import { SeeMoRe } from '../../src/networks/seemore';
import { recipe, trainingConfig, type TrainingSettings } from '../../src/train/config';
import { DivergedError } from '../../src/train/diverged';
import { bicubicUpscaler, evaluate, networkUpscaler } from '../../src/train/evaluate';
import { readRunConfig, runFiles, train } from '../../src/train/run';
import { readRunRecord } from '../../src/train/run-record';
import { processTrainer, type StepReport } from '../../src/train/trainer';
import { InputError } from '../../src/util/errors';
import { readSafetensors } from '../../src/weights/safetensors';
import { leavesNoTensors, startTestEngine, TEST_ENGINE } from '../engines';

const SETTINGS: TrainingSettings = {
  network: { name: 'seemore' },
  process: { name: 'l1' },
  data: { kind: 'scenes', preset: 'aligned', count: 2 },
  recipe: { patch: 16, batch: 2, iterations: 6, checkpointEvery: 2, logEvery: 1, seed: 1 },
};

describe(`a run on ${TEST_ENGINE}`, () => {
  const root = mkdtempSync(join(tmpdir(), 'mimicsr-run-'));
  const folder = (name: string): string => join(root, name);
  const lines = (name: string): StepReport[] =>
    readFileSync(runFiles(folder(name)).log, 'utf8')
      .trim()
      .split('\n')
      .map((l) => JSON.parse(l) as StepReport);
  const weights = (name: string): Map<string, unknown> =>
    readSafetensors(runFiles(folder(name)).weights).tensors;

  beforeAll(startTestEngine);
  afterAll(() => rmSync(root, { recursive: true, force: true }));

  it('leaves a record of what it was, a log and weights, and no tensor', async () => {
    await leavesNoTensors(async () => {
      const run = await train(folder('whole'), SETTINGS);
      expect(run.step).toBe(6);
      run.network.dispose();
    });
    const record = JSON.parse(readFileSync(runFiles(folder('whole')).config, 'utf8')) as Record<
      string,
      never
    >;
    expect(Object.keys(record)).toEqual([
      'network',
      'process',
      'data',
      'recipe',
      'engine',
      'versions',
      'provenance',
    ]);
    expect(record).toMatchObject({
      engine: { name: TEST_ENGINE },
      provenance: { pairs: 'aligned camera on 2 drawn scenes', parameters: 231_804 },
      recipe: { clip: 0.01, betas: [0.9, 0.9], iterations: 6 },
    });
    expect(lines('whole').map((l) => l.step)).toEqual([1, 2, 3, 4, 5, 6]);
    for (const l of lines('whole')) expect(l.loss).toBeGreaterThan(0);
  });

  it('stopped and started again has the weights and the log of one that never stopped, bit for bit', async () => {
    const stop = new AbortController();
    const first = await train(folder('stopped'), SETTINGS, {
      signal: stop.signal,
      onStep: ({ step }) => {
        if (step === 3) stop.abort();
      },
    });
    expect(first.step).toBe(3);
    first.network.dispose();
    (await train(folder('stopped'), SETTINGS, { workers: 2 })).network.dispose();
    expect(weights('stopped')).toEqual(weights('whole'));
    const log = (name: string): object[] => lines(name).map((l) => ({ ...l, seconds: 0 }));
    expect(log('stopped')).toEqual(log('whole'));
  });

  it('that is finished returns its weights without another step', async () => {
    const steps: number[] = [];
    const again = await train(folder('whole'), SETTINGS, { onStep: ({ step }) => void steps.push(step) });
    again.network.dispose();
    expect(steps).toEqual([]);
  });

  it('refuses a folder that holds another run, naming what differs', async () => {
    const other = { ...SETTINGS, recipe: { ...SETTINGS.recipe, rate: 1e-4 } };
    await expect(train(folder('whole'), other)).rejects.toThrow('recipe.rate was 0.001, is 0.0001');
  });

  it('may begin otherwise where a start with other settings failed', async () => {
    const tooLarge = { ...SETTINGS, recipe: { ...SETTINGS.recipe, patch: 100 } };
    await expect(train(folder('failed'), tooLarge)).rejects.toThrow('expected at least the patch');
    expect(existsSync(runFiles(folder('failed')).config)).toBe(true);
    (await train(folder('failed'), SETTINGS)).network.dispose();
    expect(weights('failed')).toEqual(weights('whole'));
  });

  it('goes on with the skipping of bad updates that it did not begin with, and says so', async () => {
    const stop = new AbortController();
    const begun = await train(folder('skips'), SETTINGS, { signal: stop.signal, onStep: () => stop.abort() });
    begun.network.dispose();
    const skipping = { ...SETTINGS, recipe: { ...SETTINGS.recipe, onNan: 'skip' as const } };
    for (let i = 0; i < 2; i++) (await train(folder('skips'), skipping)).network.dispose();
    expect(weights('skips')).toEqual(weights('whole'));
    const { resumed, recipe } = readRunRecord(runFiles(folder('skips')).config);
    expect(recipe.onNan).toBeUndefined();
    expect(resumed).toMatchObject([{ step: 1, engine: { name: TEST_ENGINE }, onNan: 'skip' }]);
  });

  it('logs as it goes; what a kill cut off is left out when it goes on', async () => {
    const stop = new AbortController();
    const rare = { ...SETTINGS, recipe: { ...SETTINGS.recipe, checkpointEvery: 100 } };
    const seen: number[] = [];
    const onStep = ({ step }: { step: number }): void => {
      seen.push(lines('logged').length);
      if (step === 3) stop.abort();
    };
    (await train(folder('logged'), rare, { signal: stop.signal, onStep })).network.dispose();
    expect(seen).toEqual([1, 2, 3]);
    const { log } = runFiles(folder('logged'));
    writeFileSync(log, `${readFileSync(log, 'utf8')}{"step":4,"loss":1}\n{"step":5,"lo`);
    (await train(folder('logged'), rare)).network.dispose();
    expect(lines('logged').map(({ step, loss }) => [step, loss])).toEqual(
      lines('whole').map(({ step, loss }) => [step, loss]),
    );
  });

  it('refuses to go on with other pairs or other frozen weights than it began with', async () => {
    await train(folder('moved'), SETTINGS).then((r) => r.network.dispose());
    const { config } = runFiles(folder('moved'));
    const record = readFileSync(config, 'utf8');
    writeFileSync(config, record.replace(/("pairsSha256": ")[0-9a-f]+/, '$1before'));
    await expect(train(folder('moved'), SETTINGS)).rejects.toThrow(
      /pairsSha256 was "before", is "[0-9a-f]{64}"/,
    );
    writeFileSync(
      config,
      record.replace('"frozen": {}', '"frozen": { "flow": { "values": 1, "sha256": "before" } }'),
    );
    await expect(train(folder('moved'), SETTINGS)).rejects.toThrow('frozen.flow.sha256 was "before"');
  });

  it('that cannot begin leaves no loader and no tensor behind', async () => {
    const close = vi.spyOn(PairLoader.prototype, 'close');
    const trainable = vi.spyOn(SeeMoRe.prototype, 'trainable');
    trainable.mockReturnValueOnce([]); // for the record, which counts them
    trainable.mockImplementationOnce(() => {
      throw new Error('no memory');
    });
    await leavesNoTensors(() => expect(train(folder('no-memory'), SETTINGS)).rejects.toThrow('no memory'));
    expect(close).toHaveBeenCalledTimes(1);
    vi.restoreAllMocks();
  });

  it('refuses a broken config.json and a checkpoint that does not fit, naming the file', async () => {
    await train(folder('broken'), SETTINGS).then((r) => r.network.dispose());
    const files = runFiles(folder('broken'));
    writeFileSync(files.checkpoint, 'nonsense');
    await expect(train(folder('broken'), SETTINGS)).rejects.toThrow(InputError);
    await expect(train(folder('broken'), SETTINGS)).rejects.toThrow(files.checkpoint);
    writeFileSync(files.config, '{');
    await expect(train(folder('broken'), SETTINGS)).rejects.toThrow('is not JSON');
    expect(() => readRunConfig(join(root, 'nowhere', 'config.json'))).toThrow('no run here');
  });
});

describe(`training on ${TEST_ENGINE}`, () => {
  const loader = (): PairLoader =>
    new PairLoader(cameraPairs(scenePhotos(2, 0), 'aligned', 0), { patch: 16, batch: 4, seed: 1 });
  const l1 = recipe({ patch: 16, batch: 4, iterations: 30 });

  beforeAll(startTestEngine);

  it('lowers the loss and keeps the number of tensors', async () => {
    const net = new SeeMoRe().initialise(1);
    const trainer = processTrainer(net, l1Process(), loader(), l1);
    const losses: number[] = [];
    await trainer.step(1);
    await leavesNoTensors(async () => {
      for (let step = 2; step <= 30; step++) losses.push((await trainer.step(step)).loss);
    });
    const mean = (part: number[]): number => part.reduce((a, b) => a + b, 0) / part.length;
    expect(mean(losses.slice(-8))).toBeLessThan(0.7 * mean(losses.slice(0, 8)));
    trainer.dispose();
    net.dispose();
  });

  /** Hands its input on, and has no gradient. */
  const broken = tf.customGrad((x) => ({
    value: tf.clone(x as tf.Tensor),
    gradFunc: () => {
      throw new Error('broken');
    },
  })) as (x: tf.Scalar) => tf.Scalar;

  it.each<[string, (l1: tf.Scalar) => LossTerms]>([
    ['a loss', (l1) => ({ broken: { value: tf.reshape(l1, [2]), weight: 1 } })],
    [
      'the sum of the losses',
      (l1) => ({ l1: { value: l1, weight: 1 }, broken: { value: tf.zeros([2]), weight: 1 } }),
    ],
    ['the gradient', (l1) => ({ broken: { value: broken(l1), weight: 1 } })],
  ])('leaves no tensor behind where %s cannot be computed', async (_, of) => {
    const net = new SeeMoRe().initialise(1);
    const losses: TrainingProcess['losses'] = (...args) => of(l1Process().losses(...args).l1.value);
    const trainer = processTrainer(net, { ...l1Process(), losses }, loader(), l1);
    await leavesNoTensors(() => expect(trainer.step(1)).rejects.toThrow());
    trainer.dispose();
    net.dispose();
  });

  it('stops at a loss that is not finite, names the term, and leaves the weights as they were', async () => {
    const net = new SeeMoRe().initialise(1);
    const before = await net.stateDict();
    const trainer = processTrainer(
      net,
      {
        name: 'bad',
        trained: {},
        frozen: {},
        losses: (sr, { lr }) => ({
          broken: { value: tf.log(tf.neg(tf.sum<tf.Scalar>(tf.abs(sr.forward(lr))))), weight: 1 },
        }),
      },
      loader(),
      l1,
    );
    await leavesNoTensors(async () => {
      await expect(trainer.step(1)).rejects.toThrow(DivergedError);
      await expect(trainer.step(1)).rejects.toThrow("loss term 'broken' is NaN");
    });
    expect(await net.stateDict()).toEqual(before);
    trainer.dispose();
    net.dispose();
  });

  it('skips an update that is not finite where it may, counts it, and gives up after ten in a row', async () => {
    const net = new SeeMoRe().initialise(1);
    const before = await net.stateDict();
    const bad = (step: number): boolean => step < 3 || step > 4;
    const trainer = processTrainer(
      net,
      {
        ...l1Process(),
        losses: (sr, batch, step) => {
          const { l1 } = l1Process().losses(sr, batch, step);
          const value = bad(step) ? tf.mul<tf.Scalar>(l1.value, NaN) : l1.value;
          return { l1: { value, weight: 1 } };
        },
      },
      loader(),
      { ...l1, onNan: 'skip' },
    );
    await leavesNoTensors(async () => {
      const { skipped } = await trainer.step(1);
      expect(skipped).toMatch(
        /^iteration 1: loss term 'l1' is NaN \(seed 42, pairs scene-\d, scene-\d, scene-\d, scene-\d\)$/,
      );
      await trainer.step(2);
      expect(await net.stateDict()).toEqual(before);
      expect((await trainer.step(3)).skipped).toBeUndefined();
      expect(await net.stateDict()).not.toEqual(before);
      await trainer.step(4);
      for (let step = 5; step < 15; step++) expect((await trainer.step(step)).skipped).toBeDefined();
      await expect(trainer.step(15)).rejects.toThrow('after 10 skipped updates in a row');
    });
    trainer.dispose();
    net.dispose();
  });

  it('scores bicubic and a network on a set, one row a picture and their mean', async () => {
    const net = new SeeMoRe().initialise(1);
    const pairs = cameraPairs(scenePhotos(2, 5), 'aligned', 5);
    await leavesNoTensors(async () => {
      for (const upscaler of [bicubicUpscaler, networkUpscaler(net)]) {
        const { images, mean } = await evaluate(upscaler, pairs);
        expect(images.map((r) => r.image)).toEqual(['scene-0', 'scene-1']);
        expect(mean.psnrY).toBeCloseTo((images[0].psnrY + images[1].psnrY) / 2, 10);
      }
    });
    net.dispose();
  });
});

describe('a training config', () => {
  it("takes the paper's values for what is left out", () => {
    const { recipe } = trainingConfig({
      network: { name: 'seemore' },
      process: { name: 'l1' },
      data: { kind: 'pairs', folder: 'x' },
    });
    expect(recipe).toMatchObject({
      patch: 32,
      batch: 32,
      iterations: 200_000,
      rate: 1e-3,
      betas: [0.9, 0.9],
      clip: 0.01,
    });
  });

  it.each([
    [
      { ...SETTINGS, recipe: { bach: 2 } },
      "unknown key in recipe of training config 'bach': expected one of patch, batch",
    ],
    [{ ...SETTINGS, recipe: { batch: 0 } }, "key 'recipe.batch'"],
    [{ ...SETTINGS, data: { kind: 'camera', preset: 'alined', photos: 'x' } }, "key 'data.preset'"],
    [{ ...SETTINGS, network: { name: 'seemor' } }, "unknown network 'seemor'"],
    [{ ...SETTINGS, process: { name: 'l2' } }, "key 'process.name'"],
    [{ ...SETTINGS, recipe: { patch: 8 } }, "'patch' is 8"],
  ])('names the key at fault: %#', async (settings, message) => {
    await startTestEngine();
    await expect(train(join(tmpdir(), 'mimicsr-never'), settings as TrainingSettings)).rejects.toThrow(
      message,
    );
  });
});
