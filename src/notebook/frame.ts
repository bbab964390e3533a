/**
 * Rows as danfo frames, to show, join and look into; and what a table needs before it is one: means over seeds and the
 * paper's layout. danfo computes nothing that is published: its means, sorting, grouping and CSV have silent errors
 * (NaN, dashes and commas in keys), so those are here, on plain rows.
 */
import { stringify } from 'csv-stringify/sync';
import type * as Danfo from 'danfojs-node';
import type { DataFrame } from 'danfojs-node';
import { interval95 } from '../experiments/interval';
import type { ScoreTable } from '../metrics/score';
import type { MetricName } from '../metrics/metrics';
import { InputError } from '../util/errors';
import { escapeMarkup } from '../util/escape';
import { loadPackage } from '../util/optional-package';
import { writeFileAtomic } from '../util/write-file';
import { DISPLAY, type Bundle, type Displayable } from './kernel';

export type Value = string | number | boolean | null | undefined;
/** A danfo frame that shows itself as an HTML table, as those that its own functions return do. */
export type Frame = DataFrame & Displayable;
export type Row = Readonly<Record<string, Value>>;

/**
 * A danfo frame of rows, which shows itself as an HTML table. Columns in the order in which the rows first have them; what a
 * row lacks is NaN in a column of numbers, else empty text.
 * @throws InputError where there are no rows, or a column has numbers and text
 */
export function frame(rows: readonly Row[]): Frame {
  if (rows.length === 0) throw new InputError('a frame needs at least one row');
  const columns = columnsOf(rows);
  const fill = columns.map((column): Value => {
    const types = new Set(rows.flatMap((row) => (isMissing(row[column]) ? [] : [typeof row[column]])));
    if (types.size > 1) {
      throw new InputError(
        `column '${column}' has values of types ${[...types].join(' and ')}: expected one`,
      );
    }
    return types.has('number') || types.size === 0 ? NaN : '';
  });
  const values = rows.map((row) =>
    columns.map((column, i) => (isMissing(row[column]) ? fill[i] : row[column])),
  );
  return new (danfo().DataFrame)(values, { columns }) as Frame;
}

/** The rows of a frame as plain objects. */
export function rowsOf(data: DataFrame): Row[] {
  return (data.values as Value[][]).map((values) =>
    Object.fromEntries(data.columns.map((column, i) => [column, values[i]])),
  );
}

/** The scores of `score`, one row a picture, and a last one with their mean. */
export function scoreFrame<M extends MetricName>({ images, mean }: ScoreTable<M>): Frame {
  return frame([...images, { image: 'mean', ...mean }] as Row[]);
}

/**
 * Rows that differ in nothing but their seeds and `value` become one: its mean, `half` the width of the 95 % interval (missing
 * for a single seed) and `seeds`, their number. In the order in which the groups first come.
 * @param by the columns that stay, which tell the groups apart
 * @throws InputError where a value is not a finite number
 */
export function overSeeds(rows: readonly Row[], by: readonly string[], value: string): Row[] {
  const groups = new Map<string, Row[]>();
  for (const row of rows) {
    const key = JSON.stringify(by.map((column) => row[column] ?? null));
    groups.set(key, [...(groups.get(key) ?? []), row]);
  }
  return [...groups.values()].map((group) => {
    const { mean, half, count } = interval95(group.map((row) => finite(row, value)));
    const kept = Object.fromEntries(by.map((column) => [column, group[0][column]]));
    return { ...kept, [value]: mean, half, seeds: count };
  });
}

/**
 * Long rows to wide ones, as the paper's tables lie: a row for each combination of the `index` columns, a column for each
 * value of `column`, both in the order in which they first come.
 * @throws InputError where two rows fall on one place
 */
export function pivot(
  rows: readonly Row[],
  {
    index,
    column,
    value,
  }: { readonly index: readonly string[]; readonly column: string; readonly value: string },
): Row[] {
  const out = new Map<string, Record<string, Value>>();
  for (const row of rows) {
    const kept = Object.fromEntries(index.map((name) => [name, row[name]]));
    const key = JSON.stringify(Object.values(kept).map((v) => v ?? null));
    const wide = out.get(key) ?? kept;
    const name = String(row[column]);
    if (name in wide) {
      throw new InputError(`two rows for ${key} and ${column} '${name}': average them first (overSeeds)`);
    }
    out.set(key, { ...wide, [name]: row[value] });
  }
  return [...out.values()];
}

/** Writes rows, or a frame, as CSV: header, quotes where needed, numbers in full, what is missing empty. */
export function writeCsv(path: string, rows: readonly Row[] | DataFrame): void {
  const plain = Array.isArray(rows) ? (rows as readonly Row[]) : rowsOf(rows as DataFrame);
  const present = plain.map((row) =>
    Object.fromEntries(Object.entries(row).filter(([, value]) => !isMissing(value))),
  );
  writeFileAtomic(path, stringify(present, { header: true, columns: columnsOf(plain) }));
}

function columnsOf(rows: readonly Row[]): string[] {
  return [...new Set(rows.flatMap((row) => Object.keys(row)))];
}

function isMissing(value: Value): value is null | undefined {
  return value === null || value === undefined || Number.isNaN(value);
}

function finite(row: Row, column: string): number {
  const value = row[column];
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  throw new InputError(`column '${column}' holds ${JSON.stringify(value)}: expected a finite number`);
}

let loaded: typeof Danfo | undefined;

/** danfo, loaded when it is first needed; from then on its frames show themselves as HTML. */
function danfo(): typeof Danfo {
  if (loaded !== undefined) return loaded;
  loaded = loadPackage<typeof Danfo>('danfojs-node');
  // The class behind it is also that of what danfo's own functions return.
  Object.defineProperty(Object.getPrototypeOf(loaded.DataFrame.prototype) as object, DISPLAY, {
    value(this: DataFrame): Bundle {
      return { 'text/plain': plainTable(this), 'text/html': htmlTable(this) };
    },
  });
  return loaded;
}

/** Rows shown of a long frame. */
const SHOWN = 50;

function shownCells(data: DataFrame): { readonly cells: string[][]; readonly more: number } {
  const values = data.values as Value[][];
  return { cells: values.slice(0, SHOWN).map((row) => row.map(cellText)), more: values.length - SHOWN };
}

function cellText(value: Value): string {
  if (isMissing(value)) return '';
  return typeof value === 'number' && !Number.isInteger(value)
    ? String(Number(value.toPrecision(6)))
    : String(value);
}

function plainTable(data: DataFrame): string {
  const { cells, more } = shownCells(data);
  const lines = [data.columns, ...cells].map((row) => row.join('\t'));
  return [...lines, ...(more > 0 ? [`… ${more} more rows`] : [])].join('\n');
}

function htmlTable(data: DataFrame): string {
  const { cells, more } = shownCells(data);
  const isNumber = data.columns.map((_, c) =>
    (data.values as Value[][]).every((row) => typeof row[c] === 'number'),
  );
  const row = (tag: string, values: readonly string[]): string =>
    `<tr>${values.map((v, c) => `<${tag} style="text-align:${isNumber[c] ? 'right' : 'left'}">${escapeMarkup(v)}</${tag}>`).join('')}</tr>`;
  return (
    `<table><thead>${row('th', data.columns)}</thead><tbody>${cells.map((c) => row('td', c)).join('')}</tbody></table>` +
    (more > 0 ? `<p>… ${more} more rows</p>` : '')
  );
}
