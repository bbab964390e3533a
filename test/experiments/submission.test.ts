import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { benchmarkPairs, metricsOf } from '../../src/experiments/benchmarks';
import type { JobState, Launcher, Task } from '../../src/experiments/launcher';
import { cellArguments, openRequest, type GridRequest } from '../../src/experiments/request';
import { writeResults, type ResultRow, type ScoreMetric } from '../../src/experiments/store';
import {
  cancelGrid,
  collectGrid,
  gridStatus,
  previewGrid,
  submitGrid,
} from '../../src/experiments/submission';
import { fillGrid } from '../../src/experiments/table';
import { openPairs } from '../../src/train/run';
import { mimicsr } from '../cli/run';
import { resultRow } from './result-row';

const root = mkdtempSync(join(tmpdir(), 'mimicsr-submission-'));
const request: GridRequest = {
  what: 'table2',
  profile: 'smoke',
  networks: ['seemore', 'dat'],
  methods: ['l1', 'pseudo-gt'],
  seeds: [1, 2],
  runs: join(root, 'runs'),
  out: join(root, 'out'),
};
const { plan } = openRequest(request);

/** A scheduler that keeps its jobs in memory and runs none. */
class Paper implements Launcher {
  readonly name = 'paper';
  readonly jobs = new Map<string, JobState>();
  readonly tasks: Task[][] = [];

  preview(tasks: readonly Task[]): string {
    return tasks.map(({ id }) => id).join(' ');
  }

  submit(tasks: readonly Task[]): ReturnType<Launcher['submit']> {
    this.tasks.push([...tasks]);
    const before = this.jobs.size;
    const launched = tasks.map(({ id }, i) => ({ id, job: String(before + i + 1), log: `${id}.log` }));
    for (const { job } of launched) this.set(job, 'waiting');
    return Promise.resolve(launched);
  }

  set(job: string, phase: JobState['phase']): void {
    this.jobs.set(job, { phase, words: phase.toUpperCase() });
  }

  states(): Promise<ReadonlyMap<string, JobState>> {
    return Promise.resolve(this.jobs);
  }

  cancel(jobs: readonly string[]): Promise<void> {
    for (const job of jobs) this.set(job, 'ended');
    return Promise.resolve();
  }
}

/** All scores of a run, as it would have left them. */
function finish(id: string): void {
  const { experiment, benchmarks } = plan.find((run) => run.id === id)!;
  const rows = (['psnrY', 'ssimY', 'psnrRgb', 'ssimRgb'] as const).map((metric) =>
    resultRow({
      experiment: id,
      benchmark: 'scenes',
      lr: 'bicubic',
      metric,
      value: 20,
      images: benchmarkPairs(benchmarks[0]).size,
      pairsSha256: experiment === undefined ? '' : openPairs(experiment.config.data).fingerprint(),
    }),
  );
  mkdirSync(join(root, 'runs', id), { recursive: true });
  writeResults(join(root, 'runs', id, 'scores.csv'), rows);
}

describe('A submission', () => {
  const launcher = new Paper();
  afterAll(() => rmSync(root, { recursive: true, force: true }));

  it('is one task a run; runs that share a preparation wait for the first of them', async () => {
    const status = await submitGrid(request, { launcher });
    expect(status.map(({ state }) => state)).toEqual(plan.map(() => 'waiting'));
    const [tasks] = launcher.tasks;
    expect(tasks.map(({ id }) => id)).toEqual(plan.map(({ id }) => id));
    const pseudo = (network: string, seed: number): string =>
      tasks.find(({ id }) => id.startsWith(`${network}-pseudo-gt`) && id.includes(`-s${seed}-`))!.id;
    expect(Object.fromEntries(tasks.flatMap(({ id, after }) => (after ? [[id, after]] : [])))).toEqual({
      [pseudo('dat', 1)]: pseudo('seemore', 1),
      [pseudo('dat', 2)]: pseudo('seemore', 2),
    });
  });

  it('submits again what has ended without its scores, and nothing else', async () => {
    finish(plan[1].id);
    launcher.set('1', 'ended'); // finished or not is a matter of scores, not of jobs
    launcher.set('2', 'ended');
    launcher.set('3', 'running');
    const before = await gridStatus(request, launcher);
    expect(before.slice(0, 3).map(({ state }) => state)).toEqual(['ended', 'finished', 'running']);
    await submitGrid(request, { launcher });
    expect(launcher.tasks[1].map(({ id }) => id)).toEqual([plan[0].id]);
    expect(await previewGrid(request, { launcher })).toBe('');
  });

  it('knows the jobs of runs that another table shares', async () => {
    const wider = await gridStatus({ ...request, methods: ['l1', 'cx', 'pseudo-gt'] }, launcher);
    const there = wider.filter(({ state }) => state !== 'not submitted');
    expect(there).toHaveLength(plan.length);
    expect(wider.length).toBe(plan.length + 4);
  });

  it('is cancelled where it waits or runs', async () => {
    const cancelled = await cancelGrid(request, launcher);
    expect(cancelled.map(({ run }) => run.id)).toEqual(plan.filter((_, i) => i !== 1).map(({ id }) => id));
    expect(await cancelGrid(request, launcher)).toEqual([]);
  });

  it('is collected as far as it is', async () => {
    const { table } = await collectGrid(request);
    const filled = table.rows.filter(({ cells }) => cells.some(({ ours }) => ours !== undefined));
    expect(filled).toHaveLength(1);
    for (const ending of ['md', 'csv', 'tex', 'html']) {
      expect(existsSync(join(root, 'out', `table2.${ending}`))).toBe(true);
    }
    expect(readFileSync(join(root, 'out', 'scores.csv'), 'utf8')).toContain(plan[1].id);
  });

  it('names a damaged record', async () => {
    const path = join(root, 'runs', plan[2].id, 'job.json');
    writeFileSync(path, '{"launcher"');
    await expect(gridStatus(request, launcher)).rejects.toThrow(`${path} is not JSON`);
  });
});

