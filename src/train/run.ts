/**
 * A run: one execution of a training, as a folder.
 *
 *   config.json              the whole configuration and where it ran (engine, versions, commit, data checksum)
 *   log.jsonl                one line every `logEvery` iterations
 *   checkpoint.safetensors   the newest complete state; a run goes on from it
 *   weights.safetensors      the SR network at that state, PyTorch names
 *   helper.safetensors       the network beside it (the mimicking module), where the process has one
 *   preparation/             where the process needs trainings before (`preparation.ts`), unless runs share them: config.json says
 *   lock                     while it runs: by which process (`util/exclusive`)
 *
 * Running again with the same folder and configuration resumes; with another configuration it is refused.
 */
import { existsSync, readdirSync, rmdirSync } from 'node:fs';
import { relative, resolve } from 'node:path';
import { cameraPairs, scenePhotos } from '../data/camera-pairs';
import { loaderThreads, PairLoader } from '../data/loader';
import { datasetPairs, datasetPhotos } from '../data/datasets';
import { misalignedPairs } from '../data/misaligned-pairs';
import type { PairSet } from '../data/pairs';
import { startEngine, type RunningEngine } from '../engine/engines';
import { createNetwork } from '../networks/networks';
import type { SrNetwork } from '../networks/sr-network';
import { frozenNetworks } from '../losses/training-process';
import type { Module } from '../nn/module';
import { InputError } from '../util/errors';
import { exclusively } from '../util/exclusive';
import type { ProgressFactory } from '../util/progress';
import { runFiles } from '../util/run-files';
import { versions } from '../util/versions';
import { removeTemporaries, writeFileAtomic } from '../util/write-file';
import { readSafetensorsMetadata } from '../weights/safetensors';
import { saveWeights } from './checkpoint';
import {
  trainingConfig,
  type DataConfig,
  type ProcessConfig,
  type TrainingConfig,
  type TrainingSettings,
} from './config';
import { trainingLoop } from './loop';
import { prepare } from './preparation';
import { createProcess } from './processes';
import { goingOn, lastExecution, refuseOtherRun, trainingOn, type RunRecord } from './run-record';
import { processTrainer, type StepReport, type Trainer } from './trainer';

export { readRunConfig } from './run-record';
export { runFiles };

