import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { datasetPairs, datasetPhotos, hasDataset } from '../../src/data/datasets';
import { dataRoot } from '../../src/data/roots';
import { drawScene } from '../../src/data/scenes';
import { writeImage } from '../../src/image/file';
import { cropImage } from '../../src/image/image';
import { imresize } from '../../src/image/resize';
import { InputError } from '../../src/util/errors';
import { NO_SHARED, SHARED, shared } from '../shared';

const root = mkdtempSync(join(tmpdir(), 'mimicsr-datasets-'));
const hr = drawScene('datasets', 66, 51);
const lr = imresize(cropImage(hr, 0, 0, 64, 48), 1 / 4);

async function writePair(hrPath: string, lrPath: string): Promise<void> {
  await writeImage(join(root, hrPath), hr);
  await writeImage(join(root, lrPath), lr);
}

describe('Data sets by name', () => {
  beforeAll(async () => {
    await writePair('Set5/HR/baby.png', 'Set5/LR_bicubic/X4/babyx4.png');
    await writePair('DIV2KRK/gt/img_1_gt.png', 'DIV2KRK/lr_x4/im_1.png');
    for (const [camera, split] of [
      ['Canon', 'Train'],
      ['Canon', 'Test'],
      ['Nikon', 'Train'],
    ]) {
      const stem = `RealSR-V3/${camera}/${split}/4/${camera}_001`;
      await writePair(`${stem}_HR.png`, `${stem}_LR4.png`);
    }
    await writePair('mine/HR/a.png', 'mine/LR/a.png');
    for (const name of ['p.jpg', 'q.png']) await writeImage(join(root, 'photographs', name), hr);
  });
  beforeAll(() => void vi.stubEnv('MIMICSR_DATA', root).stubEnv('MIMICSR_SHARED', ''));
  afterEach(() => void vi.stubEnv('MIMICSR_DATA', root));
  afterAll(() => {
    vi.unstubAllEnvs();
    rmSync(root, { recursive: true, force: true });
  });

  it('are read as their manifest lays them out; HR with some pixels more loses those', async () => {
    const set = datasetPairs('Set5');
    expect(set.description).toBe('1 pairs in Set5');
    const pair = await set.load(0);
    expect([pair.name, pair.hr.width, pair.hr.height, pair.lr.width]).toEqual(['baby', 64, 48, 16]);
    expect((await datasetPairs('DIV2KRK').load(0)).hr.width).toBe(64);
  });

  it('are chosen from by the values of their placeholders', async () => {
    expect(datasetPairs('RealSR-V3').size).toBe(3);
    expect(datasetPairs('RealSR-V3:Canon').size).toBe(2);
    const one = datasetPairs('RealSR-V3:canon,TEST');
    expect([one.size, (await one.load(0)).name]).toEqual([1, 'Canon_001']);
    expect(datasetPhotos('RealSR-V3:Nikon').size).toBe(1);
    expect(() => datasetPairs('RealSR-V3:Sony')).toThrow(
      /no hr files of sony: expected some of Canon, Test, Train, Nikon/,
    );
    expect(() => datasetPairs('Set5:Sony')).toThrow(/the names of its files tell no parts apart, so sony/);
    expect(() => datasetPairs('mine:Sony')).toThrow(/not laid out as a published set/);
  });

  it('may be any folder, by its path or below a data root', async () => {
    expect((await datasetPairs('mine').load(0)).hr.width).toBe(64);
    expect(datasetPairs(join(root, 'mine')).size).toBe(1);
    expect(datasetPhotos('photographs').size).toBe(2);
    expect(datasetPhotos('mine').files).toEqual([join(root, 'mine', 'HR', 'a.png')]);
    expect(hasDataset('photographs')).toBe(true);
    expect(hasDataset('no-such')).toBe(false);
    expect(() => datasetPairs('no-such')).toThrow(/no folder or dataset 'no-such': looked in /);
  });

  it('refuse a file where a folder is expected', () => {
    for (const file of [join(root, 'photographs', 'p.jpg'), join('photographs', 'p.jpg')]) {
      expect(() => datasetPhotos(file)).toThrow(InputError);
      expect(() => datasetPairs(file)).toThrow(/p\.jpg is a file: expected a folder/);
      expect(hasDataset(file)).toBe(false);
    }
  });

  it('have no photograph of a benchmark to train on', async () => {
    for (const name of ['train/100080', 'train/302003', 'val/3096', 'test/2018'])
      await writeImage(join(root, 'BSDS500', `${name}.jpg`), hr);
    const files = (name: string): string[] =>
      datasetPhotos(name).files.map((file) => relative(join(root, 'BSDS500'), file));
    expect(files('BSDS500:train')).toEqual([join('train', '100080.jpg')]); // 302003 is Set5's woman
    expect(files('BSDS500')).toEqual([join('test', '2018.jpg'), join('train', '100080.jpg')]); // val is BSD100
    expect(() => datasetPhotos('BSDS500:val')).toThrow(
      /all its pictures of val are a benchmark's \(train without 302003; never val\)/,
    );
  });

  it.skipIf(process.platform === 'win32')('may be a folder with a colon in its name', async () => {
    await writePair('take:2/HR/a.png', 'take:2/LR/a.png');
    expect(datasetPairs(join(root, 'take:2')).size).toBe(1);
  });

  it('are below data/ where MIMICSR_DATA is empty', () => {
    vi.stubEnv('MIMICSR_DATA', '');
    expect(dataRoot()).toBe(resolve('data'));
  });

  it.skipIf(SHARED === undefined)(`read the sets at hand (${NO_SHARED})`, async () => {
    vi.stubEnv('MIMICSR_DATA', shared('data/images'));
    for (const [name, size] of [
      ['Set5', 5],
      ['RealSR-x4-crops', 100],
      ['BSD100', 100],
    ] as const) {
      const set = datasetPairs(name);
      expect(set.size).toBe(size);
      const { lr: small, hr: large } = await set.load(0);
      expect([large.width, large.height]).toEqual([4 * small.width, 4 * small.height]);
    }
  });
});
