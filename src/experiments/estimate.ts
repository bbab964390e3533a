/** Rough times of runs that are still to do, for plans. */
import type { NetworkName } from '../networks/networks';
import type { PlannedRun } from './runner';
import type { ResultRow } from './store';

/**
 * Seconds of a training step on two cores with the torch engine, at batch 8 and 32-pixel patches, in the paper's sizes
 * (`npm run bench -- networks`), and what a process adds to it beside any network (`npm run bench -- processes`); what it
 * trains before the SR network is counted on the updates.
 */
const STEP: Readonly<Record<NetworkName, number>> = { rrdbnet: 3.6, swinir: 0.86, dat: 1.2, seemore: 0.25 };
/** Of smaller presets, as parts of it. */
const SHARE: Readonly<Record<string, number>> = {
  'rrdbnet/light': 0.3,
  'rrdbnet/mini': 0.13,
  'swinir/mini': 0.6,
  'dat/mini': 0.4,
};
const EXTRA: Readonly<Record<string, number>> = {
  mimic: 0.13,
  cx: 0.13,
  cobi: 0.15,
  'alignment-loss': 0.04,
  'auxiliary-input': 0.07,
  'pseudo-gt': 2,
};
/** Start of an engine, reading data, scoring. */
const FIXED = 60;

/** Seconds that a run takes: by a finished run of the same network, process and recipe where there is one. */
export function estimateSeconds(run: PlannedRun, results: readonly ResultRow[]): number {
  if (run.experiment === undefined) return FIXED;
  const { network, process, recipe } = run.experiment.config;
  const like = results.find(
    (row) =>
      row.network === run.network &&
      row.process === run.method &&
      row.batch === recipe.batch &&
      row.patch === recipe.patch &&
      row.secondsPerStep !== null,
  );
  if (like !== undefined) return FIXED + recipe.iterations * like.secondsPerStep!;
  const name = network.name as NetworkName;
  const size = SHARE[`${name}/${network.preset}`] ?? 1;
  const work = (recipe.batch / 8) * (recipe.patch / 32) ** 2;
  return FIXED + recipe.iterations * work * (STEP[name] * size + (EXTRA[process.name] ?? 0));
}