export interface RunOptions {
  readonly progress?: ProgressFactory;
  /** Ends the run after the current iteration, with a checkpoint. */
  readonly signal?: AbortSignal;
  /** Folder of preparations that other runs share. Default: the run's own. */
  readonly preparations?: string;
  /** Called after every iteration of the SR network (live curves). */
  readonly onStep?: (report: StepReport, training: Training) => void | Promise<void>;
  /** How long to wait for another process that is at work in the folder. Default: not at all. */
  readonly waitMs?: number;
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
 * @throws InputError on a bad configuration, unusable data, or a folder that holds another run or in which one is at work
 * @throws DivergedError where a loss or gradient is not finite; the folder then holds the last checkpoint
 */
export async function train(
  folder: string,
  settings: TrainingSettings,
  options: RunOptions = {},
): Promise<FinishedRun> {
  const config = trainingConfig(settings);
  const engine = await startEngine();
  const existed = existsSync(folder);
  try {
    return await exclusively(runFiles(folder).lock, () => trainAlone(folder, config, engine, options), {
      waitMs: options.waitMs ?? 0,
      signal: options.signal,
      onWait: (holder) => options.progress?.(`waiting for ${holder} in ${folder}`, 1).stop(),
    });
  } finally {
    // What was refused leaves no folder behind that was made for its lock alone.
    if (!existed && existsSync(folder) && readdirSync(folder).length === 0) rmdirSync(folder);
  }
}

async function trainAlone(
  folder: string,
  config: TrainingConfig,
  engine: RunningEngine,
  options: RunOptions,
): Promise<FinishedRun> {
  const network = createNetwork(config.network.name, config.network.preset);
  const files = runFiles(folder);
  const process = createProcess(withOwnModule(config.process, files.helper), config.recipe);
  removeTemporaries(folder);
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
    const frozen = await frozenNetworks(process);
    let record: RunRecord = {
      ...config,
      engine,
      versions: versions(),
      provenance: {
        pairs: raw.description,
        pairsSha256: raw.fingerprint(),
        parameters: network.parameterCount(),
        adds: {
          trained: process.trained,
          frozen,
          stages: process.preparation?.stages.map(({ name, recipe }) => ({ name, recipe })),
        },
      },
    };
    const writeRecord = (): void =>
      writeFileAtomic(files.config, `${JSON.stringify(record, undefined, 2)}\n`);
    const today = record;
    if (existsSync(files.checkpoint)) {
      if (!existsSync(files.config)) {
        throw new InputError(
          `${folder} has a checkpoint of a run, but no ${files.config} that says which: choose another folder`,
        );
      }
      record = refuseOtherRun(files.config, record);
    } else if (existsSync(files.weights)) {
      throw new InputError(
        `${folder} has the weights of a run, but its ${files.checkpoint} is gone, so that it cannot go on: ` +
          'choose another folder, or delete this one to train from the start',
      );
    } else writeRecord(); // over that of a start which never got so far, and may have been another
    const { progress, signal, workers = loaderThreads() } = options;
    let pairs = raw;
    if (process.preparation !== undefined && !isFinished(files.checkpoint, iterations)) {
      const begun = record.provenance.preparation;
      const prepared = await prepare(process.preparation, {
        root: options.preparations ?? files.preparation,
        begunWith: begun && resolve(folder, begun.folder),
        process: process.name,
        frozen,
        pairs: raw,
        scale: network.scale,
        recipe: config.recipe,
        engine,
        workers,
        progress,
        signal,
      });
      if (prepared === undefined) return { folder, config, step: 0, network, secondsPerStep: 0 };
      pairs = prepared.pairs;
      const place = relative(folder, prepared.folder);
      record = trainingOn({ folder: place, pairsSha256: pairs.fingerprint() }, record);
      writeRecord();
    }
    const { noise, degradation } = process;
    const patches = { patch, batch, seed, scale: network.scale, noise, degradation };
    const loader = new PairLoader(pairs, { ...patches, workers });
    const { helper } = process;
    const training = { folder, config, network, ...(helper === undefined ? {} : { helper }) };
    let trainer: Trainer | undefined;
    try {
      trainer = processTrainer(network, process, loader, config.recipe);
      const result = await trainingLoop(trainer, files, {
        label: `train ${config.network.name} ${process.name}`,
        iterations,
        checkpointEvery,
        logEvery,
        progress,
        signal,
        onStart: (step) => {
          const { name } = lastExecution(record).engine;
          const changed = step === 0 ? undefined : goingOn(record, today, step);
          if (changed === undefined) return;
          if (name !== engine.name) progress?.(`goes on with ${engine.name}, where it had ${name}`, 1).stop();
          record = changed;
          writeRecord();
        },
        onStep: (report) => options.onStep?.(report, training),
        onSave: async (step) => {
          if (!existsSync(files.config)) writeRecord(); // deleted meanwhile: without it the run could not go on later
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
      trainer?.dispose();
    }
  } catch (error) {
    network.dispose();
    throw error;
  } finally {
    process.helper?.dispose();
    process.dispose?.();
  }
}

/** A run goes on with the trained module that it began with, of which it has a copy, whatever has become of its source. */
function withOwnModule(config: ProcessConfig, helper: string): ProcessConfig {
  if (config.name !== 'mimic' || config.options.module === undefined || !existsSync(helper)) return config;
  return { ...config, options: { ...config.options, module: helper } };
}

/** Whether a checkpoint is of the last iteration: then nothing is trained any more, and nothing needs to be prepared. */
function isFinished(checkpoint: string, iterations: number): boolean {
  return existsSync(checkpoint) && Number(readSafetensorsMetadata(checkpoint).step) >= iterations;
}

/** The pair set that a data configuration names. */
export function openPairs(data: DataConfig): PairSet {
  switch (data.kind) {
    case 'pairs':
      return data.misaligned === undefined
        ? datasetPairs(data.folder)
        : misalignedPairs(datasetPairs(data.folder), data.misaligned);
    case 'camera':
      return cameraPairs(datasetPhotos(data.photos), data.preset, data.seed, data);
    case 'scenes':
      return cameraPairs(scenePhotos(data.count, data.seed), data.preset, data.seed, data);
  }
}
