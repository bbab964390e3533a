/**
 * What is asked for on a command line or in a cell, as data: a table or figure, which of its rows, and where runs and results
 * are. It opens to a grid with its plan, and turns back into the command line of a process that completes one run of it.
 */
import { join } from 'node:path';
import { InputError, knownName } from '../util/errors';
import { GRID_NAMES, type Grid, type GridName, type GridOptions } from './grid';
import { grid } from './grids';
import type { MethodName } from './methods';
import { profile, type Profile } from './profiles';
import type { Folders } from './known-results';
import { missingBenchmarks, planGrid, type PlannedRun } from './plan';
import { readResults, type ResultRow } from './store';

/** A figure shows the runs of a grid. */
interface FigureRequest {
  readonly grid: GridName;
  /** Rows, where not all of the grid. */
  readonly methods?: readonly MethodName[];
  readonly about: string;
}

export const FIGURES: Readonly<Record<string, FigureRequest>> = {
  fig1: { grid: 'importance', about: 'what misaligned pairs do to a training with L1' },
  fig2: { grid: 'importance', about: 'the same, geometry and colour apart' },
  fig5: {
    grid: 'table1',
    methods: ['mimic', 'mimic-corrected', 'mimic-recoloured', 'mimic-camera'],
    about: 'error of mimicked and warped LR, against the truth',
  },
  fig6: { grid: 'table2', about: 'crops of a benchmark, all rows of Table 2' },
  fig7: { grid: 'table3', about: 'crops of pictures like RealSR' },
  fig8: { grid: 'table3', about: 'crops of pictures like SR-RAW' },
};

/** What can be asked for. */
export const TARGETS: readonly string[] = [...GRID_NAMES, ...Object.keys(FIGURES)];

export interface GridRequest extends Omit<GridOptions, 'network'> {
  /** "table2", "fig5": see `TARGETS`. */
  readonly what: string;
  /** Default: mini. */
  readonly profile?: string;
  /** Folder of the results. Default: results/PROFILE. */
  readonly out?: string;
  /** Folder of the runs. Default: runs. */
  readonly runs?: string;
  /** Engine of the processes that complete runs. Default: the best that starts. */
  readonly engine?: string;
}

export interface OpenedRequest {
  readonly request: GridRequest;
  readonly grid: Grid;
  readonly plan: readonly PlannedRun[];
  readonly folders: Folders;
}

/** Grids whose rows are variants of one training. */
const FIXED_ROWS: readonly string[] = ['importance', 'ablations', 'lambda'];
/** Grids of one network: those, and the one that compares given processes by the size of the movement. */
const ONE_NETWORK: readonly string[] = [...FIXED_ROWS, 'misalignment'];

/** The options that give the values of a sweep, and the grid that has it. */
const SWEEPS = [
  ['lambdas', 'lambda'],
  ['misalignments', 'misalignment'],
] as const;

/**
 * Without seeds the profile's are trained, and a table has every other that the results file has all scores of too; a figure not.
 * @throws InputError for an unknown table, figure, profile, network or process, for values of another grid's sweep, and for
 * runs that cannot give the figure
 */
export function openRequest(request: GridRequest): OpenedRequest {
  const { what, networks, methods, seeds, iterations, lambdas, misalignments, runs = 'runs' } = request;
  knownName('table or figure', what, TARGETS);
  refuseForeignOptions(request);
  const wanted = profile(request.profile ?? 'mini');
  const figure = FIGURES[what] as FigureRequest | undefined;
  const rows = methods ?? figure?.methods;
  const folders = { runs, results: join(request.out ?? join('results', wanted.name), 'scores.csv') };
  const scored = seeds === undefined && figure === undefined ? readResults(folders.results) : [];
  const asked = grid(figure?.grid ?? what, wanted, {
    ...(networks ? { networks, network: networks[0] } : {}),
    ...(rows ? { methods: rows } : {}),
    seeds: seeds ?? seedsOf(wanted, scored),
    ...(iterations === undefined ? {} : { iterations }),
    ...(lambdas ? { lambdas } : {}),
    ...(misalignments ? { misalignments } : {}),
  });
  const wantedSeeds = seeds ?? wanted.seeds;
  const plan = planGrid(asked, { weights: figure !== undefined }).filter(
    (run) =>
      run.experiment === undefined ||
      wantedSeeds.includes(run.experiment.config.recipe.seed) ||
      missingBenchmarks(run, scored).length === 0,
  );
  const opened = { request, grid: asked, plan, folders };
  if (what === 'fig5') requireModules(opened);
  return opened;
}

/** The profile's seeds, then those that other runs were scored with: a table is a mean over all that there are. */
function seedsOf({ seeds }: Profile, scored: readonly ResultRow[]): number[] {
  const others = scored.flatMap(({ seed }) => seed ?? []).sort((a, b) => a - b);
  return [...new Set([...seeds, ...others])];
}

/** @throws InputError for what a grid would pass over: the values of another's sweep, rows that it fixes, a second network */
function refuseForeignOptions(request: GridRequest): void {
  for (const [option, sweep] of SWEEPS) {
    if (request[option] !== undefined && request.what !== sweep)
      throw new InputError(`--${option} is for ${sweep}: ${request.what} has no such sweep`);
  }
  const name = FIGURES[request.what]?.grid ?? request.what;
  if (request.methods !== undefined && FIXED_ROWS.includes(name))
    throw new InputError(`--processes: the rows of ${request.what} are fixed`);
  if ((request.networks?.length ?? 0) > 1 && ONE_NETWORK.includes(name))
    throw new InputError(
      `--networks ${request.networks!.join(',')}: ${request.what} is of one network at a time`,
    );
}

/** Figure 5 measures trained mimicking modules on the camera that they were trained with. */
function requireModules({ request, grid, plan }: OpenedRequest): void {
  const modules = plan.flatMap(({ experiment }) =>
    experiment?.config.process.name === 'mimic' ? experiment.config.data : [],
  );
  if (modules.length === 0) {
    throw new InputError(
      `--processes ${request.methods?.join(',')}: fig5 needs a mimicking module: ` +
        `expected some of ${FIGURES.fig5.methods!.join(', ')}`,
    );
  }
  if (modules.every(({ kind }) => kind === 'pairs')) {
    throw new InputError(
      'fig5 needs a module of the simulated camera, which knows the truth, and the trainings of profile ' +
        `${grid.profile.name} are on real pairs: choose another profile, or mimicsr align`,
    );
  }
}

/** The command line (after `mimicsr`) of a process that completes one run of the request, from the same folder. */
export function cellArguments(request: GridRequest, id: string): string[] {
  const option = (
    name: string,
    value: string | number | readonly (string | number)[] | undefined,
  ): string[] => (value === undefined ? [] : [`--${name}`, String(value)]);
  return [
    'reproduce',
    request.what,
    ...option('profile', request.profile),
    ...option('networks', request.networks),
    ...option('processes', request.methods),
    ...option('seeds', request.seeds),
    ...option('iterations', request.iterations),
    ...option('lambdas', request.lambdas),
    ...option('misalignments', request.misalignments),
    ...option('out', request.out),
    ...option('runs', request.runs),
    ...option('engine', request.engine),
    ...option('cell', id),
  ];
}
