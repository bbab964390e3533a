/** The kit's charts, as pure functions of numbers: training curves, bars and sweeps out of tables, curves over a truth. */
import { sweepLines } from '../experiments/grid';
import type { Interval } from '../experiments/interval';
import { stepTimes, type StepTimes } from '../experiments/step-times';
import type { Table, TableRow } from '../experiments/table';
import type { StepReport } from '../train/trainer';
import { InputError } from '../util/errors';
import { COLOURS, figure, type Figure } from './figure';

/** What of an iteration a curve shows. */
export type CurvePoint = Pick<StepReport, 'step' | 'loss' | 'terms' | 'rate'>;

/** Points of a curve: more are averaged in groups. */
const POINTS = 300;

/** Loss terms over iterations on a logarithmic axis, and the learning rate on an axis of its own. */
export function trainingCurve(history: readonly CurvePoint[], title: string): Figure {
  const points = averaged(history);
  const x = points.map(({ step }) => step);
  const names = Object.keys(points[0]?.terms ?? {});
  const losses = names.map((name) => ({ x, y: points.map(({ terms }) => terms[name]), name, mode: 'lines' }));
  const rate = {
    x,
    y: points.map((p) => p.rate),
    name: 'learning rate',
    yaxis: 'y2',
    mode: 'lines',
    line: { color: '#999', dash: 'dot', width: 1 },
  };
  return figure([...losses, rate], {
    title: { text: `${title}: loss` },
    height: 300,
    margin: { l: 70, r: 80, t: 50, b: 50 },
    xaxis: { title: { text: 'iteration' } },
    yaxis: { title: { text: 'loss' }, type: 'log', exponentformat: 'power', nticks: 5 },
    yaxis2: {
      title: { text: 'learning rate' },
      overlaying: 'y',
      side: 'right',
      showgrid: false,
      tickmode: 'auto',
      tickformat: '.0e',
      nticks: 4,
      rangemode: 'tozero',
    },
    legend: { orientation: 'h', x: 0, y: 1.12 },
  });
}

function averaged(history: readonly CurvePoint[]): CurvePoint[] {
  const size = Math.ceil(history.length / POINTS) || 1;
  const out: CurvePoint[] = [];
  for (let i = 0; i < history.length; i += size) {
    const group = history.slice(i, i + size);
    const mean = (of: (p: CurvePoint) => number): number =>
      group.reduce((sum, p) => sum + of(p), 0) / group.length;
    const terms = Object.fromEntries(Object.keys(group[0].terms).map((t) => [t, mean((p) => p.terms[t])]));
    const { step, rate } = group.at(-1)!;
    out.push({ step, rate, terms, loss: mean((p) => p.loss) });
  }
  return out;
}

/**
 * The values of one column of a table, of the rows that have one; labels name the network where there are several.
 * @throws InputError where no row has one, with the table's notes, which say why
 */
function columnOf(
  table: Table,
  column: number,
): (Interval & { readonly label: string; readonly row: TableRow })[] {
  if (table.columns[column] === undefined) {
    throw new InputError(
      `'${table.title}' has ${table.columns.length} columns: there is no column ${column}`,
    );
  }
  const networks = new Set(table.rows.map(({ network }) => network).filter((network) => network !== ''));
  const values = table.rows.flatMap((row) => {
    const { ours } = row.cells[column];
    const label = row.network === '' || networks.size < 2 ? row.method : `${row.method} (${row.network})`;
    return ours === undefined ? [] : [{ ...ours, label, row }];
  });
  if (values.length === 0) {
    const { group, title } = table.columns[column];
    const notes = table.notes.map((line) => `\n  ${line}`).join('');
    throw new InputError(`no row of '${table.title}' has a value of ${group} ${title}:${notes}`);
  }
  return values;
}

/** What a chart shows of a table unless told: PSNR on the first benchmark with the LR of the camera, else the first column. */
function mainColumn({ columns }: Table): number {
  return Math.max(
    0,
    columns.findIndex(({ benchmark }) => benchmark.lr !== 'bicubic'),
  );
}

/** One column of a table as bars, in the table's order, with the 95 % interval over seeds where there are several. */
export function tableBars(table: Table, column = mainColumn(table)): Figure {
  const values = columnOf(table, column);
  const { group, title } = table.columns[column];
  const low = Math.min(...values.map(({ mean, half = 0 }) => mean - half));
  const high = Math.max(...values.map(({ mean, half = 0 }) => mean + half));
  const room = (high - low || Math.abs(high) || 1) * 0.15;
  return figure(
    [
      {
        type: 'bar',
        orientation: 'h',
        y: values.map(({ label }) => label),
        x: values.map(({ mean }) => mean),
        error_x: errorBars(values),
      },
    ],
    {
      title: { text: table.title },
      height: 120 + 26 * values.length,
      margin: { l: marginOf(values), r: 30, t: 50, b: 50 },
      // Differences are small beside the values: the axis begins near the least.
      xaxis: {
        title: { text: `${group}: ${title}` },
        ticksuffix: unitOf(table, column),
        range: [low - room, high + room],
      },
      yaxis: { autorange: 'reversed', ticks: '' },
      annotations: values.map(({ label, mean }) => ({
        x: low - room,
        xshift: 4,
        xanchor: 'left',
        y: label,
        text: mean.toFixed(table.columns[column].digits),
        showarrow: false,
        font: { color: '#fff' },
      })),
    },
  );
}

