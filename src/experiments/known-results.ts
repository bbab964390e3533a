/**
 * Which scores of a plan's runs are known and count. They are kept in the results file and in the folder of each run, and
 * stay there; what does not count is a score that was made with other data than is here under the same names: another number
 * of pictures in a benchmark, other pairs in the training. Where the data is not here, or cannot be read, its scores count.
 */
import { join } from 'node:path';
import { dataRoots } from '../data/roots';
import type { DataConfig } from '../train/config';
import { openPairs } from '../train/run';
import { unlessInputError } from '../util/errors';
import { exclusively } from '../util/exclusive';
import { benchmarkSize, type Benchmark } from './benchmarks';
import type { PlannedRun } from './plan';
import { mergeResults, readResults, rowKey, writeResults, type ResultRow } from './store';

export interface Folders {
  /** Holds a folder a run. */
  readonly runs: string;
  /** The results file; what it has is finished, whether or not the run's folder is still there. */
  readonly results: string;
}

/** All scores of the results file and of some runs' folders, which are newer, that count. */
export function knownResults(plan: readonly PlannedRun[], folders: Folders): ResultRow[] {
  return read(plan, folders).counted;
}

/** "24 scores ... do not count", or undefined where all of the plan's do. */
export function uncountedText(plan: readonly PlannedRun[], folders: Folders): string | undefined {
  const { counted, stored } = read(plan, folders);
  const keys = new Set(counted.map(rowKey));
  const left = stored.filter((row) => !keys.has(rowKey(row))).length;
  return left === 0
    ? undefined
    : `${left} scores do not count: they were made with other data than is here under the same name. Runs that are trained ` +
        'again need a folder of their own (--runs)';
}

/** Merges the scores of the run folders into the results file. @returns all that count */
export async function collectResults(
  plan: readonly PlannedRun[],
  folders: Folders,
): Promise<readonly ResultRow[]> {
  read(plan, folders); // what data there is takes its time, and others wait for the lock
  const merge = (): readonly ResultRow[] => {
    const { counted, stored } = read(plan, folders);
    writeResults(folders.results, stored);
    return counted;
  };
  return exclusively(`${folders.results}.lock`, merge, { waitMs: 60_000 });
}

/** The scores in a run's own folder. */
export function scoresFile(runs: string, id: string): string {
  return join(runs, id, 'scores.csv');
}

/** @returns what counts, and with it what does not but is to be kept: only where nothing that counts has its place */
function read(
  plan: readonly PlannedRun[],
  { runs, results }: Folders,
): { readonly counted: ResultRow[]; readonly stored: ResultRow[] } {
  const sources = [results, ...plan.map(({ id }) => scoresFile(runs, id))].map(readResults);
  const counts = counting(plan);
  const counted = mergeResults(...sources.map((rows) => rows.filter(counts)));
  return { counted, stored: mergeResults(...sources, counted) };
}

/** Tells whether a row is a score of today's data, as far as it is here. Of other runs than the plan's every row is. */
function counting(plan: readonly PlannedRun[]): (row: ResultRow) => boolean {
  const byId = new Map(plan.map((run) => [run.id, run]));
  const sizes = new Map<Benchmark, number | undefined>(); // folders are listed for it: once for all the rows
  const sizeOf = (benchmark: Benchmark): number | undefined => {
    if (!sizes.has(benchmark)) sizes.set(benchmark, benchmarkSize(benchmark));
    return sizes.get(benchmark);
  };
  return (row) => {
    const { experiment, benchmarks = [] } = byId.get(row.experiment) ?? {};
    const benchmark = benchmarks.find(({ name, lr }) => name === row.benchmark && lr === row.lr);
    if (benchmark !== undefined && (sizeOf(benchmark) ?? row.images) !== row.images) return false;
    const pairs = experiment && fingerprint(experiment.config.data);
    return (pairs ?? row.pairsSha256) === row.pairsSha256;
  };
}

/** Pictures are read for it: once in a process. */
const fingerprints = new Map<string, string>();

function fingerprint(data: DataConfig): string | undefined {
  const key = JSON.stringify([data, dataRoots()]);
  const found = fingerprints.get(key) ?? unlessInputError(() => openPairs(data).fingerprint());
  if (found !== undefined) fingerprints.set(key, found);
  return found;
}
