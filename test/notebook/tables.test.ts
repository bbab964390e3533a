import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { rowsOf } from '../../src/notebook/frame';
import { ablate, sweep } from '../../src/notebook/sweeps';
import { reproduce, tableCrops, tableFrame, trainedRuns } from '../../src/notebook/tables';
import { startTestEngine } from '../engines';

describe('a table in a cell', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tables-'));
  const places = { profile: 'smoke', runs: join(folder, 'runs'), results: join(folder, 'results') };
  const options = { ...places, networks: ['seemore'], methods: ['l1', 'mimic'] } as const;
  beforeAll(startTestEngine);
  afterAll(() => rmSync(folder, { recursive: true }));

  it('trains what is missing, and nothing the second time', async () => {
    const table = await reproduce('table2', options);
    expect(table.rows.map(({ method, cells }) => [method, cells[0].ours !== undefined])).toEqual([
      ['bicubic', true],
      ['L1', true],
      ['Ours', true],
    ]);
    const runs = readdirSync(places.runs);
    const begin = Date.now();
    expect(await reproduce('table2', options)).toEqual(table);
    expect(Date.now() - begin).toBeLessThan(1000);
    expect(readdirSync(places.runs)).toEqual(runs);
    const rows = rowsOf(tableFrame(table));
    const l1 = rows.find((row) => row.process === 'L1' && row.metric === 'psnrY');
    expect(l1).toMatchObject({ network: 'SeeMoRe', trainedOn: 'RealSR', seeds: 1 });
    expect(l1?.value).toBeCloseTo(table.rows[1].cells[0].ours!.mean, 3);
    const { image } = await tableCrops('table2', { ...options, pictures: [0], side: 32, zoom: 1 });
    expect(image.width).toBe(8 + 5 * 40); // LR, bicubic, L1, Ours, HR
  });

  it('leaves empty what is missing where nothing is to be trained', async () => {
    const idle = { ...options, methods: ['l1', 'cx'], train: false, runs: join(folder, 'idle') } as const;
    const table = await reproduce('table2', idle);
    expect(table.rows.map(({ method, cells }) => [method, cells[0].ours !== undefined])).toEqual([
      ['bicubic', true],
      ['L1', true],
      ['CXLoss', false],
    ]);
    await expect(tableCrops('table2', idle)).rejects.toThrow(/no trained network of 'Table 2.*in .*idle/);
    await expect(trainedRuns('table2', idle)).rejects.toThrow(/`train: true`/);
    expect(existsSync(idle.runs)).toBe(false);
    expect(await trainedRuns('table2', { ...idle, runs: places.runs })).toMatchObject([{ method: 'L1' }]);
  });

  it('trains again for pictures where only the scores were kept', async () => {
    const l1 = { ...options, methods: ['l1'], runs: join(folder, 'fresh') } as const;
    const before = await reproduce('table2', options);
    expect((await reproduce('table2', l1)).rows[1]).toEqual(before.rows[1]); // from the scores
    expect(existsSync(l1.runs)).toBe(false);
    const { image } = await tableCrops('table2', { ...l1, pictures: [0], side: 32, zoom: 1 });
    expect(image.width).toBe(8 + 4 * 40); // LR, bicubic, L1, HR
    const [run] = await trainedRuns('table2', l1);
    expect(run).toMatchObject({ network: 'SeeMoRe', method: 'L1', trainedOn: 'RealSR' });
    expect(readFileSync(join(run.folder, 'weights.safetensors'))).toEqual(
      readFileSync(join(places.runs, basename(run.folder), 'weights.safetensors')),
    );
  });

  it('says that nothing is trained where no process is asked for', async () => {
    await expect(trainedRuns('table2', { ...options, methods: [] })).rejects.toThrow(
      /'Table 2.*' has no trainings: expected a network and a process/,
    );
  });

  it('has a row for each value of a sweep, and for each part that is switched off', async () => {
    // The first update of the SR network does not know the weight yet: it acts through the module's own first update.
    const swept = await sweep('lambda', [0, 0.1], { ...places, iterations: 2 });
    expect(swept.rows.map(({ method, cells }) => [method, cells[0].ours?.count])).toEqual([
      ['lambda 0', 1],
      ['lambda 0.1', 1],
    ]);
    const means = swept.rows.map(({ cells }) => cells[0].ours?.mean);
    expect(means[0]).not.toBe(means[1]);
    const ablated = await ablate({ noise: false, detach: true }, { ...places, iterations: 1 });
    expect(ablated.rows.map(({ method }) => method)).toEqual([
      'L1',
      'Ours, corrected',
      'corrected, noise off',
    ]);
    // Another mode, on other pairs: an option that only that mode has.
    const data = { kind: 'scenes', preset: 'realsr-like', count: 2 } as const;
    const other = await sweep('soften', [true], { ...places, mode: 'recoloured', data, iterations: 1 });
    expect(other.title).toBe('Sweep over soften: Ours, recoloured');
    expect(other.notes).toContain('trained on drawn scenes through the simulated camera realsr-like');
    expect(other.columns.map(({ benchmark }) => benchmark.lr)).not.toContain('srraw-like');
    expect(other.rows[0].cells[0].ours?.count).toBe(1);
    const longer = await sweep('iterations', [1, 2], { ...places, train: false });
    expect(longer.rows.map(({ cells }) => cells[0].ours?.count)).toEqual([1, undefined]); // 1: trained above
    await expect(sweep('logEvery' as 'rate', [1], places)).rejects.toThrow(/unknown parameter 'logEvery'/);
    // One that is absent unless it is set, and is refused for what it lacks, not as unknown.
    await expect(sweep('lens', [true], places)).rejects.toThrow(/lens'.*expected 'residual'/);
    await expect(sweep('lamda' as 'lambda', [1], places)).rejects.toThrow(
      /unknown parameter 'lamda'.*lambda/,
    );
    await expect(ablate({ guidence: false } as never, places)).rejects.toThrow(
      /unknown switch 'guidence'.*guidance/,
    );
  });
});
