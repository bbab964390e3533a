import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { alignmentTruth } from '../../src/experiments/alignment-truth';
import { benchmarkPairs } from '../../src/experiments/benchmarks';
import { cropGrid, runsOn } from '../../src/experiments/crops';
import { grid } from '../../src/experiments/grids';
import { profile } from '../../src/experiments/profiles';
import { collectResults, knownResults, uncountedText } from '../../src/experiments/known-results';
import { missingBenchmarks, planGrid } from '../../src/experiments/plan';
import { completeRun, hasTrained, openRuns, runGrid, trainedUpscaler } from '../../src/experiments/runner';
import { readResults, writeResults, type ResultRow } from '../../src/experiments/store';
import { trainingConfig } from '../../src/train/config';
import { runFiles } from '../../src/util/run-files';
import { leavesNoTensors, startTestEngine } from '../engines';

const root = mkdtempSync(join(tmpdir(), 'mimicsr-grid-'));
const folders = { runs: join(root, 'runs'), results: join(root, 'out', 'scores.csv') };
const table = grid('table1', profile('smoke'), {
  networks: ['seemore'],
  methods: ['l1', 'mimic-corrected'],
});
const plan = planGrid(table);

describe('A grid', () => {
  beforeAll(() => startTestEngine());
  afterAll(() => rmSync(root, { recursive: true, force: true }));

  it('stops between two iterations, and goes on where it stopped', async () => {
    const controller = new AbortController();
    const stopped = await completeRun(plan[1], folders, {
      signal: controller.signal,
      onStep: ({ step }) => {
        if (step === 1) controller.abort();
      },
    });
    expect(stopped).toBe(false);
    expect(readResults(join(folders.runs, plan[1].id, 'scores.csv'))).toEqual([]); // half a run is no result
    const { checkpoint, weights } = runFiles(join(folders.runs, plan[1].id));
    expect([checkpoint, weights].map((path) => existsSync(path))).toEqual([true, true]);
    expect(hasTrained([plan[1]], folders)).toBe(false); // nor is half a network one to be shown
    expect(trainedUpscaler(plan[1], folders)).toBeUndefined();
  });

  it('trains and scores what is missing, one run after the other, and merges the scores', async () => {
    const notes: string[] = [];
    const outcome = await leavesNoTensors(() => runGrid(plan, folders, { note: (text) => notes.push(text) }));
    expect(outcome).toMatchObject({ failed: [], stopped: false });
    expect(plan.map((run) => missingBenchmarks(run, outcome.results))).toEqual([[], [], []]);
    expect(notes[0]).toBe('0 of 3 runs are finished');
    const rows = readResults(folders.results);
    expect(rows).toHaveLength(3 * 4); // bicubic, L1, ours x four measures of one benchmark
    const l1 = rows.find((row) => row.process === 'L1')!;
    expect(l1).toMatchObject({ seed: 1, iterations: 2, images: 1, network: 'SeeMoRe', lr: 'bicubic' });
    expect(l1.pairsSha256).toMatch(/^[0-9a-f]{64}$/);
    expect(l1.engine).not.toBe('');
    const { upscaler, dispose } = trainedUpscaler(plan[1], folders)!;
    expect([l1.protocol, upscaler.tile]).toEqual(['RGB, crop 4', 1024]);
    dispose();
  });

  it('runs nothing twice: finished is finished, also where only the results file is left', async () => {
    const log = runFiles(join(folders.runs, plan[1].id)).log;
    const [size, before] = [statSync(log).size, readFileSync(folders.results, 'utf8')];
    await runGrid(plan, folders);
    expect(statSync(log).size).toBe(size);
    const elsewhere = { ...folders, runs: join(root, 'other-runs') };
    await runGrid(plan, elsewhere);
    expect(existsSync(elsewhere.runs)).toBe(false);
    expect(readFileSync(folders.results, 'utf8')).toBe(before);
    expect(trainedUpscaler(plan[1], elsewhere)).toBeUndefined();
    // Pictures want the trained network as well.
    const forPictures = planGrid(table, { weights: true });
    const results = readResults(folders.results);
    expect(openRuns(forPictures, results, folders)).toEqual([]);
    expect(openRuns(forPictures, results, elsewhere).map(({ id }) => id)).toEqual([plan[1].id, plan[2].id]);
    expect(openRuns(plan, results, elsewhere)).toEqual([]);
  });

  it('shows crops of the runs that are here', async () => {
    const picture = await leavesNoTensors(() =>
      cropGrid(table, table.columns[0].benchmark, folders, { pictures: [0], side: 64, zoom: 1 }),
    );
    expect(picture.width).toBe(8 + 5 * (64 + 8)); // LR, bicubic, L1, ours, HR
    const whole = await cropGrid(table, table.columns[0].benchmark, folders, {
      pictures: [0],
      side: 4096,
      zoom: 1,
    });
    const { hr } = await benchmarkPairs(table.columns[0].benchmark).load(0);
    expect(whole.width).toBe(8 + 5 * (Math.min(hr.width, hr.height) + 8)); // the largest square that the picture has
  });

  it('shows on pictures of a set what was trained on it, and a method twice where it was trained on two', () => {
    const rows = { networks: ['seemore'], methods: ['l1', 'mimic'], seeds: [1, 2] } as const;
    const table3 = grid('table3', profile('smoke'), rows);
    const realsr = table3.columns.find(({ trainedOn }) => trainedOn === 'RealSR')!.benchmark;
    expect(runsOn(table3, realsr).map(({ id }) => id.replace(/-\w+$/, ''))).toEqual([
      'bicubic',
      'seemore-l1-realsr-like-s1',
      'seemore-mimic-realsr-like-s1',
    ]);
    const real = grid('real', profile('smoke'), rows);
    expect(runsOn(real, real.columns[0].benchmark).map(({ trainedOn }) => trainedOn)).toEqual([
      '',
      ...['real pairs', 'real pairs, misaligned', 'real pairs', 'real pairs, misaligned'],
    ]);
  });

  it('measures what a trained module does to shots against the truth of the camera', async () => {
    const source = join(folders.runs, plan[2].id);
    const { measures, reduction, trueFlow, shots } = await leavesNoTensors(() =>
      alignmentTruth(source, { camera: 'srraw-geometry', pictures: 'scenes', count: 1, misalignment: 1.5 }),
    );
    const [lr, warped, mimicked] = measures;
    expect([shots, lr.picture, warped.picture, mimicked.picture]).toEqual([1, 'lr', 'warped', 'mimicked']);
    expect(Math.abs(trueFlow - 1.5)).toBeLessThan(0.5);
    expect(Math.abs(lr.endPoint! / trueFlow - 1)).toBeLessThan(0.25); // nothing was done about it; inner pixels alone
    expect(warped.endPoint!).toBeLessThan(0.4 * lr.endPoint!);
    expect(reduction.warped!).toBeCloseTo(100 * (1 - warped.squared / lr.squared), 8);
    await expect(
      alignmentTruth(join(folders.runs, plan[1].id), { camera: 'aligned', pictures: 'scenes' }),
    ).rejects.toThrow(/it trained no mimicking module/);
  });

  describe('Scores of other data than is here under the same name', () => {
    const other = { runs: join(root, 'no-runs'), results: join(root, 'changed', 'scores.csv') };
    const trained = (row: ResultRow): boolean => row.process === 'L1';
    const elsewhere = (row: ResultRow): ResultRow => (trained(row) ? { ...row, pairsSha256: 'other' } : row);
    const processes = (rows: readonly ResultRow[]): string[] =>
      [...new Set(rows.map((r) => r.process))].sort();
    const store = (change: (row: ResultRow) => ResultRow): void =>
      writeResults(other.results, readResults(folders.results).map(change));

    it('do not count: another number of pictures, other pairs', () => {
      const counted = (change: (row: ResultRow) => ResultRow): string[] => {
        store(change);
        return processes(knownResults(plan, other));
      };
      const all = ['L1', 'Ours, corrected', 'bicubic'];
      expect(counted((row) => row)).toEqual(all);
      expect(uncountedText(plan, other)).toBeUndefined();
      expect(counted((row) => ({ ...row, images: row.images + 1 }))).toEqual([]);
      expect(counted(elsewhere)).toEqual(all.slice(1));
      expect(uncountedText(plan, other)).toMatch(/^4 scores do not count/);
    });

    it('neither hide nor overwrite those that do', async () => {
      store((row) => row);
      const stale = readResults(other.results).filter(trained).map(elsewhere);
      writeResults(join(other.runs, plan[1].id, 'scores.csv'), stale);
      expect(processes(await collectResults(plan, other))).toContain('L1');
      expect(readResults(other.results)).toEqual(readResults(folders.results));
      store(elsewhere); // what does not count stays where nothing has its place
      await collectResults(plan, other);
      expect(readResults(other.results).filter(trained)).toEqual(stale);
    });

    it('count where the data is not here, or cannot be read', () => {
      const camera = { kind: 'camera', preset: 'aligned', photos: join(root, 'photographs') } as const;
      const config = {
        ...plan[1].experiment!.config,
        data: trainingConfig({ ...plan[1].experiment!.config, data: camera }).data,
      };
      const run = { ...plan[1], experiment: { id: plan[1].id, config } };
      store(elsewhere);
      expect(processes(knownResults([run], other))).toContain('L1');
      mkdirSync(camera.photos);
      expect(processes(knownResults([run], other))).toContain('L1');
    });
  });

  it('a run that fails does not stop the others, and is named', async () => {
    const broken = {
      ...plan[1],
      id: 'broken',
      benchmarks: [{ ...plan[1].benchmarks[0], name: 'no-such-set' }],
    };
    const outcome = await runGrid([broken, plan[0]], { ...folders, results: join(root, 'out', 'b.csv') });
    expect(outcome.failed).toHaveLength(1);
    expect(outcome.failed[0]).toMatch(/^broken: no folder or dataset 'no-such-set'/);
    expect(outcome.results.length).toBeGreaterThan(0);
  });
});
