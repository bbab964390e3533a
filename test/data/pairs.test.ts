import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { cameraPairs, filePhotos, scenePhotos } from '../../src/data/camera-pairs';
import { PairLoader } from '../../src/data/loader';
import { datasetPairs } from '../../src/data/datasets';
import { PairStore } from '../../src/data/pair-store';
import { pairFiles, readPair, type Pair, type PairSet } from '../../src/data/pairs';
import { folderOf } from '../../src/data/roots';
import { drawScene } from '../../src/data/scenes';
import { writeImage } from '../../src/image/file';
import { blankImage } from '../../src/image/image';
import { imresize } from '../../src/image/resize';
import { InputError } from '../../src/util/errors';

const root = mkdtempSync(join(tmpdir(), 'mimicsr-pairs-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** Writes a pair of 64x48 and 16x12. */
async function writePair(hrPath: string, lrPath: string, seed: number): Promise<void> {
  const hr = drawScene(seed, 64, 48);
  await writeImage(hrPath, hr);
  await writeImage(lrPath, imresize(hr, 0.25, { rounding: 'final' }));
}

function folder(name: string, ...subfolders: string[]): string {
  const path = join(root, name);
  for (const sub of ['', ...subfolders]) mkdirSync(join(path, sub), { recursive: true });
  return path;
}

describe('pairs in a folder', () => {
  it.each([
    ['NAME_HR beside NAME_LR', 'suffixes', [], (n: string) => [`${n}_HR.png`, `${n}_LR.png`]],
    [
      'below image_SRF_4',
      'nested',
      ['image_SRF_4'],
      (n: string) => [`image_SRF_4/${n}_HR.png`, `image_SRF_4/${n}_LR.png`],
    ],
    ['subfolders HR and LR', 'subfolders', ['HR', 'LR'], (n: string) => [`HR/${n}.png`, `LR/${n}.png`]],
    [
      'subfolders gt and lq with x4 names',
      'scaled',
      ['gt', 'lq'],
      (n: string) => [`gt/${n}.png`, `lq/${n}x4.png`],
    ],
  ] as const)('are found as %s', async (_, name, subfolders, paths) => {
    const path = folder(name, ...subfolders);
    for (const [i, n] of ['b', 'a'].entries()) {
      const [hr, lr] = paths(n);
      await writePair(join(path, hr), join(path, lr), i);
    }
    const set = datasetPairs(path);
    expect(set.size).toBe(2);
    const pair = await set.load(0);
    expect([pair.name, pair.hr.width, pair.hr.height, pair.lr.width, pair.lr.height]).toEqual([
      'a',
      64,
      48,
      16,
      12,
    ]);
  });

  it('name the pictures that have no partner', async () => {
    const path = folder('alone', 'HR', 'LR');
    await writePair(join(path, 'HR', 'a.png'), join(path, 'LR', 'a.png'), 0);
    await writeImage(join(path, 'HR', 'b.png'), drawScene(1, 64, 48));
    expect(() => pairFiles(path)).toThrow('pictures without a partner: b.png has no LR');
  });

  it('are refused where two files have one name, with both', async () => {
    const path = folder('twice', 'HR', 'LR');
    await writePair(join(path, 'HR', 'a.png'), join(path, 'LR', 'a.png'), 0);
    await writeImage(join(path, 'LR', 'ax4.png'), blankImage(16, 12));
    expect(() => pairFiles(path)).toThrow("LR: a.png and ax4.png are both 'a': expected one picture a name");
    await writeImage(join(path, 'HR', 'a.jpg'), drawScene(1, 64, 48));
    expect(() => pairFiles(path)).toThrow("HR: a.jpg and a.png are both 'a'");
    await writePair(join(path, 'a_HR.png'), join(path, 'a_LR.png'), 0);
    for (const other of ['b.png', 'b.jpg']) await writeImage(join(path, other), blankImage(16, 12));
    for (const sub of ['HR', 'LR']) rmSync(join(path, sub), { recursive: true });
    expect(pairFiles(path)).toHaveLength(1); // what is no part of a pair may be called as it likes
    await writeImage(join(path, 'a_LR.jpg'), blankImage(16, 12));
    expect(() => pairFiles(path)).toThrow("a_LR.jpg and a_LR.png are both 'a'");
  });

  it('are refused in an empty or unknown layout, saying what was expected', async () => {
    expect(() => pairFiles(folder('empty'))).toThrow('has no image');
    await writeImage(join(folder('unpaired'), 'a.png'), drawScene(0, 64, 48));
    expect(() => pairFiles(folder('unpaired'))).toThrow('expected NAME_HR and NAME_LR files');
    expect(() => pairFiles(join(root, 'missing'))).toThrow(InputError);
    expect(() => datasetPairs(folder('hollow', 'HR', 'LR'))).toThrow(InputError);
  });

  it('are refused where the HR is not four times the LR, with both sizes', async () => {
    const path = folder('ratio');
    await writeImage(join(path, 'a_HR.png'), drawScene(0, 60, 48));
    await writeImage(join(path, 'a_LR.png'), blankImage(16, 12));
    await expect(readPair(pairFiles(path)[0])).rejects.toThrow(
      /a_HR.png is 60x48: expected 4 times its LR, 64x48/,
    );
  });

  it('have a fingerprint that changes with any picture', async () => {
    const path = folder('print');
    await writePair(join(path, 'a_HR.png'), join(path, 'a_LR.png'), 0);
    const before = datasetPairs(path).fingerprint();
    expect(datasetPairs(path).fingerprint()).toBe(before);
    await writePair(join(path, 'a_HR.png'), join(path, 'a_LR.png'), 1);
    expect(datasetPairs(path).fingerprint()).not.toBe(before);
  });
});

it('a dataset that is nowhere is an error that says where it was looked for', () => {
  expect(() => folderOf('NoSuchSet')).toThrow(/no folder or dataset 'NoSuchSet': looked in .*data/);
});

describe('camera pairs', () => {
  it('are the same at every call and for every order, four times apart in size', async () => {
    const set = cameraPairs(scenePhotos(3, 1), 'srraw-like', 7);
    const [first, again, other] = [await set.load(1), await set.load(1), await set.load(2)];
    expect(again).toEqual(first);
    expect(other.hr.data).not.toEqual(first.hr.data);
    expect([first.hr.width, first.hr.height]).toEqual([4 * first.lr.width, 4 * first.lr.height]);
  });

  it('name a photograph that cannot be read', async () => {
    const path = join(folder('photos'), 'broken.png');
    writeFileSync(path, 'not a picture');
    await expect(cameraPairs(filePhotos([path], 'one'), 'aligned', 0).load(0)).rejects.toThrow(path);
  });
});

describe('the loader', () => {
  /** Two pairs whose every LR pixel holds its own position, and whose HR pixels hold the position of their LR pixel. */
  const side = 24;
  const mark = (x: number, y: number, which: number): number[] => [x * 10, y * 10, which * 50];
  const marked = (which: number): Pair => {
    const fill = (scale: number): Pair['lr'] => {
      const n = side * scale;
      const data = new Uint8Array(n * n * 3);
      for (let y = 0; y < n; y++) {
        for (let x = 0; x < n; x++)
          data.set(mark(Math.floor(x / scale), Math.floor(y / scale), which), (y * n + x) * 3);
      }
      return { width: n, height: n, data };
    };
    return { name: `pair-${which}`, lr: fill(1), hr: fill(4) };
  };
  let loads: number[];
  const set: PairSet = {
    description: 'marked pairs',
    size: 4,
    load: (index) => {
      loads.push(index);
      return Promise.resolve(marked(index));
    },
    fingerprint: () => '',
  };
  const options = { patch: 8, batch: 3, seed: 5 };

  beforeAll(() => (loads = []));

  it('cuts the HR patch over the LR patch, in the same symmetry', async () => {
    const loader = new PairLoader(set, options);
    for (let step = 1; step <= 20; step++) {
      const { lr, hr } = await loader.batch(step);
      for (let k = 0; k < 3; k++) {
        for (let y = 0; y < 8; y++) {
          for (let x = 0; x < 8; x++) {
            const small = lr.subarray(((k * 8 + y) * 8 + x) * 3).subarray(0, 3);
            const big = hr.subarray(((k * 32 + 4 * y + 2) * 32 + 4 * x + 1) * 3).subarray(0, 3);
            expect(big).toEqual(small);
          }
        }
      }
    }
  });

  it('visits every pair equally often and uses all eight symmetries and every position', async () => {
    const loader = new PairLoader(set, { ...options, batch: 4 });
    const seen = {
      pairs: new Map<number, number>(),
      symmetries: new Set<string>(),
      corners: new Set<string>(),
    };
    for (let step = 1; step <= 1000; step++) {
      const { lr } = await loader.batch(step);
      for (let k = 0; k < 4; k++) {
        const at = (x: number, y: number): number[] =>
          [...lr.subarray(((k * 8 + y) * 8 + x) * 3).subarray(0, 3)].map((v) => Math.round(v * 255));
        const [p, right, down] = [at(0, 0), at(1, 0), at(0, 1)];
        seen.pairs.set(p[2], (seen.pairs.get(p[2]) ?? 0) + 1);
        seen.symmetries.add(
          JSON.stringify([right[0] - p[0], right[1] - p[1], down[0] - p[0], down[1] - p[1]]),
        );
        seen.corners.add(`${Math.min(p[0], at(7, 7)[0])},${Math.min(p[1], at(7, 7)[1])}`);
      }
    }
    expect([...seen.pairs.values()]).toEqual([1000, 1000, 1000, 1000]);
    expect(seen.symmetries.size).toBe(8);
    expect(seen.corners.size).toBe((side - 8 + 1) ** 2);
  });

  afterEach(() => {
    vi.unstubAllEnvs();
    vi.restoreAllMocks();
  });

  it('gives a batch that depends on seed and iteration alone', async () => {
    const [a, b] = [new PairLoader(set, options), new PairLoader(set, options)];
    for (let step = 1; step < 9; step++) await a.batch(step);
    expect(await a.batch(9)).toEqual(await b.batch(9));
    expect(await new PairLoader(set, { ...options, seed: 6 }).batch(9)).not.toEqual(await b.batch(9));
  });

  it('keeps what fits in its cache and reads the rest again', async () => {
    const bytes = (24 * 24 + 96 * 96) * 3;
    for (const [cacheBytes, expected] of [
      [4 * bytes, 4],
      [bytes, 40],
    ] as const) {
      loads = [];
      const loader = new PairLoader(set, { ...options, batch: 4, cacheBytes });
      for (let step = 1; step <= 10; step++) await loader.batch(step);
      if (expected === 4) expect(loads.length).toBe(4);
      else expect(loads.length).toBeGreaterThan(30);
    }
  });

  it('takes for its cache a quarter of the memory, of which a process has the share that it has of the cores', () => {
    const create = vi.spyOn(PairStore, 'create').mockReturnValue({} as PairStore);
    const bytes = (threads: number): number => {
      vi.stubEnv('MIMICSR_THREADS', String(threads));
      new PairLoader(set, options);
      return create.mock.lastCall![1];
    };
    const cores = availableParallelism();
    const whole = bytes(cores);
    expect(whole).toBeLessThanOrEqual(totalmem() / 4);
    expect(bytes(1)).toBeCloseTo(whole / cores, 0);
    expect(bytes(4 * cores)).toBe(whole);
  });

  it('names the pair whose LR is smaller than the patch', async () => {
    await expect(new PairLoader(set, { ...options, patch: 32 }).batch(1)).rejects.toThrow(
      /LR of pair-\d is 24x24/,
    );
  });
});
