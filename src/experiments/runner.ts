/**
 * Runs a grid: trains what is missing, scores it, keeps the scores in the run's own folder (`scores.csv`) and, merged, in the
 * results file. A run with all its scores is finished; one without is gone on with. Cells go one after the other in this
 * process, or several side by side in processes of their own, which share the cores.
 */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { bicubicUpscaler, networkUpscaler, type Upscaler } from '../train/evaluate';
import { train, type RunOptions } from '../train/run';
import { loadNetwork } from '../train/trained-network';
import { InputError } from '../util/errors';
import { exclusively, isAbort } from '../util/exclusive';
import type { ProgressFactory } from '../util/progress';
import { runFiles } from '../util/run-files';
import { threadCount } from '../util/threads';
import { MIMICSR_BIN, versions } from '../util/versions';
import { readSafetensorsMetadata } from '../weights/safetensors';
import { benchmarkPairs, scoreBenchmark, type Benchmark } from './benchmarks';
import { runFolder, runRecord } from './experiment';
import { collectResults, knownResults, scoresFile, uncountedText, type Folders } from './known-results';
import { missingBenchmarks, type PlannedRun } from './plan';
import { runProcesses } from './process-pool';
import { mergeResults, readResults, writeResults, type ResultRow } from './store';

/** LR pixels: every test picture of the paper, of SR-RAW (612x386) and RealSR too, is done in one piece, as its code does it. */
const TILE = 1024;

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
    return await scoreRun(run, missing, networkUpscaler(network, TILE), folders, {
      ...options,
      secondsPerStep,
    });
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
  const uncounted = uncountedText(plan, folders);
  if (uncounted !== undefined) note(uncounted);
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
  return { upscaler: networkUpscaler(network, TILE), dispose: () => network.dispose() };
}
