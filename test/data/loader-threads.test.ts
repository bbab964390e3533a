import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Worker } from 'node:worker_threads';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { bsrganDegradation } from '../../src/data/bsrgan';
import type { BatchSlot } from '../../src/data/batch-slot';
import { cameraPairs, scenePhotos } from '../../src/data/camera-pairs';
import { PairLoader, type LoaderOptions } from '../../src/data/loader';
import { datasetPairs } from '../../src/data/datasets';
import type { PairSet } from '../../src/data/pairs';
import { drawScene } from '../../src/data/scenes';
import { writeImage } from '../../src/image/file';
import { imresize } from '../../src/image/resize';
import { InputError } from '../../src/util/errors';

const OPTIONS: LoaderOptions = { patch: 8, batch: 5, seed: 3, noise: 'repaired' };
const root = mkdtempSync(join(tmpdir(), 'mimicsr-loader-'));

/** A folder of pairs of 64x64 and larger. */
async function writePairs(name: string, count: number): Promise<string> {
  const folder = join(root, name);
  mkdirSync(folder);
  for (let i = 0; i < count; i++) {
    const hr = drawScene(i, 64 + 16 * i, 64);
    await writeImage(join(folder, `${i}_HR.png`), hr);
    await writeImage(join(folder, `${i}_LR.png`), imresize(hr, 0.25, { rounding: 'final' }));
  }
  return folder;
}

/** What the tests look at inside a loader with threads. */
interface Inside {
  readonly workers: Worker[];
  readonly slots: BatchSlot[];
  readonly busyWith: Int32Array;
}

let open: PairLoader[] = [];
function loaderOf(pairs: PairSet, options: Partial<LoaderOptions> = {}): PairLoader & { inside: Inside } {
  const loader = new PairLoader(pairs, { ...OPTIONS, ...options });
  open.push(loader);
  const { threads } = loader as unknown as { threads: Inside };
  return Object.assign(loader, { inside: threads });
}
afterEach(async () => {
  await Promise.all(open.map((loader) => loader.close()));
  open = [];
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** A batch, copied: a loader writes over the arrays that it gave. */
async function copyOf(loader: PairLoader, step: number): Promise<number[][]> {
  const { lr, hr, noise } = await loader.batch(step);
  return [lr, hr, noise ?? []].map((values) => [...values]);
}

const doneOf = (slot: BatchSlot): number => new Int32Array(slot.memory)[2];
const pause = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds));

describe('loader threads', () => {
  let files: PairSet;
  beforeAll(async () => (files = datasetPairs(await writePairs('pairs', 4))));

  it.each<[string, () => PairSet, Partial<LoaderOptions>]>([
    ['files', () => files, {}],
    ['the camera on drawn scenes', () => cameraPairs(scenePhotos(2, 1), 'srraw-like', 4), {}],
    [
      'the camera moved by a given size',
      () => cameraPairs(scenePhotos(2, 1), 'srraw-like', 4, { misalignment: 3 }),
      {},
    ],
    ['degraded HR', () => files, { noise: undefined, degradation: bsrganDegradation }],
  ])(
    'make the batches of the calling thread, bit for bit, for any number of threads: %s',
    async (_, set, more) => {
      const alone = loaderOf(set(), more);
      const expected = [];
      for (let step = 1; step <= 6; step++) expected.push(await copyOf(alone, step));
      for (const [workers, steps] of [
        [1, [1, 2, 3, 4, 5, 6]],
        [3, [5, 6, 2, 3, 3, 1]], // a resumed run begins anywhere; so may every other caller
      ] as const) {
        const loader = loaderOf(set(), { ...more, workers });
        for (const step of steps) expect(await copyOf(loader, step)).toEqual(expected[step - 1]);
      }
    },
  );

  it('load again what does not fit into memory', async () => {
    const expected = await copyOf(loaderOf(files), 3);
    for (const [workers, cacheBytes] of [
      [0, 0],
      [0, 64 * 64 * 4],
      [1, 64 * 64 * 4],
    ]) {
      const loader = loaderOf(files, { workers, cacheBytes });
      await loader.batch(1);
      expect(await copyOf(loader, 3)).toEqual(expected);
    }
  });

  it('work ahead while the calling thread is busy, and rest when three batches wait', async () => {
    const loader = loaderOf(files, { workers: 2 });
    const { slots, busyWith } = loader.inside;
    const steps = (): number[] => slots.map((slot) => slot.step).sort((a, b) => a - b);
    for (const [step, ahead] of [
      [1, [1, 2, 3, 4]],
      [2, [2, 3, 4, 5]],
    ] as const) {
      await loader.batch(step);
      const until = Date.now() + 20_000; // no await in here: no message is heard
      while (slots.some((slot) => doneOf(slot) < OPTIONS.batch) && Date.now() < until);
      expect(slots.map(doneOf)).toEqual([5, 5, 5, 5]);
      await pause(20);
      expect(steps()).toEqual(ahead);
      expect([...busyWith]).toEqual([-1, -1]);
    }
  });

  it('name the file that cannot be read, and make it once it can be', async () => {
    const folder = await writePairs('broken', 1);
    const pairs = datasetPairs(folder);
    const path = join(folder, '0_HR.png');
    writeFileSync(path, 'not a picture');
    const loader = loaderOf(pairs, { workers: 1 });
    for (const step of [1, 2, 2]) {
      await expect(loader.batch(step)).rejects.toThrow(InputError);
      await expect(loader.batch(step)).rejects.toThrow(`cannot read ${path}`);
    }
    await writeImage(path, drawScene(0, 64, 64));
    expect(await copyOf(loader, 2)).toEqual(await copyOf(loaderOf(pairs), 2));
  });

  it('name the pair that is smaller than the patch', async () => {
    const loader = loaderOf(files, { workers: 1, patch: 17 });
    await expect(loader.batch(1)).rejects.toThrow(/LR of \d is \d\dx16: expected at least the patch, 17x17/);
  });

  it('that die are an error that names the file they worked on, at this call and all later ones', async () => {
    const photos = scenePhotos(50, 1);
    const loader = loaderOf(cameraPairs(photos, 'srraw-like', 4), { workers: 2 });
    const { workers, busyWith } = loader.inside;
    const first = loader.batch(1);
    first.catch(() => undefined);
    while (busyWith[0] < 0) await pause(1);
    await workers[0].terminate();
    await expect(first).rejects.toThrow(
      /a loader thread failed while it worked on drawn scene \d+: it ended/,
    );
    await expect(loader.batch(2)).rejects.toThrow('a loader thread failed');
  });

  it('that cannot start are an error', async () => {
    const pairs = { ...files, source: { kind: 'files', files: undefined, description: '' } as never };
    await expect(loaderOf(pairs, { workers: 1 }).batch(1)).rejects.toThrow(
      /a loader thread failed: Cannot read/,
    );
  });

  it('end when the loader is closed, and with them what was asked for', async () => {
    const loader = loaderOf(files, { workers: 2 });
    const ended = loader.inside.workers.map(
      (worker) => new Promise((resolve) => worker.once('exit', resolve)),
    );
    const asked = loader.batch(1);
    asked.catch(() => undefined);
    await loader.close();
    await Promise.all(ended);
    await expect(asked).rejects.toThrow('the loader is closed');
  });

  it('are not used for a set that exists in the calling thread alone', async () => {
    const loader = loaderOf({ ...files, source: undefined }, { workers: 2 });
    expect(loader.inside).toBeUndefined();
    expect(await copyOf(loader, 1)).toEqual(await copyOf(loaderOf(files), 1));
  });
});