/**
 * What a row costs against what it gives: a column of a table over the time of a training step, of the rows that both are
 * known of.
 * @param times Default: those that the project's results have
 */
export function costCurve(table: Table, column = mainColumn(table), times: StepTimes = stepTimes()): Figure {
  const points = columnOf(table, column).flatMap(({ row, ...value }) => {
    const time = times(row.network, row.method);
    return time === undefined ? [] : [{ ...value, time }];
  });
  if (points.length === 0) throw new InputError(`no row of '${table.title}' has a run and a measured time`);
  return figure(
    points.map(({ label, time, ...value }, i) => ({
      name: label,
      x: [time],
      y: [value.mean],
      error_y: errorBars([value]),
      mode: 'markers',
      marker: { size: 10, symbol: SYMBOLS[Math.floor(i / COLOURS.length) % SYMBOLS.length] },
    })),
    {
      title: { text: titleOf(table, column) },
      height: 440,
      margin: { l: 80, r: 60 + marginOf(points), t: 70, b: 60 },
      xaxis: { title: { text: "time of a training step, multiples of L1's" } },
      yaxis: { ticksuffix: unitOf(table, column) },
      legend: { x: 1.02, y: 1 },
    },
  );
}

/** Stands behind the numbers of an axis. */
function unitOf({ columns }: Table, column: number): string {
  return columns[column].metric.startsWith('psnr') ? ' dB' : '';
}

/** The table, and below it what of it is shown: beside the axis Plotly would have to know how wide its numbers are. */
function titleOf(table: Table, column: number): string {
  const { group, title } = table.columns[column];
  return `${table.title}<br>${group}: ${title}`;
}

/** The 95 % intervals of values that have one. */
function errorBars(values: readonly Interval[]): object {
  return {
    type: 'data',
    array: values.map(({ half = 0 }) => half),
    visible: values.some(({ half = 0 }) => half > 0),
  };
}

/** Room for labels beside an axis, pixels. */
function marginOf(values: readonly { readonly label: string }[]): number {
  return 30 + LETTER * Math.max(...values.map(({ label }) => label.length));
}

/** Width of a letter of a figure's text, pixels. */
const LETTER = 6.8;

const SYMBOLS = ['circle', 'square', 'diamond', 'cross', 'triangle-up', 'star'] as const;

/**
 * A column of a sweep over its values, a line a series, with the 95 % interval over seeds where there are several.
 * @throws InputError for a table that is no sweep, and where no row has a run
 */
export function sweepCurve(table: Table, column = mainColumn(table)): Figure {
  const { sweep } = table;
  if (sweep === undefined) throw new InputError(`'${table.title}' is no sweep over the values of one thing`);
  const found = new Map(columnOf(table, column).map(({ row, ...value }) => [row, value]));
  const lines = sweepLines(sweep, table.rows).map(({ label, points }) => {
    const shown = points.flatMap(({ value, row }) => {
      const ours = found.get(row);
      // A sweep often has 0 among powers of ten: places, not distances.
      return ours === undefined ? [] : [{ x: String(value), ...ours }];
    });
    return {
      name: label,
      x: shown.map(({ x }) => x),
      y: shown.map(({ mean }) => mean),
      error_y: errorBars(shown),
      mode: 'lines+markers',
    };
  });
  return figure(lines, {
    title: { text: titleOf(table, column) },
    margin: { l: 80, r: 30, t: 70, b: 50 },
    xaxis: {
      title: { text: sweep.name },
      type: 'category',
      categoryorder: 'array',
      categoryarray: sweep.values.map(String),
    },
    yaxis: { ticksuffix: unitOf(table, column) },
    showlegend: lines.length > 1,
  });
}

export interface Line {
  readonly name: string;
  readonly x: readonly number[];
  readonly y: readonly number[];
}

/** Lines over a number. */
export function lineChart(
  lines: readonly Line[],
  { title, x, y }: { readonly title: string; readonly x: string; readonly y: string },
): Figure {
  return figure(
    lines.map((line) => ({ ...line, mode: 'lines+markers' })),
    {
      title: { text: title },
      xaxis: { title: { text: x } },
      yaxis: { title: { text: y }, rangemode: 'tozero' },
    },
  );
}

/** Bars with a value each. */
export function barChart(
  bars: Readonly<Record<string, number>>,
  { title, y, log = false }: { readonly title: string; readonly y: string; readonly log?: boolean },
): Figure {
  return figure([{ type: 'bar', x: Object.keys(bars), y: Object.values(bars) }], {
    title: { text: title },
    yaxis: { title: { text: y }, ...(log ? { type: 'log' } : {}) },
    annotations: Object.entries(bars).map(([x, value]) => ({
      x,
      y: log ? Math.log10(value) : value,
      text: String(Number(value.toPrecision(3))),
      showarrow: false,
      yanchor: 'bottom',
    })),
  });
}
