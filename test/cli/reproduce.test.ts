import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readImage } from '../../src/image/file';
import { startTestEngine } from '../engines';
import { mimicsr } from './run';

const root = mkdtempSync(join(tmpdir(), 'mimicsr-reproduce-'));
const out = join(root, 'out');
const GRID = ['--profile', 'smoke', '--networks', 'seemore', '--runs', join(root, 'runs'), '--out', out];

describe('mimicsr reproduce', () => {
  beforeAll(() => startTestEngine());
  afterAll(() => rmSync(root, { recursive: true, force: true }));

  it('trains a sweep over the misalignment and draws what each process loses and where the content is', async () => {
    const sweep = ['--processes', 'mimic-recoloured', '--misalignments', '2', '--iterations', '1'];
    const { code, out: text } = await mimicsr('reproduce', 'misalignment', ...GRID, ...sweep);
    expect(code).toBe(0);
    expect(text).toMatch(/Ours, recoloured, 2 px +\d/);
    for (const name of ['misalignment', 'misalignment-geometry'])
      expect((await readImage(join(out, `${name}.png`))).width).toBe(1080);
    const crops = await readImage(join(out, 'misalignment-scenes-bicubic.png'));
    expect(crops.width).toBeGreaterThan(2 * crops.height); // LR, Ours, HR
    const records: Record<string, string>[] = parse(readFileSync(join(out, 'misalignment-geometry.csv')), {
      columns: true,
    });
    expect(records.map(({ picture }) => picture)).toEqual(['lr', 'warped', 'recoloured', 'mimicked']);
    const [lr, warped] = records.map(({ misalignment }) => Number(misalignment));
    expect(Math.abs(Number(records[0].trueFlow) - 2)).toBeLessThan(1);
    expect(lr).toBeGreaterThan(3 * warped);
  });

  it('measures warped and mimicked LR against the truth (Figure 5), with error maps', async () => {
    const rows = ['--processes', 'mimic-camera', '--iterations', '1'];
    const { code, out: text } = await mimicsr('reproduce', 'fig5', ...GRID, ...rows);
    expect(code).toBe(0);
    expect(text).toContain('The paper, on its own pictures: 69.36');
    const overview = await readImage(join(out, 'fig5-ours-through-a-camera.png'));
    expect(overview.width).toBeGreaterThan(overview.height);
    const records: Record<string, string>[] = parse(readFileSync(join(out, 'fig5.csv')), { columns: true });
    expect(records.map(({ picture }) => picture)).toEqual(['lr', 'warped', 'recoloured', 'mimicked']);
    const colours = records.map(({ colour }) => Number(colour));
    expect(colours[2]).toBeLessThan(colours[1] / 2); // flow alone leaves the colours as they are
    // The lens is fitted from the first batch on, so even one update leaves less error than the real LR has.
    const [lr, , , mimicked] = records.map(({ squared }) => Number(squared));
    expect(mimicked).toBeLessThan(lr / 2);
  });

  it('draws a sweep as far as its runs are finished', async () => {
    const { err } = await mimicsr('reproduce', 'lambda', ...GRID, '--lambdas', '0', '--iterations', '1');
    expect(err).toContain(join(out, 'lambda.png'));
  });
});
