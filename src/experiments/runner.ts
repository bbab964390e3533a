/**
 * Runs a grid: trains what is missing, scores it, keeps the scores in the run's own folder (`scores.csv`) and, merged, in the
 * results file. A run with all its scores is finished; one without is gone on with. Cells go one after the other in this
 * process, or several side by side in processes of their own, which share the cores.
 */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { bicubicUpscaler, networkUpscaler, type Upscaler } from '../train/evaluate';
import { hasDataset } from '../data/datasets';
import type { DataConfig } from '../train/config';
import { openPairs, train, type RunOptions } from '../train/run';
import { loadNetwork } from '../train/trained-network';
import { InputError } from '../util/errors';
import { exclusively, isAbort } from '../util/exclusive';
import type { ProgressFactory } from '../util/progress';
import { runFiles } from '../util/run-files';
import { threadCount } from '../util/threads';
import { MIMICSR_BIN, versions } from '../util/versions';
import { readSafetensorsMetadata } from '../weights/safetensors';
import { benchmarkPairs, benchmarkSize, metricsOf, scoreBenchmark, type Benchmark } from './benchmarks';
import { runFolder, runRecord, setsOf, type Experiment } from './experiment';
import type { Grid } from './grid';
import { runProcesses } from './process-pool';
import { mergeResults, readResults, rowKey, writeResults, type ResultRow, type ScoreMetric } from './store';

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

