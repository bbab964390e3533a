/**
 * A run: one execution of a training, as a folder.
 *
 *   config.json              the whole configuration and where it ran (engine, versions, commit, data checksum)
 *   log.jsonl                one line every `logEvery` iterations
 *   checkpoint.safetensors   the newest complete state; a run goes on from it
 *   weights.safetensors      the SR network at that state, PyTorch names
 *   helper.safetensors       the network beside it (the mimicking module), where the process has one
 *   preparation/             where the process needs trainings before (`preparation.ts`)
 *
 * Running again with the same folder and configuration resumes; with another configuration it is refused.
 */
import { existsSync, readFileSync } from 'node:fs';
import { cameraPairs, scenePhotos } from '../data/camera-pairs';
import { loaderThreads, PairLoader } from '../data/loader';
import { datasetPairs, datasetPhotos } from '../data/datasets';
import type { PairSet } from '../data/pairs';
import { startEngine } from '../engine/engines';
import { createNetwork } from '../networks/networks';
import type { SrNetwork } from '../networks/sr-network';
import type { Module } from '../nn/module';
import { InputError } from '../util/errors';
import type { ProgressFactory } from '../util/progress';
import { runFiles } from '../util/run-files';
import { readWeights } from '../weights/load';
import { versions } from '../util/versions';
import { writeFileAtomic } from '../util/write-file';
import { saveWeights } from './checkpoint';
import { trainingConfig, type DataConfig, type TrainingConfig, type TrainingSettings } from './config';
import { trainingLoop } from './loop';
import { prepare } from './preparation';
import { createProcess } from './processes';
import { processTrainer, type StepReport } from './trainer';

export { runFiles };

export interface RunOptions {
  readonly progress?: ProgressFactory;
  /** Ends the run after the current iteration, with a checkpoint. */
  readonly signal?: AbortSignal;
  /** Folder of preparations that other runs share. Default: the run's own. */
  readonly preparations?: string;
  /** Called after every iteration of the SR network (live curves). */
  readonly onStep?: (report: StepReport, training: Training) => void | Promise<void>;
  /** Threads that make batches ahead; the batches are the same for any number. Default: `loaderThreads()`. */
  readonly workers?: number;
}

/** What is being trained; the networks are the training's own. */
export interface Training {
  readonly folder: string;
  readonly config: TrainingConfig;
  readonly network: SrNetwork;
  /** The network beside it, where the process has one. */
  readonly helper?: Module;
}

export interface FinishedRun {
  readonly folder: string;
  readonly config: TrainingConfig;
  /** Iterations done; fewer than asked for where the run was stopped. */
  readonly step: number;
  /** The trained network, in test mode. The caller disposes it. */
  readonly network: SrNetwork;
  /** Seconds per iteration of this execution. */
  readonly secondsPerStep: number;
}

/**
 * Trains until the recipe's last iteration, or resumes the run in `folder`. The engine that runs is used, else the best
 * one starts.
 * @throws InputError on a bad configuration, unusable data, or a folder that holds another run
 * @throws DivergedError where a loss or gradient is not finite; the folder then holds the last checkpoint
 */
