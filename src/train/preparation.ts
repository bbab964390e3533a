/**
 * What a process needs done before the SR network trains (`Preparation`): its stages, each a training of its own, and
 * then the pairs for the SR network. One folder holds it all, named by everything that decides the result:
 *
 *   <root>/<key>/preparation.json   what the key stands for, and where it ran
 *   <root>/<key>/<stage>/           checkpoint and log; when it is done weights.safetensors, the running means
 *   <root>/<key>/pairs/             the process's own
 *   <root>/<key>/lock               while it is prepared: by which process; another one that needs it waits
 *
 * Other data, other frozen weights, another seed or another recipe is another folder, so that nothing is taken up that does
 * not fit. Runs that differ in the SR network alone can share a root.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { PairLoader } from '../data/loader';
import type { PairSet } from '../data/pairs';
import type { RunningEngine } from '../engine/engines';
import type { FrozenNetwork, Preparation, Stage } from '../losses/training-process';
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

/**
 * Runs what is still to do. Afterwards the stages' modules hold their final weights.
 * @returns the pairs for the SR network, or undefined where the signal stopped it
 */
export async function prepare(preparation: Preparation, run: PreparationRun): Promise<PairSet | undefined> {
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
  const folder = join(run.root, key);
  const stated = { ...decides, pairs: pairs.description, engine: run.engine, versions: versions() };
  const { signal, progress = silentProgress } = run;
  const waiting = {
    waitMs: Infinity,
    signal,
    onWait: (holder: string) => progress(`waiting for ${holder}, which prepares the same`, 1).stop(),
  };
  try {
    return await exclusively(
      join(folder, 'lock'),
      () => prepareAlone(preparation, run, folder, stated),
      waiting,
    );
  } catch (error) {
    if (isAbort(error, signal)) return undefined;
    throw error;
  }
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
  const weights = join(folder, 'weights.safetensors');
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
