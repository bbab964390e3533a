import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { mergeResults, readResults, writeResults } from '../../src/experiments/store';
import { resultRow } from './result-row';

describe('The results store', () => {
  const root = mkdtempSync(join(tmpdir(), 'mimicsr-store-'));
  const path = join(root, 'scores.csv');
  afterAll(() => rmSync(root, { recursive: true, force: true }));

  it('gives back what was written, empty cells, commas and quotes included', () => {
    const rows = [resultRow(), resultRow({ metric: 'ssimY', value: 0.8, secondsPerStep: 0.25, seed: null })];
    writeResults(path, rows);
    expect(readResults(path)).toEqual(rows);
    expect(readResults(join(root, 'none.csv'))).toEqual([]);
  });

  it('gives back the PSNR of equal pictures, which is infinite', () => {
    const rows = [resultRow({ value: Infinity })];
    writeResults(path, rows);
    expect(readResults(path)).toEqual(rows);
  });

  it('reads what a spreadsheet saved, and nothing but whole numbers of pictures', () => {
    writeResults(path, [resultRow({ images: 5 })]);
    const text = readFileSync(path, 'utf8');
    writeFileSync(path, `\uFEFF${text.replaceAll('\n', '\r\n')}`);
    expect(readResults(path)).toEqual([resultRow({ images: 5 })]);
    writeFileSync(path, text.replace(',5,torch', ', ,torch'));
    expect(() => readResults(path)).toThrow(/row 1: key 'images': expected a whole number, found " "/);
  });

  it('writes equal rows as equal files, whatever their order', () => {
    const rows = [resultRow(), resultRow({ benchmark: 'Set14' })];
    writeResults(path, rows);
    const before = readFileSync(path, 'utf8');
    writeResults(path, rows.reverse());
    expect(readFileSync(path, 'utf8')).toBe(before);
  });

  it('keeps one row a score, the newest', () => {
    const [old, other, now] = [resultRow(), resultRow({ metric: 'ssimY' }), resultRow({ value: 28 })];
    expect(mergeResults([old, other], [now])).toEqual([now, other]);
  });

  it.each([
    ['another table', 'a,b\n1,2\n', /unknown key in .* row 1 'a'/],
    ['a broken line', 'experiment,network\nx\n', /is not a results file: /],
    ['a word for a number', 'much', /row 1: key 'value': expected a number, found "much"/],
    ['what no score can be', '-Infinity', /row 1: key 'value': expected a number, found "-Infinity"/],
    ['an empty cell for a score', '', /row 1: key 'value': expected a number, found ""/],
    ['a blank for a score', ' ', /row 1: key 'value': expected a number, found " "/],
    ['another notation', '0x1f', /row 1: key 'value': expected a number, found "0x1f"/],
  ])('refuses %s, naming file and place', (_, text, message) => {
    writeResults(path, [resultRow()]);
    const table = text.includes('\n');
    writeFileSync(path, table ? text : readFileSync(path, 'utf8').replace('27.123456789', text));
    expect(() => readResults(path)).toThrow(message);
    expect(() => readResults(path)).toThrow(path);
  });
});
