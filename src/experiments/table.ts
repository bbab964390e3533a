/** A grid filled with the scores of the store: means over seeds, ranks, and what the paper has in the same places. */
import { benchmarkTitle } from './benchmarks';
import type { Grid, GridColumn, GridRow, Sweep } from './grid';
import { interval95, type Interval } from './interval';
import { paperNumbers, type PaperNumber } from './paper';
import { LOWER_IS_BETTER, rowKey, type ResultRow, type ScoreMetric } from './store';

export interface Cell {
  /** Over the seeds that are finished; absent: no run. */
  readonly ours?: Interval;
  /** What the paper prints here. */
  readonly paper?: number;
  /** Among the trained rows of the same network: best, second best. */
  readonly rank?: 1 | 2;
  /**
   * Of a baseline: whether "Ours" is better (or worse) than it here as it is in the paper. Absent where either side lacks a
   * number.
   */
  readonly agrees?: boolean;
}

export interface TableColumn extends GridColumn {
  /** "PSNR ↑". */
  readonly title: string;
  /** "Set5 (srraw-like LR)". */
  readonly group: string;
  readonly better: 'higher' | 'lower';
  readonly digits: number;
}

export interface TableRow {
  readonly network: string;
  readonly method: string;
  readonly ours: boolean;
  readonly cells: readonly Cell[];
}

export interface Table {
  readonly id: string;
  readonly title: string;
  readonly notes: readonly string[];
  readonly columns: readonly TableColumn[];
  readonly rows: readonly TableRow[];
  readonly sweep?: Sweep;
}

const TITLES: Readonly<Record<ScoreMetric, string>> = {
  psnrY: 'PSNR',
  ssimY: 'SSIM',
  psnrRgb: 'PSNR RGB',
  ssimRgb: 'SSIM RGB',
  niqe: 'NIQE',
  nrqm: 'NRQM',
  pi: 'PI',
};

/** @param results rows of any experiments; those that the grid does not ask for are left out */
export function fillGrid(grid: Grid, results: readonly ResultRow[]): Table {
  const byKey = new Map(results.map((row) => [rowKey(row), row]));
  const paper = paperNumbers(grid.id);
  const columns = grid.columns.map((column) => describe(grid, column));
  const rows = grid.rows.map((row) => ({
    network: row.network,
    method: row.method,
    ours: row.ours,
    cells: columns.map((column) => cellOf(row, column, byKey, paper)),
  }));
  return {
    id: grid.id,
    title: grid.title,
    notes: [...grid.notes, ...coverage(rows)],
    columns,
    ...(grid.sweep === undefined ? {} : { sweep: grid.sweep }),
    rows: rows.map((row) => ({
      ...row,
      cells: row.cells.map((cell, c) => ({ ...cell, ...compared(rows, row, cell, c, columns[c]) })),
    })),
  };
}

function describe(grid: Grid, column: GridColumn): TableColumn {
  const better = LOWER_IS_BETTER.includes(column.metric) ? 'lower' : 'higher';
  const severalSets = new Set(grid.columns.map((c) => c.trainedOn)).size > 1;
  return {
    ...column,
    better,
    title: `${TITLES[column.metric]} ${better === 'higher' ? '↑' : '↓'}`,
    group: severalSets
      ? `${column.trainedOn}: ${benchmarkTitle(column.benchmark)}`
      : benchmarkTitle(column.benchmark),
    digits: column.metric.startsWith('ssim') ? 4 : 2,
  };
}

function cellOf(
  row: GridRow,
  { trainedOn, benchmark, metric }: GridColumn,
  results: ReadonlyMap<string, ResultRow>,
  paper: readonly PaperNumber[],
): Cell {
  const ids = row.method === 'bicubic' ? ['bicubic'] : (row.experiments[trainedOn] ?? []).map(({ id }) => id);
  const values = ids.flatMap((experiment) => {
    const found = results.get(rowKey({ experiment, benchmark: benchmark.name, lr: benchmark.lr, metric }));
    return found === undefined ? [] : [found.value];
  });
  const family = row.network.split(',')[0]; // "DAT, 4 of 18 blocks" stands beside the paper's DAT
  const printed = paper.find(
    (n) =>
      n.network === family &&
      n.process === row.method &&
      n.trainedOn === trainedOn &&
      (n.benchmark === benchmark.name || n.benchmark === trainedOn) &&
      n.metric === metric &&
      (benchmark.kind === 'no-reference' || benchmark.lr === 'bicubic'),
  );
  return {
    ...(values.length > 0 ? { ours: interval95(values) } : {}),
    ...(printed === undefined ? {} : { paper: printed.value }),
  };
}

type Plain = Pick<TableRow, 'network' | 'method' | 'ours' | 'cells'>;

function compared(
  rows: readonly Plain[],
  row: Plain,
  cell: Cell,
  column: number,
  { better }: TableColumn,
): Pick<Cell, 'rank' | 'agrees'> {
  if (row.method === 'bicubic' || cell.ours === undefined) return {};
  const sign = better === 'higher' ? 1 : -1;
  const peers = rows.filter((other) => other.network === row.network && other.method !== 'bicubic');
  const ahead = peers.filter((other) => {
    const value = other.cells[column].ours;
    return value !== undefined && sign * value.mean > sign * cell.ours!.mean;
  }).length;
  const ours = peers.find((other) => other.method === 'Ours')?.cells[column];
  const comparable =
    !row.ours && cell.paper !== undefined && ours?.paper !== undefined && ours.ours !== undefined;
  return {
    ...(ahead < 2 ? { rank: (ahead + 1) as 1 | 2 } : {}),
    ...(comparable
      ? { agrees: Math.sign(ours.ours.mean - cell.ours.mean) === Math.sign(ours.paper - cell.paper) }
      : {}),
  };
}

/** How many cells have a number, and what stands beside it. */
function coverage(rows: readonly Plain[]): string[] {
  const cells = rows.flatMap((row) => row.cells);
  const filled = cells.filter((cell) => cell.ours !== undefined).length;
  const printed = cells.some((cell) => cell.paper !== undefined);
  const seeds = cells.flatMap((cell) => cell.ours?.count ?? []);
  const [fewest, most] = [Math.min(...seeds), Math.max(...seeds)];
  const count = fewest === most ? `${most}` : `${fewest} to ${most}`;
  return [
    `${filled} of ${cells.length} cells have a run; a cell without one is empty`,
    ...(most > 1 ? [`mean over ${count} seeds, ± half the 95 % interval of the mean (Student's t)`] : []),
    ...(printed ? ["in brackets: the paper's number, for the real sets and its own budget"] : []),
  ];
}
