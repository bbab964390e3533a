import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { interval95 } from '../../src/experiments/interval';
import { frame, overSeeds, pivot, rowsOf, scoreFrame, writeCsv, type Row } from '../../src/notebook/frame';
import { DISPLAY, type Displayable } from '../../src/notebook/kernel';

const ROWS: Row[] = [
  { method: 'alignment-loss', set: 'Set5', seed: 1, psnr: 27 },
  { method: 'alignment-loss', set: 'Set5', seed: 2, psnr: 28.5 },
  { method: 'alignment', set: 'loss-Set5', seed: 1, psnr: 20 },
  { method: 'l1', set: 'Set5', seed: 1, psnr: 26 },
];

describe('frame', () => {
  it('gives the rows back, with NaN and empty text for what they lack', () => {
    const rows = [{ a: 1, b: 'x' }, { a: null, b: 'y', c: true }, { b: undefined }];
    expect(rowsOf(frame(rows))).toEqual([
      { a: 1, b: 'x', c: '' },
      { a: NaN, b: 'y', c: true },
      { a: NaN, b: '', c: '' },
    ]);
  });

  it('refuses columns of numbers and text, which danfo would take as text', () => {
    expect(() => frame([{ a: 1 }, { a: 'inf' }])).toThrow(/column 'a' has values of types number and string/);
    expect(() => frame([])).toThrow(/at least one row/);
  });

  it('shows itself as an HTML table, and so do the frames that danfo makes of it', async () => {
    const data = frame([
      { name: '<b>', value: 1.23456789 },
      { name: 'y', value: 2 },
    ]);
    const bundle = await data[DISPLAY]();
    expect(bundle['text/html']).toContain('&lt;b&gt;</td><td style="text-align:right">1.23457</td>');
    const head = data.head(1) as unknown as Displayable;
    expect((await head[DISPLAY]())['text/plain']).toBe('name\tvalue\n<b>\t1.23457');
  });

  it('has the scores of pictures and their mean', () => {
    const table = {
      images: [{ image: 'a', psnr: 20 }],
      mean: { psnr: 20 },
      failed: [],
      settings: {} as never,
    };
    expect(rowsOf(scoreFrame<'psnr'>(table))).toEqual([
      { image: 'a', psnr: 20 },
      { image: 'mean', psnr: 20 },
    ]);
  });
});

describe('rows', () => {
  it('are averaged over seeds, dashes in names kept apart, groups in their order', () => {
    const { half } = interval95([27, 28.5]);
    expect(overSeeds(ROWS, ['method', 'set'], 'psnr')).toEqual([
      { method: 'alignment-loss', set: 'Set5', psnr: 27.75, half, seeds: 2 },
      { method: 'alignment', set: 'loss-Set5', psnr: 20, half: undefined, seeds: 1 },
      { method: 'l1', set: 'Set5', psnr: 26, half: undefined, seeds: 1 },
    ]);
    expect(() => overSeeds([{ a: NaN }], [], 'a')).toThrow(/column 'a' holds null: expected a finite number/);
  });

  it('are laid out as the paper does, and two numbers for one place are refused', () => {
    const layout = { index: ['method'], column: 'set', value: 'psnr' };
    expect(pivot(ROWS.slice(1), layout)).toEqual([
      { method: 'alignment-loss', Set5: 28.5 },
      { method: 'alignment', 'loss-Set5': 20 },
      { method: 'l1', Set5: 26 },
    ]);
    expect(() => pivot(ROWS, layout)).toThrow(/two rows for .*alignment-loss.* and set 'Set5'/);
  });

  it('are written as CSV that quotes what needs it', () => {
    const folder = mkdtempSync(join(tmpdir(), 'csv-'));
    const file = join(folder, 'rows.csv');
    writeCsv(file, [
      { name: 'L1, "aligned"', psnr: 27.123456789 },
      { name: 'x', psnr: NaN, extra: 1 },
    ]);
    expect(readFileSync(file, 'utf8')).toBe('name,psnr,extra\n"L1, ""aligned""",27.123456789,\nx,,1\n');
    writeCsv(file, frame([{ a: 1, b: 'x' }]));
    expect(readFileSync(file, 'utf8')).toBe('a,b\n1,x\n');
    rmSync(folder, { recursive: true });
  });
});
