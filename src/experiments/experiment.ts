/**
 * An experiment: one training (SR network, process, training set, recipe, seed) as a table asks for it. Its identity is its
 * complete configuration, so that tables which need the same training share one run, and a run that was made with other
 * settings is another experiment.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { trainingConfig, type DataConfig, type TrainingConfig, type TrainingSettings } from '../train/config';
import { readRunRecord, type RunRecord } from '../train/run-record';
import { runFiles } from '../util/run-files';

export interface Experiment {
  /** "seemore-mimic-srraw-like-s1-0f3a9c21": readable, and unique by the hash of the configuration. */
  readonly id: string;
  readonly config: TrainingConfig;
}

/**
 * @throws InputError on a bad configuration
 */
export function experiment(settings: TrainingSettings): Experiment {
  const config = trainingConfig(settings);
  const { network, process, data, recipe } = config;
  // How often it is saved and logged does not change what is trained.
  const decides = { network, process, data, recipe: { ...recipe, checkpointEvery: 0, logEvery: 0 } };
  const hash = createHash('sha256').update(JSON.stringify(decides)).digest('hex').slice(0, 8);
  return { id: `${network.name}-${process.name}-${dataName(data)}-s${recipe.seed}-${hash}`, config };
}

/** The camera's preset, with the size of its movement where that is set, or the name of the folder of real pairs, with what misaligned them. */
function dataName(data: DataConfig): string {
  if (data.kind !== 'pairs')
    return data.misalignment === undefined ? data.preset : `${data.preset}-${data.misalignment}px`;
  const folder = (data.folder.split(/[\\/]/).pop() ?? '').replace(/[^\w.-]/g, '_');
  return data.misaligned === undefined ? folder : `${folder}-${data.misaligned}`;
}

/** The data sets that its pairs are made of, by name; none where scenes are drawn. */
export function setsOf({ config: { data } }: Experiment): string[] {
  if (data.kind === 'scenes') return [];
  return [data.kind === 'pairs' ? data.folder : data.photos];
}

/**
 * What names the preparation (`train/preparation`) that an experiment begins with: those with the same name share it, and
 * whichever comes first makes it. Undefined where there is nothing to prepare.
 */
export function preparationOf({ config }: Experiment): string | undefined {
  const { process, data, recipe } = config;
  return process.name === 'pseudo-gt' ? JSON.stringify([process, data, recipe.seed]) : undefined;
}

/** The run folder of an experiment. */
export function runFolder(root: string, { id }: Experiment): string {
  return join(root, id);
}

/** The record of a run that was begun, else undefined. @throws InputError for a file that is not a run's */
export function runRecord(folder: string): RunRecord | undefined {
  const { config } = runFiles(folder);
  return existsSync(config) ? readRunRecord(config) : undefined;
}
