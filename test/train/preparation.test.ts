import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { cameraPairs, scenePhotos } from '../../src/data/camera-pairs';
import { PairLoader } from '../../src/data/loader';
import type { PairSet } from '../../src/data/pairs';
import type { Preparation, Stage, StageRecipe } from '../../src/losses/training-process';
import { Conv2d } from '../../src/nn/layers';
import { meanAbsoluteError } from '../../src/ops/mean-absolute-error';
import { resize } from '../../src/ops/resize';
import { DivergedError } from '../../src/train/diverged';
import { prepare, type Prepared, type PreparationRun } from '../../src/train/preparation';
import { halvedRate } from '../../src/train/schedule';
import { WeightAverage } from '../../src/train/weight-average';
import { silentProgress } from '../../src/util/progress';
import { InputError } from '../../src/util/errors';
import { readSafetensors, writeSafetensors } from '../../src/weights/safetensors';
import { leavesNoTensors, startTestEngine, TEST_ENGINE } from '../engines';

beforeAll(startTestEngine);

const RECIPE: StageRecipe = {
  iterations: 5,
  patch: 8,
  batch: 2,
  rate: 1e-2,
  halvings: [2],
  betas: [0.9, 0.99],
  averaging: 0.9,
};

/** Two stages: a filter that colours the LR as the HR, and a second one on what the first gives. */
class TwoFilters implements Preparation {
  readonly settings = {};
  readonly filters = [1, 2].map((seed) => new Conv2d(3, 3, 3, { padding: 1 }).initialise(seed));
  readonly stages: readonly Stage[];
  /** Iterations that ran, by stage. */
  readonly done: string[] = [];
  asked?: { readonly pairs: PairSet; readonly folder: string };

  /** @param nanAt the iteration of both stages whose loss is not a number */
  constructor(recipe: StageRecipe = RECIPE, nanAt?: number) {
    this.stages = this.filters.map((module, i) => ({
      name: `filter-${i + 1}`,
      module,
      recipe,
      losses: ({ lr, hr }, step) => {
        this.done.push(`${i + 1}.${step}`);
        const [, h, w] = lr.shape;
        const out = this.filters.slice(0, i + 1).reduce((x, filter) => filter.forward(x), lr);
        const target = resize(hr, h, w, { mode: 'bilinear' });
        const value = meanAbsoluteError(out, target);
        return { l1: { value: step === nanAt ? tf.mul<tf.Scalar>(value, NaN) : value, weight: 1 } };
      },
    }));
  }

  pairs(pairs: PairSet, folder: string): Promise<PairSet> {
    this.asked = { pairs, folder };
    return Promise.resolve(pairs);
  }

  dispose(): void {
    for (const filter of this.filters) filter.dispose();
  }
}

/** The set with its pairs in memory. */
function drawnOnce(pairs: PairSet): PairSet {
  const drawn = new Map<number, ReturnType<PairSet['load']>>();
  const load: PairSet['load'] = (index) => {
    if (!drawn.has(index)) drawn.set(index, pairs.load(index));
    return drawn.get(index)!;
  };
  return { ...pairs, load };
}

