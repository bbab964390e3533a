import { gunzipSync } from 'node:zlib';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { costCurve, lineChart, sweepCurve, tableBars, trainingCurve } from '../../src/notebook/charts';
import { figure, interactiveFigures, staticFigures } from '../../src/notebook/figure';
import { DISPLAY } from '../../src/notebook/kernel';
import { plotlySource, renderSvg } from '../../src/notebook/plotly';
import type { StepTimes } from '../../src/experiments/step-times';
import type { Table } from '../../src/experiments/table';

const COLUMN = {
  metric: 'psnrY',
  benchmark: { name: 'Set5', kind: 'full-reference', lr: 'bicubic' },
  title: 'PSNR ↑',
  group: 'Set5',
  better: 'higher',
  digits: 2,
} as Table['columns'][number];

describe('figure', () => {
  it('is drawn without a browser: curves, labels and the colours of heat maps', async () => {
    const size = { width: 300, height: 200 };
    const svg = await renderSvg(
      lineChart([{ name: 'Ours', x: [0, 1], y: [1, 2] }], { title: 'A title', x: 'px', y: 'dB' }),
      size,
    );
    expect(svg).toMatch(/^<svg.*A title/s);
    expect(svg).toMatch(/class="js-line"/);
    const heat = figure(
      [
        {
          type: 'heatmap',
          z: [[0, 1]],
          showscale: false,
          colorscale: [
            [0, '#000'],
            [1, '#f00'],
          ],
        },
      ],
      {
        ...size,
        margin: { l: 0, r: 0, t: 0, b: 0 },
      },
    );
    const { data, info } = await sharp(await heat.png())
      .removeAlpha()
      .raw()
      .toBuffer({ resolveWithObject: true });
    expect([info.width, info.height]).toEqual([450, 300]);
    const at = (x: number): number[] => [...data.subarray((150 * 450 + x) * 3, (150 * 450 + x) * 3 + 3)];
    expect(at(100)).toEqual([0, 0, 0]);
    expect(at(350)).toEqual([255, 0, 0]);
  });

  it('is a picture, and with Plotly in the notebook also interactive, with the picture until scripts run', async () => {
    const chart = lineChart([{ name: '</script>', x: [0], y: [1] }], { title: 't', x: 'x', y: 'y' });
    expect(Object.keys(await chart[DISPLAY]())).toEqual([
      'text/plain',
      'image/png',
      'application/vnd.plotly.v1+json',
    ]);
    const library = (await interactiveFigures()[DISPLAY]())['text/html'] as string;
    const packed = Buffer.from(/atob\('([^']+)'\)/.exec(library)![1], 'base64');
    expect(gunzipSync(packed).toString()).toBe(plotlySource());
    expect(library.length).toBeLessThan(8e5);
    const bundle = await chart[DISPLAY]();
    staticFigures();
    const html = bundle['text/html'] as string;
    expect(html).toContain(`<img src="data:image/png;base64,${bundle['image/png'] as string}"`);
    expect(html).not.toMatch(/https?:/);
    expect(html.match(/<\/script>/g)).toHaveLength(1);
  });
});

describe('charts', () => {
  it('average long curves, keep the last rate, and name every loss term', () => {
    const history = Array.from({ length: 1000 }, (_, i) => ({
      step: i + 1,
      loss: 2,
      terms: { degradation: 1, colour: i % 2 },
      rate: 1 / (i + 1),
    }));
    const [degradation, colour, rate] = trainingCurve(history, 't').data as {
      name: string;
      x: number[];
      y: number[];
    }[];
    expect([degradation.name, colour.name, rate.name]).toEqual(['degradation', 'colour', 'learning rate']);
    expect(degradation.x).toHaveLength(250);
    expect(colour.y[0]).toBe(0.5);
    expect(rate.y.at(-1)).toBe(1 / 1000);
  });

  it('make bars of the rows of a table that have a run, with the interval over seeds', () => {
    const row = (method: string, ours?: object): object => ({
      network: 'SeeMoRe',
      method,
      ours: false,
      cells: [{ ours }],
    });
    const rows = [
      row('L1', { mean: 27, half: 0.5, count: 3 }),
      row('CXLoss'),
      row('Ours', { mean: 28, count: 1 }),
    ];
    const table = { id: 'table2', title: 'T', notes: [], columns: [COLUMN], rows } as unknown as Table;
    const [bars] = tableBars(table).data as [{ y: string[]; x: number[]; error_x: { array: number[] } }];
    expect(bars.y).toEqual(['L1', 'Ours']);
    expect(bars.x).toEqual([27, 28]);
    expect(bars.error_x.array).toEqual([0.5, 0]);
    expect(() => tableBars(table, 1)).toThrow(/there is no column 1/);
    const empty = { ...table, notes: ['a model is missing'], rows: [row('L1')] } as unknown as Table;
    expect(() => tableBars(empty)).toThrow(/no row of 'T' has a value of .*:\n {2}a model is missing/);
    const times: StepTimes = (_, method) => (method === 'L1' ? 1 : undefined);
    expect(costCurve(table, 0, times).data).toMatchObject([
      { name: 'L1', x: [1], y: [27], error_y: { array: [0.5] } },
    ]);
    expect(() => costCurve(table, 0, () => undefined)).toThrow(/no row of 'T' has a run and a measured time/);
  });

  it("show the first column that is on the camera's LR unless told", () => {
    const camera = {
      ...COLUMN,
      group: 'Set5 (srraw-like LR)',
      benchmark: { ...COLUMN.benchmark, lr: 'srraw-like' },
    };
    const columns = [COLUMN, { ...COLUMN, metric: 'ssimY', title: 'SSIM ↑' }, camera];
    const cells = [27, 0.8, 26].map((mean) => ({ ours: { mean, count: 1 } }));
    const table = { title: 'T', notes: [], columns, rows: [{ network: 'SeeMoRe', method: 'L1', cells }] };
    const shown = (column?: number): unknown => {
      const { data, layout } = tableBars(table as unknown as Table, column);
      return [data[0], layout.xaxis];
    };
    expect(shown()).toMatchObject([
      { x: [26] },
      { title: { text: 'Set5 (srraw-like LR): PSNR ↑' }, ticksuffix: ' dB' },
    ]);
    expect(shown(1)).toMatchObject([{ x: [0.8] }, { title: { text: 'Set5: SSIM ↑' }, ticksuffix: '' }]);
  });

  it('make a line of each series of a sweep, without the values that have no run', () => {
    const row = (mean?: number): object => ({
      network: 'SeeMoRe',
      method: 'x',
      cells: [{ ours: mean === undefined ? undefined : { mean, count: 1 } }],
    });
    const table = { title: 'T', columns: [COLUMN], rows: [row(25), row(24), row(27), row()] };
    const sweep = { name: 'size', values: [0, 2], series: ['L1', 'Ours'] };
    expect(sweepCurve({ ...table, sweep } as unknown as Table).data).toMatchObject([
      { name: 'L1', x: ['0', '2'], y: [25, 24] },
      { name: 'Ours', x: ['0'], y: [27] },
    ]);
    expect(() => sweepCurve(table as unknown as Table)).toThrow(/'T' is no sweep/);
  });
});