describe('A request', () => {
  it('comes back from the command line of its cells', async () => {
    const args = cellArguments(request, 'no-such-run');
    const { code, err } = await mimicsr(...args);
    expect(code).toBe(2);
    expect(err).toContain("unknown run 'no-such-run'");
    for (const { id } of plan) expect(err).toContain(id); // the same plan
  });

  it("without seeds trains the profile's, and shows what is scored of others", () => {
    const open = { ...request, methods: ['l1'] as const, seeds: undefined, out: join(root, 'seeds') };
    const first = openRequest(open).plan.map(({ id }) => id);
    expect(first).toEqual(openRequest({ ...open, seeds: [1] }).plan.map(({ id }) => id));
    const second = openRequest({ ...open, seeds: [2] }).plan.map(({ id }) => id);
    const third = openRequest({ ...open, seeds: [3] }).plan[1];
    const row = (metric: ScoreMetric, experiment: string, seed: number, value: number): ResultRow =>
      resultRow({ experiment, seed, benchmark: 'scenes', lr: 'bicubic', metric, value });
    const rows = [
      ...metricsOf(third.benchmarks[0]).flatMap((m) => [row(m, first[1], 1, 20), row(m, second[1], 2, 22)]),
      row('psnrRgb', third.id, 3, 0), // not all that the table wants
      row('psnrY', 'of another table', 4, 0),
    ];
    mkdirSync(open.out, { recursive: true });
    writeResults(join(open.out, 'scores.csv'), rows);
    const { plan: both, grid } = openRequest(open);
    expect(both.map(({ id }) => id)).toEqual([...first, second[1]]);
    const cell = fillGrid(grid, rows).rows.find(({ network }) => network === 'SeeMoRe')!.cells[0];
    expect(cell.ours).toMatchObject({ mean: 21, count: 2 });
    const figure = openRequest({ ...open, what: 'fig6' });
    expect(figure.plan.map(({ id }) => id)).toEqual(first);
  });

  it('refuses unknown names', () => {
    expect(() => openRequest({ ...request, what: 'table9' })).toThrow(/unknown table or figure 'table9'/);
    expect(() => openRequest({ ...request, methods: ['l2' as never] })).toThrow(/unknown process 'l2'/);
  });

  it('refuses rows and profiles that cannot give Figure 5, before anything is trained', () => {
    const open = (change: Partial<GridRequest>) => () =>
      openRequest({ what: 'fig5', profile: 'smoke', ...change });
    expect(open({ methods: ['l1', 'pseudo-gt'] })).toThrow(
      '--processes l1,pseudo-gt: fig5 needs a mimicking module: expected some of mimic, mimic-corrected',
    );
    expect(open({ profile: 'paper' })).toThrow(/the trainings of profile paper are on real pairs/);
    expect(open({ methods: ['l1', 'mimic'] })).not.toThrow();
  });

  it('refuses what its grid would pass over', () => {
    const open = (what: string, change: Partial<GridRequest>) => () =>
      openRequest({ what, profile: 'smoke', ...change });
    expect(open('ablations', { methods: ['l1'] })).toThrow('--processes: the rows of ablations are fixed');
    expect(open('fig1', { methods: ['l1'] })).toThrow('--processes: the rows of fig1 are fixed');
    expect(open('misalignment', { networks: ['dat', 'seemore'] })).toThrow(
      '--networks dat,seemore: misalignment is of one network at a time',
    );
    expect(open('misalignment', { methods: ['l1'], networks: ['dat'] })).not.toThrow();
  });

  it("refuses values of another grid's sweep", () => {
    expect(() => openRequest({ what: 'table1', lambdas: [1] })).toThrow(
      '--lambdas is for lambda: table1 has no such sweep',
    );
    expect(() => openRequest({ what: 'lambda', misalignments: [1] })).toThrow(
      '--misalignments is for misalignment: lambda has no such sweep',
    );
    expect(openRequest({ what: 'lambda', lambdas: [1] }).grid.rows).toHaveLength(1);
  });
});

describe('mimicsr grid', () => {
  const selection = ['table2', '--profile', 'smoke', '--networks', 'seemore', '--runs', join(root, 'other')];

  it('shows what it would hand over', async () => {
    const { code, out } = await mimicsr(
      'grid',
      'submit',
      ...selection,
      '--dry-run',
      '--gpus',
      '2',
      '--cpus',
      '3',
    );
    expect(code).toBe(0);
    expect(out).toContain('--gres=gpu:2');
    expect(out).toContain('--cpus-per-task=3');
    expect(out).toContain('--mem=4G'); // the profile's
    expect(out).toMatch(/reproduce table2 --profile smoke --networks seemore .*--cell seemore-l1-/);
  });

  it('says how nothing stands yet', async () => {
    const { code, out } = await mimicsr('grid', 'status', ...selection);
    expect(code).toBe(0);
    expect(out).toMatch(/^0 of \d+ runs are finished$/m);
  });
});