export async function train(
  folder: string,
  settings: TrainingSettings,
  options: RunOptions = {},
): Promise<FinishedRun> {
  const config = trainingConfig(settings);
  const engine = await startEngine();
  const network = createNetwork(config.network.name, config.network.preset);
  const process = createProcess(config.process, config.recipe);
  const files = runFiles(folder);
  try {
    network.initialise(config.recipe.seed);
    const { patch, batch, seed, iterations, checkpointEvery, logEvery } = config.recipe;
    const least = Math.max(network.minimumSize, process.minimumPatch ?? 1);
    if (patch < least) {
      throw new InputError(
        `recipe: 'patch' is ${patch}: ${config.network.name} with ${process.name} needs at least ${least} pixels a side`,
      );
    }
    const raw = openPairs(config.data);
    if (existsSync(files.config)) refuseOtherRun(files.config, config);
    else if (existsSync(files.checkpoint)) {
      throw new InputError(
        `${folder} has a checkpoint of a run, but no ${files.config} that says which: choose another folder`,
      );
    } else {
      const provenance = {
        pairs: raw.description,
        pairsSha256: raw.fingerprint(),
        parameters: network.parameterCount(),
        adds: {
          ...process.adds,
          stages: process.preparation?.stages.map(({ name, recipe }) => ({ name, recipe })),
        },
      };
      const record = { ...config, engine, versions: versions(), provenance };
      writeFileAtomic(files.config, `${JSON.stringify(record, undefined, 2)}\n`);
    }
    const { progress, signal, workers = loaderThreads() } = options;
    const pairs =
      process.preparation === undefined
        ? raw
        : await prepare(process.preparation, {
            root: options.preparations ?? files.preparation,
            process: process.name,
            pairs: raw,
            scale: network.scale,
            recipe: config.recipe,
            engine,
            workers,
            progress,
            signal,
          });
    if (pairs === undefined) return { folder, config, step: 0, network, secondsPerStep: 0 };
    const { noise, degradation } = process;
    const patches = { patch, batch, seed, scale: network.scale, noise, degradation };
    const loader = new PairLoader(pairs, { ...patches, workers });
    if (process.trainsHelper === false && existsSync(files.helper)) {
      // The run goes on with the helper that it began with, whatever has become of its source.
      process.helper?.loadStateDict(readWeights(files.helper), files.helper);
    }
    const { helper } = process;
    const training = { folder, config, network, ...(helper === undefined ? {} : { helper }) };
    const trainer = processTrainer(network, process, loader, config.recipe);
    try {
      const result = await trainingLoop(trainer, files, {
        label: `train ${config.network.name} ${process.name}`,
        iterations,
        checkpointEvery,
        logEvery,
        progress,
        signal,
        onStep: (report) => options.onStep?.(report, training),
        onSave: async (step) => {
          const origin = { process: process.name, step: String(step) };
          const { name, preset = '' } = config.network;
          saveWeights(files.weights, await network.stateDict(), { network: name, preset, ...origin });
          if (process.helper === undefined) return;
          const options = JSON.stringify('options' in config.process ? config.process.options : {});
          saveWeights(files.helper, await process.helper.stateDict(), { ...origin, options });
        },
      });
      network.train(false);
      return { folder, config, network, ...result };
    } finally {
      await loader.close();
      trainer.dispose();
    }
  } catch (error) {
    network.dispose();
    throw error;
  } finally {
    process.helper?.dispose();
    process.dispose?.();
  }
}

/** The pair set that a data configuration names. */
export function openPairs(data: DataConfig): PairSet {
  switch (data.kind) {
    case 'pairs':
      return datasetPairs(data.folder);
    case 'camera':
      return cameraPairs(datasetPhotos(data.photos), data.preset, data.seed);
    case 'scenes':
      return cameraPairs(scenePhotos(data.count, data.seed), data.preset, data.seed);
  }
}

/** Checkpoint spacing and log spacing may change between executions; nothing that changes the weights may. */
function refuseOtherRun(path: string, config: TrainingConfig): void {
  const found = readRunConfig(path);
  const comparable = ({ network, process, data, recipe }: TrainingConfig): Record<string, unknown> => ({
    ...flat({ network, process, data, recipe: { ...recipe, checkpointEvery: 0, logEvery: 0 } }),
  });
  const [before, now] = [comparable(found), comparable(config)];
  const changed = [...new Set([...Object.keys(before), ...Object.keys(now)])].filter(
    (key) => JSON.stringify(before[key]) !== JSON.stringify(now[key]),
  );
  if (changed.length > 0) {
    const list = changed
      .map((k) => `${k} was ${JSON.stringify(before[k])}, is ${JSON.stringify(now[k])}`)
      .join('; ');
    throw new InputError(
      `${path} belongs to another run (${list}): choose another folder, or the same settings to resume`,
    );
  }
}

/**
 * The configuration of a run's config.json.
 * @throws InputError if it is missing, not JSON or not a run's
 */
export function readRunConfig(path: string): TrainingConfig {
  if (!existsSync(path)) throw new InputError(`no run here: ${path} is missing`);
  let parsed: Record<string, unknown>;
  try {
    parsed = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
  } catch (error) {
    throw new InputError(`${path} is not JSON: ${(error as Error).message}`);
  }
  const { network, process, data, recipe } = parsed;
  return trainingConfig({ network, process, data, recipe }, path);
}

function flat(value: unknown, prefix = ''): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return { [prefix]: value };
  return Object.assign(
    {},
    ...Object.entries(value).map(([k, v]) => flat(v, prefix === '' ? k : `${prefix}.${k}`)),
  ) as never;
}
