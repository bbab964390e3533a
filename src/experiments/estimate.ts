/** Rough times of runs that are still to do, for plans. */
import { NETWORKS, type NetworkName } from '../networks/networks';
import type { PlannedRun } from './runner';
import type { ResultRow } from './store';

/**
 * Seconds of a training step on two cores with the torch engine, at batch 8 and 32-pixel patches, in the paper's sizes
 * (`npm run bench -- networks`); what a process takes as a multiple of L1's.
 */
const STEP: Readonly<Record<NetworkName, number>> = { rrdbnet: 3.6, swinir: 0.86, dat: 1.2, seemore: 0.2 };
const LIGHT_SHARE = 0.3;
const FACTOR: Readonly<Record<string, number>> = {
  mimic: 1.5,
  cx: 4,
  cobi: 4,
  'alignment-loss': 1.3,
  'auxiliary-input': 1.8,
  'pseudo-gt': 4,
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
  const size = network.preset === undefined || network.preset === NETWORKS[name].paper ? 1 : LIGHT_SHARE;
  const work = (recipe.batch / 8) * (recipe.patch / 32) ** 2;
  return FIXED + recipe.iterations * STEP[name] * size * work * (FACTOR[process.name] ?? 1);
}
