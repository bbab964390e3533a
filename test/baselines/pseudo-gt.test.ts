import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { alignedPicture, type Aligner } from '../../src/baselines/aligner';
import { createPseudoGtProcess, pseudoGtProcess, pseudoGtSchema } from '../../src/baselines/pseudo-gt';
import { readPair } from '../../src/data/pairs';
import type { FlowEstimator } from '../../src/flow/estimator';
import { writeImage } from '../../src/image/file';
import { cropImage } from '../../src/image/image';
import { imresize } from '../../src/image/resize';
import { drawScene } from '../../src/data/scenes';
import { variableGradients } from '../../src/nn/gradients';
import type { Module } from '../../src/nn/module';
import { AlignFormer } from '../../src/networks/alignformer';
import { Dam } from '../../src/networks/dam';
import { meanAbsoluteError } from '../../src/ops/mean-absolute-error';
import { processConfig, type TrainingSettings } from '../../src/train/config';
import { runFiles, train } from '../../src/train/run';
import { readRunRecord } from '../../src/train/run-record';
import { InputError } from '../../src/util/errors';
import { leavesNoTensors, startTestEngine, TEST_ENGINE } from '../engines';
import { NO_SHARED, SHARED } from '../shared';

beforeAll(startTestEngine);

const PAPER = { seed: 1, iterations: 200_000 };

/** A flow of `x` pixels to the right everywhere. */
const steady = (x: number): FlowEstimator => ({
  name: 'raft-small',
  estimate: ({ shape: [b, h, w] }) => tf.tile(tf.tensor4d([x, 0], [1, 1, 1, 2]), [b, h, w, 1]),
});

describe(`Pseudo GT on ${TEST_ENGINE}`, () => {
  let aligner: Aligner;
  beforeAll(() => {
    aligner = { dam: new Dam(8).initialise(1), gam: new AlignFormer(8).initialise(2), flow: steady(1) };
  });
  afterAll(() => {
    aligner.dam.dispose();
    aligner.gam.dispose();
  });
  const process = (settings: object = {}) =>
    pseudoGtProcess(pseudoGtSchema.parse(settings), aligner, meanAbsoluteError, PAPER.iterations);

  it("has AlignFormer's two stages where nothing is said", () => {
    const [dam, gam] = process().preparation!.stages;
    const common = { patch: 64, batch: 8, rate: 2e-4, betas: [0.9, 0.99], averaging: 0.999 };
    expect(dam).toMatchObject({
      name: 'dam',
      recipe: { ...common, iterations: 500_000, halvings: [250_000, 400_000, 450_000, 475_000] },
    });
    expect(gam).toMatchObject({
      name: 'alignformer',
      recipe: { ...common, iterations: 400_000, halvings: [250_000, 300_000] },
    });
    const short = process({ lengths: { dam: 0.5, alignformer: 1e-9 } }).preparation!.stages;
    expect(short.map(({ recipe }) => recipe.iterations)).toEqual([100_000, 1]);
  });

  it('trains the DAM by the first stage alone and the GAM by the second alone', async () => {
    const uniform = (side: number, seed: number): tf.Tensor4D =>
      tf.randomUniform<tf.Rank.R4>([1, side, side, 3], 0, 1, 'float32', seed);
    const batch = { lr: uniform(4, 1), hr: uniform(16, 2) };
    const reaches = (stage: number, module: Module): boolean => {
      const variables = module.trainable().map(([, p]) => p.variable);
      const loss = (): tf.Scalar => process().preparation!.stages[stage].losses(batch, 1).contextual.value;
      const { value, grads } = variableGradients(loss, variables);
      const largest = Object.values(grads).map((g) => tf.tidy(() => tf.max(tf.abs(g)).dataSync()[0]));
      tf.dispose([value, grads]);
      return Math.max(0, ...largest) > 0;
    };
    await leavesNoTensors(() => {
      const { dam, gam } = aligner;
      expect([reaches(0, dam), reaches(0, gam), reaches(1, dam), reaches(1, gam)]).toEqual([
        true,
        false,
        false,
        true,
      ]);
    });
    tf.dispose([batch.lr, batch.hr]);
  });

  it('makes whole pictures of the size of the HR, in tiles where they are large', async () => {
    const picture = (width: number, height: number) => ({
      width,
      height,
      data: Uint8Array.from({ length: width * height * 3 }, (_, i) => (i * 7919) % 256),
    });
    for (const [w, h] of [
      [12, 10],
      [100, 20],
    ]) {
      const pair = { name: 'p', lr: picture(w, h), hr: picture(4 * w, 4 * h) };
      const out = await leavesNoTensors(() => alignedPicture(aligner, pair));
      expect([out.width, out.height, out.channels]).toEqual([4 * w, 4 * h, 3]);
      expect(out.data.every(Number.isFinite)).toBe(true);
    }
  });
});

