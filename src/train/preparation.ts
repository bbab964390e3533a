/**
 * What a process needs done before the SR network trains (`Preparation`): its stages, each a training of its own, and
 * then the pairs for the SR network. One folder holds it all, named by everything that decides the result:
 *
 *   <root>/<key>/preparation.json   what the key stands for, and where it ran
 *   <root>/<key>/<stage>/           checkpoint and log; when it is done weights.safetensors, the running means
 *   <root>/<key>/pairs/             the process's own
 *   <root>/<key>/lock               while it is prepared: by which process; another one that needs it waits
 *
 * Other data, other frozen weights, another seed, another recipe or another engine is another folder, so that nothing is taken
 * up that does not fit. Runs that differ in the SR network alone can share a root. A run goes on with the preparation that it
 * began with (`run-record.ts`), also where roots or engines are others by now.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { PairLoader } from '../data/loader';
import type { PairSet } from '../data/pairs';
import type { RunningEngine } from '../engine/engines';
import type { FrozenNetwork, Preparation, Stage } from '../losses/training-process';
import { InputError } from '../util/errors';
import { exclusively, isAbort } from '../util/exclusive';
import { silentProgress, type ProgressFactory } from '../util/progress';
import { versions } from '../util/versions';
import { removeTemporaries, writeFileAtomic } from '../util/write-file';
import { readWeights } from '../weights/load';
import { saveWeights } from './checkpoint';
import type { Recipe } from './config';
import { trainingLoop } from './loop';
import { stageTrainer, type Trainer } from './trainer';

export interface PreparationRun {
  readonly root: string;
  /** Folder of the preparation that the SR network began with. Default: it has not begun. */
  readonly begunWith?: string;
  /** Name of the process. */
  readonly process: string;
  /** Its frozen networks, by name. */
  readonly frozen: Readonly<Record<string, FrozenNetwork>>;
  readonly pairs: PairSet;
  readonly scale: number;
  readonly recipe: Pick<Recipe, 'seed' | 'onNan' | 'checkpointEvery' | 'logEvery'>;
  readonly engine: RunningEngine;
  /** Loader threads. Default: none. */
  readonly workers?: number;
  readonly progress?: ProgressFactory;
  /** Stops after the current iteration or picture; the same call goes on from there. */
  readonly signal?: AbortSignal;
}

/** A preparation that is done. */
export interface Prepared {
  readonly folder: string;
  /** For the SR network. */
  readonly pairs: PairSet;
}

/**
 * Runs what is still to do. Afterwards the stages' modules hold their final weights.
 * @returns undefined where the signal stopped it
 * @throws InputError where the preparation that the SR network began with is gone, and another one would be made
 */
export async function prepare(preparation: Preparation, run: PreparationRun): Promise<Prepared | undefined> {
  const { pairs, recipe } = run;
  const decides = {
    process: run.process,
    settings: preparation.settings,
    frozen: run.frozen,
    stages: preparation.stages.map(({ name, recipe }) => ({ name, ...recipe })),
    seed: recipe.seed,
    pairsSha256: pairs.fingerprint(),
    engine: run.engine.name,
  };
  const key = createHash('sha256').update(JSON.stringify(decides)).digest('hex').slice(0, 16);
  const folder = folderOf(key, preparation, run);
  const stated = { ...decides, pairs: pairs.description, engine: run.engine, versions: versions() };
  const { signal, progress = silentProgress } = run;
  const waiting = {
    waitMs: Infinity,
    signal,
    onWait: (holder: string) => progress(`waiting for ${holder}, which prepares the same`, 1).stop(),
  };
  try {
    const made = await exclusively(
      join(folder, 'lock'),
      () => prepareAlone(preparation, run, folder, stated),
      waiting,
    );
    return made && { folder, pairs: made };
  } catch (error) {
    if (isAbort(error, signal)) return undefined;
    throw error;
  }
}

/** That with which the SR network began, where its stages are done; else that which would be made, if it is the same. */
function folderOf(key: string, { stages }: Preparation, run: PreparationRun): string {
  const { root, begunWith = join(root, key), engine } = run;
  const name = basename(begunWith);
  const isWhole = (folder: string): boolean =>
    stages.every((stage) => existsSync(stageWeights(join(folder, stage.name))));
  const found = [begunWith, join(root, name)].find(isWhole);
  if (found === undefined && name !== key) {
    throw new InputError(
      `the run began with the preparation ${begunWith}, which is not whole any more, and on ${engine.name} another one would ` +
        'be made: go on with the engine that made it, or choose another folder to train from the start',
    );
  }
  return found ?? join(root, key);
}

function stageWeights(folder: string): string {
  return join(folder, 'weights.safetensors');
}

async function prepareAlone(
  preparation: Preparation,
  run: PreparationRun,
  folder: string,
  stated: object,
): Promise<PairSet | undefined> {
  const { signal, progress = silentProgress } = run;
  removeTemporaries(folder);
  const record = join(folder, 'preparation.json');
  if (!existsSync(record)) {
    writeFileAtomic(record, `${JSON.stringify(stated, undefined, 2)}\n`);
  }
  for (const [i, stage] of preparation.stages.entries()) {
    const label = `train ${stage.name} (stage ${i + 1} of ${preparation.stages.length})`;
    if (!(await runStage(stage, join(folder, stage.name), label, run))) return undefined;
  }
  return preparation.pairs(run.pairs, join(folder, 'pairs'), {
    progress,
    ...(signal === undefined ? {} : { signal }),
  });
}

/** @returns whether the stage is done */
async function runStage(stage: Stage, folder: string, label: string, run: PreparationRun): Promise<boolean> {
  const weights = stageWeights(folder);
  if (existsSync(weights)) {
    stage.module.loadStateDict(readWeights(weights), weights);
    return true;
  }
  const { iterations, patch, batch } = stage.recipe;
  const { seed, checkpointEvery, logEvery } = run.recipe;
  const loader = new PairLoader(run.pairs, {
    patch,
    batch,
    seed,
    scale: run.scale,
    workers: run.workers ?? 0,
  });
  let trainer: Trainer | undefined;
  try {
    trainer = stageTrainer(stage, loader, run.scale, run.recipe);
    const files = { checkpoint: join(folder, 'checkpoint.safetensors'), log: join(folder, 'log.jsonl') };
    const { progress, signal } = run;
    const options = { label, iterations, checkpointEvery, logEvery, progress, signal };
    const { step } = await trainingLoop(trainer, files, options);
    if (step < iterations) return false;
    const [{ average }] = trainer.parts();
    const means = await average!.weights();
    saveWeights(weights, means, { stage: stage.name, step: String(step) });
    stage.module.loadStateDict(means, weights);
    stage.module.train(false);
    return true;
  } finally {
    await loader.close();
    trainer?.dispose();
  }
}
