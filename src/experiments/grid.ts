/**
 * A table or figure as data: rows of trainings, columns of scores. A grid trains nothing; the runner makes its runs, the store
 * holds their scores, `table.ts` puts them into the grid.
 */
import type { NetworkName } from '../networks/networks';
import type { TrainingSettings } from '../train/config';
import type { Benchmark } from './benchmarks';
import type { Experiment } from './experiment';
import type { MethodName } from './methods';
import type { Profile } from './profiles';
import type { ScoreMetric } from './store';

export const GRID_NAMES = [
  'table1',
  'table2',
  'table3',
  'real',
  'importance',
  'misalignment',
  'ablations',
  'lambda',
] as const;
export type GridName = (typeof GRID_NAMES)[number];

export interface GridRow {
  /** The SR network, as the table names it; empty for bicubic. */
  readonly network: string;
  /** The training process or variant. */
  readonly method: string;
  /** Whether this is the paper's method, which the others are held against. */
  readonly ours: boolean;
  /** By training set, one experiment a seed. Empty for bicubic, which is trained on nothing. */
  readonly experiments: Readonly<Record<string, readonly Experiment[]>>;
}

export interface GridColumn {
  /** Which of a row's trainings. */
  readonly trainedOn: string;
  readonly benchmark: Benchmark;
  readonly metric: ScoreMetric;
}

/** Of a grid whose rows are the values of one thing, in their order; where it has several series, one after the other. */
export interface Sweep {
  readonly name: string;
  readonly values: readonly (number | string | boolean)[];
  readonly series: readonly string[];
}

/** The rows of a sweep, a line a series, each with the value that it stands for. */
export function sweepLines<Row>(
  { values, series }: Sweep,
  rows: readonly Row[],
): {
  readonly label: string;
  readonly points: readonly { readonly value: Sweep['values'][number]; readonly row: Row }[];
}[] {
  return series.map((label, s) => ({
    label,
    points: values.map((value, v) => ({ value, row: rows[s * values.length + v] })),
  }));
}

export interface Grid {
  /** "variants": a grid of one's own, see `variantGrid`. */
  readonly id: GridName | 'variants';
  readonly title: string;
  readonly profile: Profile;
  /** What a reader must know: stand-ins, networks and weights other than the paper's. */
  readonly notes: readonly string[];
  readonly rows: readonly GridRow[];
  readonly columns: readonly GridColumn[];
  readonly sweep?: Sweep;
}

/** Which rows; left out: all. */
export interface GridOptions {
  readonly networks?: readonly NetworkName[];
  readonly methods?: readonly MethodName[];
  readonly seeds?: readonly number[];
  /** Updates of a run, where they are not to be the profile's. */
  readonly iterations?: number;
  /** Of the sweep over lambda. */
  readonly lambdas?: readonly number[];
  /** Of the sweep over the misalignment: sizes, LR pixels. */
  readonly misalignments?: readonly number[];
  /** Sweeps and ablations: of which network. */
  readonly network?: NetworkName;
}

/** Of a grid of one's own. */
export interface VariantOptions extends GridOptions {
  /** What its trainings are on. Default: the profile's pictures through the camera `srraw-like`. */
  readonly data?: TrainingSettings['data'];
}
