/** The paper's tables in a cell: what is missing is trained before your eyes, the rest comes from the results store. */
import { join } from 'node:path';
import { startEngine } from '../engine/engines';
import { cropGrid, type CropOptions } from '../experiments/crops';
import { runFolder } from '../experiments/experiment';
import type { Grid, GridOptions } from '../experiments/grid';
import { grid } from '../experiments/grids';
import { profile } from '../experiments/profiles';
import { knownResults, type Folders } from '../experiments/known-results';
import { planGrid, type PlannedRun } from '../experiments/plan';
import { hasTrained, openRuns, runGrid } from '../experiments/runner';
import type { ResultRow } from '../experiments/store';
import { fillGrid, type Table } from '../experiments/table';
import { tableCells, tableHtml, tableRecords } from '../experiments/table-text';
import { InputError } from '../util/errors';
import { frame, type Frame } from './frame';
import { interruptSignal, show, text } from './kernel';
import { watchTrainings } from './live';
import { Picture } from './picture';
import { RESULTS, RUNS } from './places';
import { StatusLine } from './status';

export interface ReproduceOptions extends GridOptions {
  /** `smoke`, `mini` (default), `small` or `paper`. */
  readonly profile?: string;
  /** Folder of the runs. Default: MIMICSR_RUNS, else the checkout's `runs`. */
  readonly runs?: string;
  /** Folder of the results, one below it a profile. Default: MIMICSR_RESULTS, else the checkout's `results`. */
  readonly results?: string;
  /** Whether runs that are missing are trained; else their cells stay empty. Default: yes. */
  readonly train?: boolean;
}

/** A grid of the paper's (or one of your own) by name, and where its runs and results are. */
function open(what: string | Grid, options: ReproduceOptions = {}): { grid: Grid; folders: Folders } {
  const { profile: name = 'mini', runs = RUNS, results = RESULTS } = options;
  const asked = typeof what === 'string' ? grid(what, profile(name), options) : what;
  return { grid: asked, folders: { runs, results: join(results, asked.profile.name, 'scores.csv') } };
}

/**
 * A table, every missing run of it trained and scored, with a live view. Interrupting the cell stops at the next iteration,
 * with a checkpoint, and gives the table as far as it is; running it again goes on.
 * @param what table1, table2, table3, real, importance, misalignment, ablations, lambda, or a grid
 * @throws InputError for unknown names and missing data, saying what to fetch; runs that fail are named below the cell
 */
export async function reproduce(what: string | Grid, options: ReproduceOptions = {}): Promise<Table> {
  const { grid: asked, folders } = open(what, options);
  return fillGrid(asked, await complete(planGrid(asked), folders, options));
}

/** Completes the open runs of a plan with a live view. @returns all results */
async function complete(
  runs: readonly PlannedRun[],
  folders: Folders,
  { train = true }: ReproduceOptions,
): Promise<readonly ResultRow[]> {
  const signal = interruptSignal();
  const known = knownResults(runs, folders);
  if (!train || openRuns(runs, known, folders).length === 0) return known;
  const status = new StatusLine();
  await startEngine();
  const outcome = await runGrid(runs, folders, {
    signal,
    progress: status.progress,
    note: (words) => status.begin(words),
    onStep: watchTrainings(),
  });
  const left = openRuns(runs, outcome.results, folders).length;
  await status.end(
    outcome.stopped
      ? `stopped, ${left} of ${runs.length} runs to do: run the cell again to go on`
      : `${runs.length - left} of ${runs.length} runs are finished`,
  );
  for (const failure of outcome.failed) process.stderr.write(`${failure}\n`);
  return outcome.results;
}

/**
 * Shows a table as the paper prints its own: the best of each network red, the second best blue, the paper's number in
 * brackets, and a mark that says whether "Ours" compares to a row as it does in the paper.
 */
export async function showTable(table: Table): Promise<void> {
  const { header, rows, notes } = tableCells(table);
  const plain = [table.title, ...notes, header.join('\t'), ...rows.map((row) => row.join('\t'))].join('\n');
  await show(text(plain, tableHtml(table)));
}

export interface TableCropOptions extends ReproduceOptions, CropOptions {
  /** Which column's benchmark. Default: the first. */
  readonly column?: number;
}

/**
 * The same squares of a benchmark's pictures as every row's network upscales them, beside LR and HR (the paper's Figures 6 to
 * 8). Rows whose weights are not here are trained first, as by `reproduce`; left out is what was interrupted or failed.
 * @throws InputError where no weights are here after that
 */
export async function tableCrops(what: string | Grid, options: TableCropOptions = {}): Promise<Picture> {
  const { grid: asked, folders } = open(what, options);
  const column = asked.columns[options.column ?? 0];
  if (column === undefined) throw new InputError(`'${asked.title}' has ${asked.columns.length} columns`);
  const runs = planGrid(asked, { weights: true });
  await complete(runs, folders, options);
  requireTrained(runs, folders, asked.title);
  await startEngine();
  return new Picture(await cropGrid(asked, column.benchmark, folders, options), `${asked.title}: crops`);
}

/** A trained run of a table: what its row is called, and its folder, for `loadNetwork` and `loadMimicModule`. */
export interface TrainedRun {
  readonly network: string;
  readonly method: string;
  readonly trainedOn: string;
  readonly folder: string;
}

/**
 * The trained runs of a table, in its order; those whose weights are not here are trained first, as by `reproduce`.
 * @throws InputError where no weights are here after that
 */
export async function trainedRuns(
  what: string | Grid,
  options: ReproduceOptions = {},
): Promise<TrainedRun[]> {
  const { grid: asked, folders } = open(what, options);
  const runs = planGrid(asked, { weights: true });
  await complete(runs, folders, options);
  requireTrained(runs, folders, asked.title);
  return runs
    .filter((run) => hasTrained([run], folders))
    .map(({ experiment, network, method, trainedOn }) => ({
      network,
      method,
      trainedOn,
      folder: runFolder(folders.runs, experiment!),
    }));
}

/** Where nothing was to be trained, or all of it was interrupted. */
function requireTrained(runs: readonly PlannedRun[], folders: Folders, title: string): void {
  if (hasTrained(runs, folders)) return;
  if (runs.every(({ experiment }) => experiment === undefined))
    throw new InputError(`'${title}' has no trainings: expected a network and a process`);
  throw new InputError(
    `no trained network of '${title}' in ${folders.runs}: the results are kept without weights, and with \`train: true\` ` +
      `the cell trains them`,
  );
}

/** A table as a frame: one row a cell, ours beside the paper's. */
export function tableFrame(table: Table): Frame {
  return frame(
    tableRecords(table).map((record) => ({
      ...record,
      value: number(record.value),
      half95: number(record.half95),
    })),
  );
}

/** Table records hold numbers as text with the digits that are to be printed. */
function number(value: string | number | undefined): number | undefined {
  return value === undefined ? undefined : Number(value);
}
