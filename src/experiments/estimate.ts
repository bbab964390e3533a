/** Rough times of runs that are still to do, for plans. */
import type { NetworkName } from '../networks/networks';
import { openPairs } from '../train/run';
import { unlessInputError } from '../util/errors';
import { preparationOf, type Experiment } from './experiment';
import type { PlannedRun } from './plan';
import type { ResultRow } from './store';

/**
 * Seconds of a training step on two cores with the torch engine, at batch 8 and 32-pixel patches, in the paper's sizes
 * (`npm run bench -- networks`), and what a process adds to it beside any network, or takes for a step of the stages before
 * it (`npm run bench -- processes`).
 */
const STEP: Readonly<Record<NetworkName, number>> = { rrdbnet: 3.6, swinir: 0.86, dat: 1.2, seemore: 0.25 };
/** Of smaller presets, as parts of it. */
const SHARE: Readonly<Record<string, number>> = {
  'rrdbnet/light': 0.3,
  'rrdbnet/mini': 0.04,
  'swinir/mini': 0.3,
  'dat/mini': 0.27,
};
const EXTRA: Readonly<Record<string, number>> = {
  mimic: 0.13,
  cx: 0.13,
  cobi: 0.15,
  'alignment-loss': 0.04,
  'auxiliary-input': 0.07,
};
const STAGES = { dam: 1.8, alignformer: 6.7 };
/** Making the pseudo-GT of one photograph of BSDS500's size. */
const PSEUDO_GT = 4.5;
/** Start of an engine, reading data, scoring. */
const FIXED = 60;

/** Seconds that each of the runs takes, one after the other: a preparation that several share is counted for the first. */
export function estimateSeconds(runs: readonly PlannedRun[], results: readonly ResultRow[]): number[] {
  const prepared = new Set<string>();
  return runs.map((run) => {
    if (run.experiment === undefined) return FIXED;
    const preparation = preparationOf(run.experiment);
    const shared = preparation === undefined || prepared.has(preparation);
    if (preparation !== undefined) prepared.add(preparation);
    return (
      FIXED +
      trainingSeconds(run, run.experiment, results) +
      (shared ? 0 : preparationSeconds(run.experiment))
    );
  });
}

/** By a finished run of the same network, process and recipe where there is one. */
function trainingSeconds(run: PlannedRun, { config }: Experiment, results: readonly ResultRow[]): number {
  const { network, process, recipe } = config;
  const like = results.find(
    (row) =>
      row.network === run.network &&
      row.process === run.method &&
      row.batch === recipe.batch &&
      row.patch === recipe.patch &&
      row.secondsPerStep !== null,
  );
  if (like !== undefined) return recipe.iterations * like.secondsPerStep!;
  const name = network.name as NetworkName;
  const size = SHARE[`${name}/${network.preset}`] ?? 1;
  return recipe.iterations * work(recipe) * (STEP[name] * size + (EXTRA[process.name] ?? 0));
}

function preparationSeconds({ config: { process, data, recipe } }: Experiment): number {
  if (process.name !== 'pseudo-gt') return 0;
  const { options } = process;
  const step = options.lengths.dam * STAGES.dam + options.lengths.alignformer * STAGES.alignformer;
  const pictures = unlessInputError(() => openPairs(data).size) ?? 0; // what is not here is asked for elsewhere
  return recipe.iterations * work(options) * step + pictures * PSEUDO_GT;
}

/** Of a batch, as a multiple of that of the measurements. */
function work({ batch, patch }: { readonly batch: number; readonly patch: number }): number {
  return (batch / 8) * (patch / 32) ** 2;
}
