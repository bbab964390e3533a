/** What a grid asks for as runs: trainings, each with the benchmarks that it is to be scored on. */
import { metricsOf, type Benchmark } from './benchmarks';
import type { Experiment } from './experiment';
import type { Grid } from './grid';
import { rowKey, type ResultRow, type ScoreMetric } from './store';

/** One training (or bicubic, which needs none) with everything that the grid wants to know of it. */
export interface PlannedRun {
  readonly id: string;
  /** Absent for bicubic. */
  readonly experiment?: Experiment;
  readonly network: string;
  readonly method: string;
  readonly trainedOn: string;
  readonly benchmarks: readonly Benchmark[];
  /** Whether the trained network is wanted too, for pictures: results are kept longer than weights. */
  readonly weights: boolean;
}

/**
 * Everything that a grid asks for, in its order, one entry a training, whole first seeds first.
 * @param options.weights whether the trained networks are wanted too
 */
export function planGrid(grid: Grid, { weights = false }: { weights?: boolean } = {}): PlannedRun[] {
  const runs = new Map<string, PlannedRun>();
  const add = (run: Omit<PlannedRun, 'benchmarks' | 'weights'>, benchmark: Benchmark): void => {
    const before = runs.get(run.id);
    const known = before?.benchmarks.some((b) => sameBenchmark(b, benchmark)) ?? false;
    if (!known) runs.set(run.id, { ...run, benchmarks: [...(before?.benchmarks ?? []), benchmark], weights });
  };
  const seeds = Math.max(
    0,
    ...grid.rows.flatMap((row) => Object.values(row.experiments).map((e) => e.length)),
  );
  for (const row of grid.rows.filter(({ method }) => method === 'bicubic')) {
    for (const { benchmark } of grid.columns)
      add({ id: 'bicubic', network: '', method: row.method, trainedOn: '' }, benchmark);
  }
  for (let seed = 0; seed < seeds; seed++) {
    for (const row of grid.rows) {
      for (const { trainedOn, benchmark } of grid.columns) {
        const experiment = row.experiments[trainedOn]?.[seed];
        if (experiment === undefined) continue;
        const { network, method } = row;
        add({ id: experiment.id, experiment, network, method, trainedOn }, benchmark);
      }
    }
  }
  return [...runs.values()];
}

/** Of runs that differ in nothing but their seeds the first. */
export function firstSeeds(plan: readonly PlannedRun[]): PlannedRun[] {
  const key = ({ network, method, trainedOn }: PlannedRun): string =>
    JSON.stringify([network, method, trainedOn]);
  return plan.filter((run, i) => plan.findIndex((other) => key(other) === key(run)) === i);
}

/** Names a run by its method; by network and training set only where there are several. */
export function runLabels(runs: readonly PlannedRun[]): (run: PlannedRun) => string {
  const several = (of: 'network' | 'trainedOn'): boolean =>
    new Set(runs.map((run) => run[of]).filter((value) => value !== '')).size > 1;
  const [networks, sets] = [several('network'), several('trainedOn')];
  return ({ network, method, trainedOn }) =>
    [
      networks && network !== '' ? `${network.split(',')[0]} ${method}` : method,
      ...(sets && trainedOn !== '' ? [trainedOn] : []),
    ].join(', ');
}

/** Whether scores on one are scores on the other. */
export function sameBenchmark(a: Benchmark, b: Benchmark): boolean {
  return a.name === b.name && a.lr === b.lr && a.kind === b.kind;
}

/** The scores that are still missing of a run. Metrics whose model is not at hand are not waited for. */
export function missingBenchmarks(run: PlannedRun, results: readonly ResultRow[]): Benchmark[] {
  const there = new Set(results.filter(({ experiment }) => experiment === run.id).map(rowKey));
  return run.benchmarks.filter((benchmark) => {
    const { name, lr } = benchmark;
    const key = (metric: ScoreMetric): string => rowKey({ experiment: run.id, benchmark: name, lr, metric });
    return metricsOf(benchmark).some((metric) => !there.has(key(metric)));
  });
}
