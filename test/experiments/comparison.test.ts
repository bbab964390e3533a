import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { drawScene } from '../../src/data/scenes';
import {
  benchmarkPairs,
  cellFolder,
  cellName,
  cellResult,
  comparisonCells,
  runCell,
  type Comparison,
} from '../../src/experiments/comparison';
import { comparisonCrops, comparisonCsv, comparisonMarkdown } from '../../src/experiments/comparison-report';
import { writeImage } from '../../src/image/file';
import { imresize } from '../../src/image/resize';
import { leavesNoTensors, startTestEngine } from '../engines';

const root = mkdtempSync(join(tmpdir(), 'mimicsr-comparison-'));
const COMPARISON: Comparison = {
  network: 'seemore',
  photos: join(root, 'photos'),
  benchmarks: [join(root, 'Drawn')],
  cameras: ['srraw-like', 'aligned'],
  methods: ['l1', 'mimic-corrected'],
  seeds: [1],
  iterations: 1,
  batch: 1,
  patch: 24,
  flow: 'small',
  out: join(root, 'out'),
};

describe('A comparison of L1 and Ours', () => {
  beforeAll(async () => {
    await startTestEngine();
    const hr = drawScene('benchmark', 144, 144);
    await writeImage(join(root, 'photos', 'a.png'), drawScene('photo', 160, 160));
    await writeImage(join(root, 'Drawn', 'b_HR.png'), hr);
    await writeImage(join(root, 'Drawn', 'b_LR.png'), imresize(hr, 1 / 4));
  });
  afterAll(() => rmSync(root, { recursive: true, force: true }));

  it('trains and scores every cell, and skips those that are finished', async () => {
    const cells = comparisonCells(COMPARISON);
    expect(cells.map(cellName)).toEqual([
      'bicubic',
      'srraw-like-l1-1',
      'aligned-l1-1',
      'srraw-like-mimic-corrected-1',
      'aligned-mimic-corrected-1',
    ]);
    await leavesNoTensors(async () => {
      for (const cell of cells) expect(await runCell(COMPARISON, cell)).toBe(true);
    });
    const lrs = cells.map((cell) => cellResult(COMPARISON, cell)!.scores.map((row) => row.lr));
    const all = ['bicubic', 'srraw-like', 'aligned'];
    expect(lrs).toEqual([all, ['bicubic', 'srraw-like'], all, ['bicubic', 'srraw-like'], all]);
    expect(existsSync(join(cellFolder(COMPARISON, cells[3]), 'helper.safetensors'))).toBe(true);
  });

  it('scores bicubic better on the own LR, which was made with it, than on a camera with blur and noise', () => {
    const [own, camera] = cellResult(COMPARISON, { method: 'bicubic' })!.scores;
    expect(own.psnrY).toBeGreaterThan(camera.psnrY);
  });

  it('photographs the benchmark in place: the camera LR lies over the shrunk HR', async () => {
    const [own, camera] = await Promise.all(
      (['bicubic', 'srraw-like'] as const).map((lr) => benchmarkPairs(COMPARISON.benchmarks[0], lr).load(0)),
    );
    expect(camera.hr).toEqual(own.hr);
    let apart = 0;
    own.lr.data.forEach((v, i) => (apart += Math.abs(v - camera.lr.data[i])));
    expect(apart / own.lr.data.length).toBeLessThan(8); // grey levels: blur and light, no movement, no colour
  });

  it('writes a row a score with provenance, and tables that are a function of the rows', () => {
    const csv = comparisonCsv(COMPARISON).trim().split('\n');
    expect(csv[0]).toMatch(/^run,method,camera,seed,.*psnrY,ssimY.*engine,pairsSha256,commit,finished$/);
    expect(csv).toHaveLength(1 + 3 + 2 + 3 + 2 + 3);
    const markdown = comparisonMarkdown(COMPARISON);
    expect(markdown).toMatch(/## srraw-like\n\n\| trained with \| .*bicubic LR \| .*camera LR \|\n/);
    expect(markdown.match(/^\| L1 on aligned pairs \|/gm)).toHaveLength(1);
    expect(markdown).toMatch(/^\| Ours, corrected \| \d+\.\d\d \/ \d\.\d{4}; .*gap \|/m);
  });

  it('shows crops of every method', async () => {
    const image = await leavesNoTensors(() => comparisonCrops(COMPARISON, 'srraw-like', 'srraw-like'));
    expect(image.width).toBeGreaterThan(6 * 256); // LR, bicubic, L1, Ours, L1 on aligned, HR
  });

  it('a new benchmark opens finished cells again without training; other settings are refused', async () => {
    const more = { ...COMPARISON, benchmarks: [...COMPARISON.benchmarks, join(root, 'Other')] };
    const cell = { method: 'l1', camera: 'aligned', seed: 1 } as const;
    expect(cellResult(more, cell)).toBeUndefined();
    expect(() => cellResult({ ...COMPARISON, iterations: 2 }, cell)).toThrow(
      /result\.json: expected a run of .*"iterations":2.*found .*"iterations":1/,
    );
    const weights = join(cellFolder(COMPARISON, cell), 'log.jsonl');
    const before = statSync(weights).size;
    await runCell(COMPARISON, cell);
    expect(statSync(weights).size).toBe(before);
  });
});