describe('The configuration of Pseudo GT', () => {
  it.each([
    [{ lengths: { dam: 0 } }, /'options\.lengths\.dam'/],
    [{ flow: 'farneback' }, /'options\.flow'.*"farneback"/],
    [{ length: {} }, /'length'.*did you mean 'lengths'/],
  ])('%o is refused with the reason', (options, message) => {
    expect(() => processConfig({ name: 'pseudo-gt', options })).toThrow(InputError);
    expect(() => processConfig({ name: 'pseudo-gt', options })).toThrow(message);
  });

  describe('without weights', () => {
    afterEach(() => vi.unstubAllEnvs());

    it('says what brings those of flow and features', () => {
      vi.stubEnv('MIMICSR_SHARED', '');
      vi.stubEnv('MIMICSR_DATA', 'no-such-folder');
      const create = (options: object) => () => createPseudoGtProcess(pseudoGtSchema.parse(options), PAPER);
      expect(create({})).toThrow(/RAFT-small weights at .*'mimicsr data fetch raft-small'/);
      expect(create({ flow: 'small' })).toThrow(/VGG19 weights at .*'mimicsr data fetch vgg19'/);
    });
  });
});

describe.skipIf(SHARED === undefined)(`A run with Pseudo GT on ${TEST_ENGINE} (${NO_SHARED})`, () => {
  const root = mkdtempSync(join(tmpdir(), 'mimicsr-pseudo-gt-'));
  const folder = (name: string): string => join(root, name);
  afterAll(() => rmSync(root, { recursive: true, force: true }));

  const settings: TrainingSettings = {
    network: { name: 'seemore' },
    process: {
      name: 'pseudo-gt',
      options: {
        features: 'random-orthogonal',
        lengths: { dam: 1, alignformer: 0.5 },
        patch: 8,
        batch: 1,
      },
    },
    data: { kind: 'pairs', folder: folder('data') },
    recipe: { patch: 16, batch: 1, iterations: 2, checkpointEvery: 1, logEvery: 1, seed: 1 },
  };
  const preparation = (name: string): string => {
    const [key] = readdirSync(runFiles(folder(name)).preparation);
    return join(runFiles(folder(name)).preparation, key);
  };
  const made = (name: string): string[] => readdirSync(join(preparation(name), 'pairs')).sort();
  const weights = (name: string): Buffer => readFileSync(runFiles(folder(name)).weights);

  beforeAll(async () => {
    for (const size of ['HR', 'LR']) mkdirSync(join(folder('data'), size), { recursive: true });
    for (const i of [0, 1]) {
      const hr = cropImage(drawScene(`pseudo-gt/${i}`, 96, 96), 16, 16, 64, 64);
      await writeImage(join(folder('data'), 'HR', `scene-${i}.png`), hr);
      await writeImage(join(folder('data'), 'LR', `scene-${i}.png`), imresize(hr, 1 / 4));
    }
  });

  it('states its stages and helper networks, trains on its own pictures, and leaves no tensor', async () => {
    await leavesNoTensors(async () => (await train(folder('whole'), settings)).network.dispose());
    const record = JSON.parse(readFileSync(runFiles(folder('whole')).config, 'utf8')) as object;
    expect(record).toMatchObject({
      provenance: {
        adds: {
          trained: { DAM: 613_510, AlignFormer: 1_470_915 },
          frozen: {
            'raft-small': { values: 990_162, sha256: expect.stringMatching(/^[0-9a-f]{64}$/) as string },
          },
          stages: [
            { name: 'dam', recipe: { iterations: 2 } },
            { name: 'alignformer', recipe: { iterations: 1 } },
          ],
        },
      },
    });
    expect(made('whole').filter((name) => name.endsWith('.hr.png'))).toHaveLength(2);
    const { hr } = await pairOf('whole');
    expect([hr.width, hr.height]).toEqual([64, 64]);
  });

  /** The first of a run's pairs. */
  const pairOf = (name: string) => {
    const path = join(
      preparation(name),
      'pairs',
      made(name).find((file) => file.endsWith('.hr.png'))!,
    );
    return readPair({ name: 'made', hr: path, lr: path.replace('.hr.', '.lr.') });
  };

  it('makes a damaged picture again, and ends with the same weights', async () => {
    const victim = join(
      preparation('whole'),
      'pairs',
      made('whole').find((f) => f.endsWith('.hr.png'))!,
    );
    const before = readFileSync(victim);
    writeFileSync(victim, before.subarray(0, 100));
    const other = await train(folder('shared'), settings, {
      preparations: runFiles(folder('whole')).preparation,
    });
    other.network.dispose();
    expect(readFileSync(victim).equals(before)).toBe(true);
    expect(weights('shared').equals(weights('whole'))).toBe(true);
    expect(() => readdirSync(runFiles(folder('shared')).preparation)).toThrow();
  });

  it('goes on with what it prepared, wherever others are kept by now, and with nothing else', async () => {
    const stop = new AbortController();
    const begun = await train(folder('begun'), settings, {
      preparations: folder('pool'),
      signal: stop.signal,
      onStep: () => stop.abort(),
    });
    expect(begun.step).toBe(1);
    begun.network.dispose();
    const { config, preparation: own } = runFiles(folder('begun'));
    const record = readFileSync(config, 'utf8');
    const [key] = readdirSync(folder('pool'));
    expect(readRunRecord(config).provenance.preparation).toEqual({
      folder: join('..', 'pool', key),
      pairsSha256: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
    });
    writeFileSync(config, record.replace(/("folder": ".*",\s*"pairsSha256": ")[0-9a-f]+/, '$1other'));
    await expect(train(folder('begun'), settings)).rejects.toThrow(/began with other prepared pairs/);
    writeFileSync(config, record);
    (await train(folder('begun'), settings)).network.dispose();
    expect(existsSync(own)).toBe(false);
    expect(weights('begun').equals(weights('whole'))).toBe(true);
  });

  it('goes on where the record is older and does not say with what it began', async () => {
    const stop = new AbortController();
    const options = { signal: stop.signal, onStep: () => stop.abort() };
    (await train(folder('old'), settings, { preparations: folder('pool'), ...options })).network.dispose();
    const { config } = runFiles(folder('old'));
    const { preparation: recorded, ...provenance } = readRunRecord(config).provenance;
    writeFileSync(config, JSON.stringify({ ...readRunRecord(config), provenance }));
    (await train(folder('old'), settings, { preparations: folder('pool') })).network.dispose();
    expect(weights('old').equals(weights('whole'))).toBe(true);
    expect(readRunRecord(config).provenance.preparation).toEqual(recorded);
  });

  it('prepares nothing where it is finished', async () => {
    const { preparation: own } = runFiles(folder('whole'));
    rmSync(own, { recursive: true });
    const steps: number[] = [];
    const again = await train(folder('whole'), settings, { onStep: ({ step }) => void steps.push(step) });
    again.network.dispose();
    expect([again.step, steps]).toEqual([2, []]);
    expect(existsSync(own)).toBe(false);
  });
});
