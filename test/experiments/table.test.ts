import { describe, expect, it } from 'vitest';
import { grid } from '../../src/experiments/grids';
import { paperNumbers } from '../../src/experiments/paper';
import { profile } from '../../src/experiments/profiles';
import type { ResultRow } from '../../src/experiments/store';
import { fillGrid } from '../../src/experiments/table';
import { tableCells, tableCsv, tableHtml, tableLatex, tableMarkdown } from '../../src/experiments/table-text';
import { resultRow } from './result-row';

const table3 = grid('table3', profile('smoke'), { networks: ['seemore'], seeds: [1, 2] });

/** NIQE of every row on SR-RAW, by method. */
function scoresOf(values: Record<string, number[]>): ResultRow[] {
  const { benchmark } = table3.columns[0];
  return table3.rows.flatMap((row) =>
    (values[row.method] ?? []).map((value, seed) =>
      resultRow({
        experiment: row.method === 'bicubic' ? 'bicubic' : row.experiments['SR-RAW'][seed].id,
        benchmark: benchmark.name,
        lr: benchmark.lr,
        metric: 'niqe',
        value,
      }),
    ),
  );
}

describe('A filled grid', () => {
  const table = fillGrid(
    table3,
    scoresOf({ bicubic: [9], 'Synthetic Data': [8, 8], 'Alignment Loss': [6, 6.2], Ours: [7, 7.2] }),
  );
  const cell = (method: string, column = 0) => table.rows.find((row) => row.method === method)!.cells[column];

  it('has means over seeds, ranks (less NIQE is better), and nothing where nothing ran', () => {
    expect(cell('Ours').ours).toMatchObject({ mean: 7.1, count: 2 });
    expect([cell('Alignment Loss').rank, cell('Ours').rank, cell('Synthetic Data').rank]).toEqual([
      1,
      2,
      undefined,
    ]);
    expect(cell('bicubic').rank).toBeUndefined();
    expect(cell('Pseudo GT').ours).toBeUndefined();
    expect(cell('Ours', 1).ours).toBeUndefined();
  });

  it("stands beside the paper's numbers and says where its order is not theirs", () => {
    expect(cell('Ours').paper).toBe(6.91);
    expect(cell('Synthetic Data').agrees).toBe(true); // ours better in both
    expect(cell('Alignment Loss').agrees).toBe(false); // ours worse here, better in the paper
    expect(cell('Pseudo GT')).toEqual({ paper: 8.5 });
    expect(cell('Ours, corrected').paper).toBeUndefined();
  });

  it('is written as text, Markdown, LaTeX, HTML and CSV', () => {
    expect(tableCells(table).rows.find((row) => row[1] === 'Alignment Loss')![2]).toBe(
      '6.10 ± 1.27* (7.73 ✗)',
    );
    expect(tableMarkdown(table)).toMatch(/^\| SeeMoRe \| Ours \| <u>7\.10 ± 1\.27<\/u> \(6\.91\) \|/m);
    const latex = tableLatex(table);
    expect(latex).toMatch(/SeeMoRe & Alignment Loss & \\textbf\{6\.10 \$\\pm\$ 1\.27\}/);
    expect(latex.match(/\\\\$/gm)).toHaveLength(1 + table.rows.length);
    expect(tableHtml(table)).toMatch(/colspan="3">SR-RAW: /);
    expect(tableCells(table).notes.at(-1)).toBe('*: best of the trained rows of its network');
    expect(tableMarkdown(table)).toContain('\n- bold: best, underlined: second best of the trained rows');
    expect(tableMarkdown(fillGrid(table3, []))).not.toContain('best');
    const csv = tableCsv(table).trim().split('\n');
    expect(csv[0]).toBe('network,process,trainedOn,benchmark,lr,metric,value,half95,seeds,paper,agrees');
    expect(
      csv.some((line) => /^SeeMoRe,Synthetic Data,SR-RAW,.*,niqe,8\.0000,0\.0000,2,7\.25,yes$/.test(line)),
    ).toBe(true);
  });

  it('never invents: without results no cell has a number of ours', () => {
    const empty = fillGrid(table3, []);
    expect(
      empty.rows.flatMap((row) => row.cells).every((c) => c.ours === undefined && c.agrees === undefined),
    ).toBe(true);
  });
});

describe("The paper's numbers", () => {
  const numbers = paperNumbers('table3');
  const value = (network: string, process: string, trainedOn: string, metric: string): number =>
    numbers.find(
      (n) =>
        n.network === network && n.process === process && n.trainedOn === trainedOn && n.metric === metric,
    )!.value;
  const cells = ['RRDBNet', 'SwinIR', 'DAT', 'SeeMoRe'].flatMap((network) =>
    [...new Set(numbers.map((n) => n.process))].flatMap((process) =>
      ['SR-RAW', 'RealSR'].map((set) => ({ network, process, set })),
    ),
  );

  it('of Table 3 are complete: 4 networks x 7 processes x 2 sets x 3 metrics', () => {
    expect(numbers).toHaveLength(4 * 7 * 2 * 3);
    expect(new Set(numbers.map((n) => JSON.stringify({ ...n, value: 0 }))).size).toBe(numbers.length);
  });

  it('fit together: PI is (10 - NRQM + NIQE) / 2 within 4 %, but for three cells that the paper misprints', () => {
    const odd = cells.filter(({ network, process, set }) => {
      const of = (metric: string): number => value(network, process, set, metric);
      const pi = (10 - of('nrqm') + of('niqe')) / 2;
      return Math.abs(of('pi') / pi - 1) > 0.04;
    });
    expect(odd).toEqual([
      { network: 'RRDBNet', process: 'CXLoss', set: 'SR-RAW' },
      { network: 'RRDBNet', process: 'CoBi Loss', set: 'SR-RAW' },
      { network: 'RRDBNet', process: 'Auxiliary Input', set: 'SR-RAW' },
    ]);
  });
});