export interface Folders {
  /** Holds a folder a run. */
  readonly runs: string;
  /** The results file; what it has is finished, whether or not the run's folder is still there. */
  readonly results: string;
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

/** Whether scores on one are scores on the other. */
export function sameBenchmark(a: Benchmark, b: Benchmark): boolean {
  return a.name === b.name && a.lr === b.lr && a.kind === b.kind;
}

/** The scores that are still missing of a run. Metrics whose model is not at hand are not waited for. */
export function missingBenchmarks(run: PlannedRun, results: readonly ResultRow[]): Benchmark[] {
  const there = new Set(results.map(rowKey));
  return run.benchmarks.filter((benchmark) => {
    const { name, lr } = benchmark;
    const key = (metric: ScoreMetric): string => rowKey({ experiment: run.id, benchmark: name, lr, metric });
    return metricsOf(benchmark).some((metric) => !there.has(key(metric)));
  });
}

/** The runs of a plan that lack scores, or weights that are wanted. */
export function openRuns(
  plan: readonly PlannedRun[],
  results: readonly ResultRow[],
  folders: Folders,
): PlannedRun[] {
  return plan.filter((run) => missingBenchmarks(run, results).length > 0 || lacksWeights(run, folders));
}

function lacksWeights(run: PlannedRun, folders: Folders): boolean {
  return run.weights && run.experiment !== undefined && trainedWeights(run, folders) === undefined;
}

/** All scores that are known of some runs and count: the results file's and the run folders', which are newer. */
export function knownResults(plan: readonly PlannedRun[], folders: Folders): ResultRow[] {
  return countedResults(plan, storedResults(plan, folders));
}

function storedResults(plan: readonly PlannedRun[], { runs, results }: Folders): ResultRow[] {
  return mergeResults(readResults(results), ...plan.map(({ id }) => readResults(scoresFile(runs, id))));
}

/**
 * Without those of a plan's runs that were made with other data than is here under the same names: another number of pictures
 * in a benchmark, other pairs in the training. Where the data is not here its scores count.
 */
function countedResults(plan: readonly PlannedRun[], rows: readonly ResultRow[]): ResultRow[] {
  const byId = new Map(plan.map((run) => [run.id, run]));
  const fingerprint = once((data: DataConfig) => openPairs(data).fingerprint());
  const size = once(benchmarkSize);
  return rows.filter((row) => {
    const { experiment, benchmarks = [] } = byId.get(row.experiment) ?? {};
    const benchmark = benchmarks.find(({ name, lr }) => name === row.benchmark && lr === row.lr);
    if (benchmark !== undefined && (size(benchmark) ?? row.images) !== row.images) return false;
    return (
      experiment === undefined ||
      !setsOf(experiment).every(hasDataset) ||
      fingerprint(experiment.config.data) === row.pairsSha256
    );
  });
}

/** A function of plain data that is computed once for each. */
function once<In, Out>(compute: (input: In) => Out): (input: In) => Out {
  const known = new Map<string, Out>();
  return (input) => {
    const key = JSON.stringify(input);
    if (!known.has(key)) known.set(key, compute(input));
    return known.get(key)!;
  };
}

/** Merges the scores of the run folders into the results file. @returns all that count of the plan and of the file */
export async function collectResults(
  plan: readonly PlannedRun[],
  folders: Folders,
): Promise<readonly ResultRow[]> {
  const merge = (): ResultRow[] => {
    const results = storedResults(plan, folders);
    writeResults(folders.results, results);
    return countedResults(plan, results);
  };
  return exclusively(`${folders.results}.lock`, merge, { waitMs: 60_000 });
}

function scoresFile(runs: string, id: string): string {
  return join(runs, id, 'scores.csv');
}

/**
 * Trains (or goes on training) and scores one run. An engine must be running.
 * @returns false where the signal stopped it before its end
 */
export async function completeRun(
  run: PlannedRun,
  folders: Folders,
  options: Pick<RunOptions, 'progress' | 'signal' | 'onStep'> = {},
): Promise<boolean> {
  const missing = missingBenchmarks(run, knownResults([run], folders));
  if (missing.length === 0 && !lacksWeights(run, folders)) return true;
  for (const benchmark of missing) benchmarkPairs(benchmark); // whatever is not here is better known before the training
  if (run.experiment === undefined) return scoreRun(run, missing, bicubicUpscaler, folders, options);
  const { signal } = options;
  const trained = await train(runFolder(folders.runs, run.experiment), run.experiment.config, {
    ...options,
    preparations: join(folders.runs, 'preparations'),
    waitMs: Infinity, // another grid may be at it
  }).catch((error: unknown) => {
    if (isAbort(error, signal)) return undefined;
    throw error;
  });
  if (trained === undefined) return false;
  const { network, step, secondsPerStep, config } = trained;
  try {
    if (step < config.recipe.iterations) return false;
    return await scoreRun(run, missing, networkUpscaler(network), folders, { ...options, secondsPerStep });
  } finally {
    network.dispose();
  }
}

async function scoreRun(
  run: PlannedRun,
  benchmarks: readonly Benchmark[],
  upscaler: Upscaler,
  { runs }: Folders,
  options: {
    readonly progress?: ProgressFactory;
    readonly signal?: AbortSignal;
    readonly secondsPerStep?: number;
  },
): Promise<boolean> {
  const path = scoresFile(runs, run.id);
  const record = run.experiment && runRecord(runFolder(runs, run.experiment));
  const config = run.experiment?.config;
  const scoredAt = versions().commit;
  for (const benchmark of benchmarks) {
    if (options.signal?.aborted) return false;
    const scores = await scoreBenchmark(upscaler, benchmark, options);
    const rows = scores.map((score): ResultRow => ({
      experiment: run.id,
      network: run.network,
      process: run.method,
      trainedOn: record?.provenance.pairs ?? '',
      options:
        config === undefined || !('options' in config.process) ? '' : JSON.stringify(config.process.options),
      seed: config?.recipe.seed ?? null,
      iterations: config?.recipe.iterations ?? null,
      batch: config?.recipe.batch ?? null,
      patch: config?.recipe.patch ?? null,
      benchmark: benchmark.name,
      lr: benchmark.lr,
      ...score,
      engine: record === undefined ? '' : `${record.engine.name}: ${record.engine.detail}`,
      secondsPerStep: options.secondsPerStep && options.secondsPerStep > 0 ? options.secondsPerStep : null,
      pairsSha256: record?.provenance.pairsSha256 ?? '',
      commit: record?.versions.commit ?? scoredAt,
      scoredAt,
      finished: new Date().toISOString(),
    }));
    const merge = (): void => writeResults(path, mergeResults(readResults(path), rows));
    await exclusively(runFiles(dirname(path)).lock, merge, { waitMs: Infinity });
  }
  return true;
}

export interface GridRun extends Pick<RunOptions, 'progress' | 'signal' | 'onStep'> {
  /** Runs side by side; 1: in this process, which has an engine. */
  readonly jobs?: number;
  /** What a process of its own is told to complete the run `id` (see `request.ts`). */
  readonly cellArguments?: (id: string) => readonly string[];
  readonly note?: (text: string) => void;
  /** After every run, with all results so far. */
  readonly onResults?: (results: readonly ResultRow[]) => void | Promise<void>;
}

export interface GridOutcome {
  readonly results: readonly ResultRow[];
  /** Runs that ended with an error, and where it can be read. */
  readonly failed: readonly string[];
  readonly stopped: boolean;
}

/**
 * Completes every run of a plan and merges the scores into the results file. A run that fails does not stop the others.
 */
export async function runGrid(
  plan: readonly PlannedRun[],
  folders: Folders,
  options: GridRun = {},
): Promise<GridOutcome> {
  const { jobs = 1, note = () => undefined, signal } = options;
  const failed: string[] = [];
  let results: readonly ResultRow[] = [];
  const collect = async (): Promise<void> => {
    results = await collectResults(plan, folders);
    await options.onResults?.(results);
  };
  await collect();
  const open = openRuns(plan, results, folders);
  note(`${plan.length - open.length} of ${plan.length} runs are finished`);
  if (jobs === 1) {
    for (const [i, run] of open.entries()) {
      if (signal?.aborted) break;
      note(`run ${i + 1} of ${open.length}: ${run.id}`);
      try {
        await completeRun(run, folders, options);
      } catch (error) {
        if (!(error instanceof Error)) throw error;
        failed.push(`${run.id}: ${error.message}`);
        note(failed.at(-1)!);
      }
      await collect();
    }
  } else {
    const { cellArguments } = options;
    if (cellArguments === undefined)
      throw new InputError('runs side by side need to know how a process is started');
    const processes = open.map(({ id }) => ({
      name: id,
      arguments: [MIMICSR_BIN, ...cellArguments(id)],
      log: join(folders.runs, id, 'console.log'),
    }));
    let ended = 0;
    await runProcesses(processes, {
      jobs,
      environment: { MIMICSR_THREADS: String(Math.max(1, Math.floor(threadCount() / jobs))) },
      ...(signal === undefined ? {} : { signal }),
      onStart: ({ name, log }) => note(`${name} begins: ${log}`),
      onEnd: async ({ name, log }, code) => {
        note(
          `${++ended} of ${open.length}: ${name} ${code === 0 ? 'is finished' : `ended with ${code ?? 'a signal'}`}`,
        );
        if (code !== 0 && !signal?.aborted) failed.push(`${name}: see ${log}`);
        await collect();
      },
    });
  }
  return { results, failed, stopped: signal?.aborted ?? false };
}

/** The file with a run's trained network; undefined where it is not here, or not of the last iteration. */
function trainedWeights(run: PlannedRun, { runs }: Folders): string | undefined {
  if (run.experiment === undefined) return undefined;
  const { weights } = runFiles(runFolder(runs, run.experiment));
  if (!existsSync(weights)) return undefined;
  const { step } = readSafetensorsMetadata(weights);
  return Number(step) === run.experiment.config.recipe.iterations ? weights : undefined;
}

/** Whether a trained network of the plan is here: results are kept longer than weights. */
export function hasTrained(plan: readonly PlannedRun[], folders: Folders): boolean {
  return plan.some((run) => trainedWeights(run, folders) !== undefined);
}

/**
 * The trained network of a run as an upscaler, with what frees it; undefined where it is not trained to its end here.
 */
export function trainedUpscaler(
  run: PlannedRun,
  folders: Folders,
): { readonly upscaler: Upscaler; readonly dispose: () => void } | undefined {
  if (run.experiment === undefined) return { upscaler: bicubicUpscaler, dispose: () => undefined };
  const weights = trainedWeights(run, folders);
  if (weights === undefined) return undefined;
  const { name, preset } = run.experiment.config.network;
  const network = loadNetwork(weights, name, preset);
  return { upscaler: networkUpscaler(network), dispose: () => network.dispose() };
}