describe(`The trainings before the SR network's on ${TEST_ENGINE}`, () => {
  const root = mkdtempSync(join(tmpdir(), 'mimicsr-preparation-'));
  afterAll(() => rmSync(root, { recursive: true, force: true }));
  afterEach(() => vi.restoreAllMocks());

  const pairs = drawnOnce(cameraPairs(scenePhotos(2, 0), 'aligned', 0));
  const others = drawnOnce(cameraPairs(scenePhotos(2, 1), 'aligned', 0));
  const run = (name: string, more: Partial<PreparationRun> = {}): PreparationRun => ({
    root: join(root, name),
    process: 'two-filters',
    frozen: {},
    pairs,
    scale: 4,
    recipe: { seed: 1, checkpointEvery: 2, logEvery: 1 },
    engine: { name: TEST_ENGINE as 'wasm', detail: 'test' },
    ...more,
  });
  /** Runs a fresh preparation; what it did and the weights with which it ended. */
  const execute = async (
    options: PreparationRun,
    recipe?: StageRecipe,
    nanAt?: number,
  ): Promise<{ made: TwoFilters; weights: unknown } & Partial<Prepared>> => {
    const made = new TwoFilters(recipe, nanAt);
    try {
      const prepared = await prepare(made, options);
      const weights = await Promise.all(made.filters.map((f) => f.stateDict()));
      return { made, ...prepared, weights };
    } finally {
      made.dispose();
    }
  };
  /** Stops within the progress of iteration `at`, counted over all stages. */
  const stopAfter = (at: number): Pick<PreparationRun, 'signal' | 'progress'> => {
    const stop = new AbortController();
    let seen = 0;
    return {
      signal: stop.signal,
      progress: (...args) => ({
        ...silentProgress(...args),
        update: (done) => {
          if (done > 0 && ++seen === at) stop.abort();
        },
      }),
    };
  };

  let whole: Awaited<ReturnType<typeof execute>>;
  beforeAll(async () => {
    whole = await leavesNoTensors(() => execute(run('whole')));
  });

  it('run in order, end with the running mean of their weights, and hand the pairs on', () => {
    expect(whole.made.done).toEqual(['1.1', '1.2', '1.3', '1.4', '1.5', '2.1', '2.2', '2.3', '2.4', '2.5']);
    expect(whole.pairs).toBe(pairs);
    const [key] = readdirSync(join(root, 'whole'));
    expect(whole.folder).toBe(join(root, 'whole', key));
    expect(whole.made.asked).toEqual({ pairs, folder: join(root, 'whole', key, 'pairs') });
    const record = JSON.parse(readFileSync(join(root, 'whole', key, 'preparation.json'), 'utf8')) as object;
    expect(record).toMatchObject({
      process: 'two-filters',
      seed: 1,
      stages: [{ name: 'filter-1', iterations: 5, halvings: [2] }, { name: 'filter-2' }],
      pairsSha256: pairs.fingerprint(),
    });
    const folder = join(root, 'whole', key, 'filter-2');
    const { tensors } = readSafetensors(join(folder, 'weights.safetensors'));
    const { tensors: last } = readSafetensors(join(folder, 'checkpoint.safetensors'));
    const [, second] = whole.weights as Map<string, { data: Float32Array }>[];
    expect(tensors.get('weight')!.data).toEqual(second.get('weight')!.data);
    expect(tensors.get('weight')!.data).not.toEqual(last.get('filter-2/weight')!.data);
    const rates = readFileSync(join(folder, 'log.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { rate: number }).rate);
    expect(rates).toEqual([1e-2, 1e-2, 5e-3, 5e-3, 5e-3]);
  });

  it.each([3, 5, 7])('stopped at iteration %i and started again end with the same weights', async (at) => {
    const name = `stopped-${at}`;
    const first = await execute(run(name, stopAfter(at)));
    expect(first.pairs).toBeUndefined();
    expect(first.made.done).toHaveLength(at);
    const second = await execute(run(name));
    expect(second.made.done).toHaveLength(10 - at);
    expect(second.weights).toEqual(whole.weights);
  });

  it('that are done are not done again', async () => {
    const again = await execute(run('whole'));
    expect(again.made.done).toEqual([]);
    expect(again.weights).toEqual(whole.weights);
  });

  it.each([
    ['seed', { recipe: { seed: 2, checkpointEvery: 2, logEvery: 1 } }, RECIPE],
    ['data', { pairs: others }, RECIPE],
    ['recipe', {}, { ...RECIPE, rate: 2e-2 }],
    ['frozen network', { frozen: { flow: { values: 1, sha256: 'other' } } }, RECIPE],
  ])('of another %s begin anew, beside the old ones', async (_, more, recipe) => {
    const before = readdirSync(join(root, 'whole'));
    const other = await execute(run('whole', more), recipe);
    expect(other.made.done).toHaveLength(10);
    expect(readdirSync(join(root, 'whole'))).toHaveLength(before.length + 1);
  });

  describe('with which a run began', () => {
    const other = { engine: { name: 'cpu', detail: 'another' } } as const;
    const [here, gone] = [(): string => whole.folder!, () => join(root, 'gone', basename(whole.folder!))];

    it('are taken up where they lie, or below the root, also on another engine', async () => {
      for (const [name, begunWith] of [
        ['elsewhere', here()],
        ['whole', gone()],
      ]) {
        const { made, folder, weights } = await execute(run(name, { begunWith, ...other }));
        expect(made.done).toEqual([]);
        expect(folder).toBe(here());
        expect(weights).toEqual(whole.weights);
      }
      expect(existsSync(join(root, 'elsewhere'))).toBe(false);
    });

    it('are made again where they are gone, unless others would be made', async () => {
      const elsewhere = run('again', { begunWith: gone(), ...other });
      await expect(execute(elsewhere)).rejects.toThrow(InputError);
      await expect(execute(elsewhere)).rejects.toThrow(
        /began with the preparation .*gone.*, which is not whole.*on cpu/,
      );
      const again = await execute(run('again', { begunWith: gone() }));
      expect(again.made.done).toHaveLength(10);
      expect(again.weights).toEqual(whole.weights);
    });
  });

  it('stop at a loss that is not finite, and skip it where the recipe says so', async () => {
    await expect(execute(run('nan'), RECIPE, 2)).rejects.toThrow(DivergedError);
    const skipping = { seed: 1, checkpointEvery: 2, logEvery: 1, onNan: 'skip' } as const;
    expect((await execute(run('nan', { recipe: skipping }), RECIPE, 2)).pairs).toBeDefined();
    const [key] = readdirSync(join(root, 'nan'));
    const log = readFileSync(join(root, 'nan', key, 'filter-2', 'log.jsonl'), 'utf8');
    expect(log.split('\n')[1]).toContain("iteration 2: loss term 'l1' is NaN");
  });

  it('that cannot begin leave no loader behind', async () => {
    const close = vi.spyOn(PairLoader.prototype, 'close');
    vi.spyOn(Conv2d.prototype, 'trainable').mockImplementation(() => {
      throw new Error('no memory');
    });
    await leavesNoTensors(() => expect(execute(run('no-memory'))).rejects.toThrow('no memory'));
    expect(close).toHaveBeenCalledTimes(1);
  });

  it('with weights that do not fit name the file', async () => {
    await execute(run('broken'));
    const [key] = readdirSync(join(root, 'broken'));
    const folder = join(root, 'broken', key);
    rmSync(join(folder, 'filter-2', 'weights.safetensors'));
    const { tensors } = readSafetensors(join(folder, 'filter-1', 'weights.safetensors'));
    expect(tensors.size).toBe(2);
    writeSafetensors(join(folder, 'filter-1', 'weights.safetensors'), new Map([...tensors].slice(1)));
    await expect(execute(run('broken'))).rejects.toThrow(InputError);
    await expect(execute(run('broken'))).rejects.toThrow(/filter-1.weights\.safetensors.*missing weight/);
  });
});

describe('The running mean of weights', () => {
  it('follows its rule, and leaves the weights alone', async () => {
    await leavesNoTensors(async () => {
      const module = new Conv2d(1, 1, 1).initialise(1);
      const weight = module.trainable()[0][1].variable as tf.Variable<tf.Rank.R4>;
      const average = new WeightAverage(module, 0.3);
      let expected = weight.dataSync()[0];
      for (const [i, value] of [5, -2, 7].entries()) {
        tf.tidy(() => weight.assign(tf.fill([1, 1, 1, 1], value)));
        average.update(i + 1);
        const d = Math.min(0.3, (2 + i) / (11 + i));
        expected = d * expected + (1 - d) * value;
      }
      const mean = (await average.weights()).get('weight')!;
      expect(mean.shape).toEqual([1, 1, 1, 1]);
      expect(mean.data[0]).toBeCloseTo(expected, 5);
      expect(weight.dataSync()[0]).toBe(7);
      average.dispose();
      module.dispose();
    });
  });
});

describe('A learning rate that is halved', () => {
  it('is halved after each of the iterations', () => {
    const rates = [1, 2, 3, 4, 5].map((step) => halvedRate(step, 8, [2, 4]));
    expect(rates).toEqual([8, 8, 4, 4, 2]);
  });
});
