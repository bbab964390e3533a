/** Tables as Markdown, LaTeX, HTML, plain text and CSV. Best bold (red in HTML), second best underlined (blue), as in the paper. */
import { stringify } from 'csv-stringify/sync';
import { escapeMarkup } from '../util/escape';
import { intervalText } from './interval';
import type { Cell, Table, TableColumn, TableRow } from './table';

interface Mark {
  readonly best: (text: string) => string;
  readonly second: (text: string) => string;
  readonly paper: (text: string) => string;
  /** What marks the best and the second best. */
  readonly legend: string;
  readonly escape: (text: string) => string;
}

const PLAIN: Mark = {
  best: (t) => `${t}*`,
  second: (t) => t,
  paper: (t) => ` (${t})`,
  legend: '*: best',
  escape: (t) => t,
};
const MARKDOWN: Mark = {
  best: (t) => `**${t}**`,
  second: (t) => `<u>${t}</u>`,
  paper: (t) => ` (${t})`,
  legend: 'bold: best, underlined: second best',
  escape: (t) => t.replace(/\|/g, '\\|'),
};
const LATEX: Mark = {
  best: (t) => `\\textbf{${t}}`,
  second: (t) => `\\underline{${t}}`,
  paper: (t) => ` {\\footnotesize(${t})}`,
  legend: 'bold: best, underlined: second best',
  escape: latexEscape,
};
const HTML: Mark = {
  best: (t) => `<b style="color:#c00000">${t}</b>`,
  second: (t) => `<span style="color:#0040c0">${t}</span>`,
  paper: (t) => ` <small style="color:#777">(${t})</small>`,
  legend: 'red: best, blue: second best',
  escape: escapeMarkup,
};

/** "27.52 ± 0.11 (27.80 ✓)": ours, then the paper's and whether the comparison with "Ours" comes out as printed. */
function cellText(cell: Cell, { digits }: TableColumn, mark: Mark): string {
  const ours = cell.ours === undefined ? '' : mark.escape(intervalText(cell.ours, digits));
  const ranked = cell.rank === 1 ? mark.best(ours) : cell.rank === 2 ? mark.second(ours) : ours;
  if (cell.paper === undefined) return ranked;
  const agreement = cell.agrees === undefined ? '' : cell.agrees ? ' ✓' : ' ✗';
  return ranked + mark.paper(cell.paper.toFixed(digits) + agreement);
}

/** What the reader must know, with the marks where there are some. */
function notesOf({ notes, rows }: Table, { legend }: Mark): string[] {
  const ranked = rows.some((row) => row.cells.some(({ rank }) => rank !== undefined));
  return [...notes, ...(ranked ? [`${legend} of the trained rows of its network`] : [])];
}

const heads = ({ columns }: Table): string[] => columns.map(({ group, title }) => `${group} ${title}`);
const labels = (row: TableRow): string[] => [row.network, row.method];

/** Header and rows as text, and what is to be known of them, for a terminal. */
export function tableCells(table: Table): {
  readonly header: string[];
  readonly rows: string[][];
  readonly notes: string[];
} {
  return {
    notes: notesOf(table, PLAIN),
    header: ['network', 'process', ...heads(table)],
    rows: table.rows.map((row) => [
      ...labels(row),
      ...row.cells.map((cell, c) => cellText(cell, table.columns[c], PLAIN)),
    ]),
  };
}

export function tableMarkdown(table: Table): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const header = ['SR network', 'training process', ...heads(table)];
  return [
    `# ${table.title}`,
    '',
    ...notesOf(table, MARKDOWN).map((note) => `- ${note}`),
    '',
    line(header),
    line(header.map(() => '---')),
    ...table.rows.map((row) =>
      line([
        ...labels(row).map(MARKDOWN.escape),
        ...row.cells.map((cell, c) => cellText(cell, table.columns[c], MARKDOWN)),
      ]),
    ),
    '',
  ].join('\n');
}

export function tableLatex(table: Table): string {
  const header = ['SR network', 'Training process', ...heads(table)].map(latexEscape);
  const rows = table.rows.map((row) => [
    ...labels(row).map(latexEscape),
    ...row.cells.map((cell, c) => cellText(cell, table.columns[c], LATEX)),
  ]);
  return [
    `% ${table.title}`,
    ...notesOf(table, LATEX).map((note) => `% ${note}`),
    `\\begin{tabular}{ll${'r'.repeat(table.columns.length)}}`,
    '\\toprule',
    `${header.join(' & ')} \\\\`,
    '\\midrule',
    ...rows.map((row) => `${row.join(' & ')} \\\\`),
    '\\bottomrule',
    '\\end{tabular}',
    '',
  ].join('\n');
}

/** A complete fragment: caption, table, notes; no scripts, so that it shows wherever HTML does. */
export function tableHtml(table: Table): string {
  const groups: { group: string; span: number }[] = [];
  for (const { group } of table.columns) {
    if (groups.at(-1)?.group === group) groups.at(-1)!.span++;
    else groups.push({ group, span: 1 });
  }
  const rows = table.rows.map((row, i) => {
    const rule =
      i > 0 && row.network !== table.rows[i - 1].network ? ' style="border-top:1px solid #999"' : '';
    const cells = row.cells.map(
      (cell, c) => `<td style="text-align:right">${cellText(cell, table.columns[c], HTML)}</td>`,
    );
    return `<tr${rule}>${labels(row)
      .map((label) => `<td style="text-align:left">${escapeMarkup(label)}</td>`)
      .join('')}${cells.join('')}</tr>`;
  });
  return [
    '<table style="border-collapse:collapse">',
    `<caption style="text-align:left"><b>${escapeMarkup(table.title)}</b></caption>`,
    `<thead><tr><th></th><th></th>${groups.map(({ group, span }) => `<th colspan="${span}">${escapeMarkup(group)}</th>`).join('')}</tr>`,
    `<tr><th>SR network</th><th>training process</th>${table.columns.map(({ title }) => `<th>${title}</th>`).join('')}</tr></thead>`,
    `<tbody>${rows.join('\n')}</tbody></table>`,
    `<ul>${notesOf(table, HTML)
      .map((note) => `<li>${escapeMarkup(note)}</li>`)
      .join('')}</ul>`,
    '',
  ].join('\n');
}

/** One record a cell that has a number of ours or of the paper's. */
export function tableRecords(table: Table): Record<string, string | number | undefined>[] {
  return table.rows.flatMap((row) =>
    row.cells.flatMap((cell, c) => {
      const { trainedOn, benchmark, metric, digits } = table.columns[c];
      if (cell.ours === undefined && cell.paper === undefined) return [];
      return [
        {
          network: row.network,
          process: row.method,
          trainedOn,
          benchmark: benchmark.name,
          lr: benchmark.lr,
          metric,
          value: cell.ours?.mean.toFixed(digits + 2),
          half95: cell.ours?.half?.toFixed(digits + 2),
          seeds: cell.ours?.count,
          paper: cell.paper,
          agrees: cell.agrees === undefined ? undefined : cell.agrees ? 'yes' : 'no',
        },
      ];
    }),
  );
}

export function tableCsv(table: Table): string {
  return stringify(tableRecords(table), { header: true });
}

function latexEscape(text: string): string {
  return text
    .replace(/[&%$#_{}]/g, (c) => `\\${c}`)
    .replace(/±/g, '$\\pm$')
    .replace(/↑/g, '$\\uparrow$')
    .replace(/↓/g, '$\\downarrow$');
}
