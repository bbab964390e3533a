import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { mimicsr } from '../cli/run';
import { drawScene } from '../../src/data/scenes';
import { addNoise } from '../../src/image/degrade';
import { writeImage } from '../../src/image/file';
import type { Image } from '../../src/image/image';
import { niqe } from '../../src/metrics/niqe';
import { readNiqeModel, writeNiqeModel, type NiqeModel } from '../../src/metrics/niqe-model';
import { psnr } from '../../src/metrics/psnr';
import { score, type ScoreTable } from '../../src/metrics/score';
import type { MetricName } from '../../src/metrics/metrics';
import { Random } from '../../src/util/random';
import { flatPicture, temporaryFolder } from '../image/pictures';

const root = temporaryFolder();
const path = (...parts: string[]): string => join(root, ...parts);
const unit: NiqeModel = {
  mean: new Float64Array(36),
  covariance: Float64Array.from({ length: 36 * 36 }, (_, i) => (i % 37 === 0 ? 1 : 0)),
};
const models = { niqe: path('niqe.safetensors') };
const scenes: Image[] = [];
const noisy: Image[] = [];

beforeAll(async () => {
  writeNiqeModel(models.niqe, unit);
  mkdirSync(path('empty'));
  for (let i = 0; i < 3; i++) {
    scenes.push(drawScene(i, 120, 100));
    noisy.push(addNoise(scenes[i], new Random(i), { shot: 0, read: 0.05 }));
    await writeImage(path('hr', `pic${i}_HR.png`), scenes[i]);
    await writeImage(path('sr', `pic${i}_x4.png`), noisy[i]);
  }
});

describe('score', () => {
  test('pictures in memory, in their order, with their mean', async () => {
    const result = await score(noisy, ['niqe', 'psnr'], { reference: scenes, models });
    expect(result.images.map((row) => row.image)).toEqual(['image 1', 'image 2', 'image 3']);
    result.images.forEach((row, i) => {
      expect(row.niqe).toBe(niqe(noisy[i], unit));
      expect(row.psnr).toBe(psnr(noisy[i], scenes[i]));
    });
    expect(result.mean.psnr).toBeCloseTo(
      result.images.reduce((sum, row) => sum + row.psnr / 3, 0),
      12,
    );
    expect(result.failed).toEqual([]);
    expect((await score(noisy[0], ['niqe'], { models })).images).toHaveLength(1);
  });

  test('a folder, a file and a pattern; references by name', async () => {
    const options = { reference: path('hr'), protocol: { crop: 0, y: false } };
    const files = [0, 1, 2].map((i) => path('sr', `pic${i}_x4.png`));
    const whole = await score(path('sr'), ['psnr', 'ssim'], options);
    expect(whole.images.map((row) => row.image)).toEqual(files);
    expect(await score(path('sr', '*_x4.png'), ['psnr', 'ssim'], options)).toEqual(whole);
    expect(await score([files[1], files[1]], ['psnr', 'ssim'], options)).toMatchObject({
      images: [whole.images[1]],
    });
    expect(whole.images[0].psnr).toBeGreaterThan(25);
  });

  test.each([
    ['babyx4_x4', 'baby'],
    ['img_001_SRF_4_LR_x4', 'img_001_SRF_4_HR'],
    ['ARMS_LRBI_x4_x4', 'ARMS'],
    ['Canon_001_LR4_x4', 'Canon_001_HR'],
    ['x4_x4', 'x4'],
  ])('the upscaled %s is compared with %s', async (upscaled, hr) => {
    const file = path('names', upscaled, `${upscaled}.png`);
    await writeImage(file, noisy[0]);
    await writeImage(path('names', upscaled, 'hr', `${hr}.png`), scenes[0]);
    await writeImage(path('names', upscaled, 'hr', 'other.png'), scenes[1]);
    const { mean } = await score(file, ['psnr'], { reference: path('names', upscaled, 'hr') });
    expect(mean.psnr).toBe(psnr(noisy[0], scenes[0]));
  });

  test('of HR and LR beside each other the HR is the reference', async () => {
    const file = path('beside', 'a_LR_x4.png');
    await writeImage(file, noisy[0]);
    await writeImage(path('beside', 'set', 'a_HR.png'), scenes[0]);
    await writeImage(path('beside', 'set', 'a_LR.png'), drawScene(9, 30, 25));
    expect((await score(file, ['psnr'], { reference: path('beside', 'set') })).images).toHaveLength(1);
  });

  test('threads give what one thread gives', async () => {
    const options = { reference: path('hr'), models };
    const metrics = ['niqe', 'psnr', 'ciede2000'] as const;
    const one = await score(path('sr'), metrics, options);
    const threads = process.env.MIMICSR_THREADS;
    process.env.MIMICSR_THREADS = '2';
    try {
      expect(await score(path('sr'), metrics, options)).toEqual(one);
    } finally {
      process.env.MIMICSR_THREADS = threads;
    }
  });

  test('a picture that cannot be scored is listed, the others are scored; none at all is an error', async () => {
    const pictures = [noisy[0], flatPicture(120, 100, 0.5), drawScene(0, 90, 90)];
    const { images, failed } = await score(pictures, ['niqe'], { models });
    expect(images).toHaveLength(1);
    expect(failed.map((f) => f.image)).toEqual(['image 2', 'image 3']);
    expect(failed[0].reason).toMatch(/constant picture/);
    expect(failed[1].reason).toMatch(/at least 96x96/);
    await expect(score(pictures.slice(1), ['niqe'], { models })).rejects.toThrow(
      /image 1: NIQE has no value.*\nimage 2/,
    );
    const without = await score([path('sr', 'pic0_x4.png'), path('hr', 'pic1_HR.png')], ['psnr'], {
      reference: path('sr'),
    });
    expect(without.images).toHaveLength(2);
  });

  test.each([
    [
      'an unknown metric',
      () => score(noisy, ['nique' as MetricName]),
      /unknown metric 'nique'.*did you mean 'niqe'/,
    ],
    ['no metric', () => score(noisy, []), /no metric given/],
    ['no picture', () => score([], ['psnr']), /no image to score/],
    ['a missing file', () => score(path('none.png'), ['psnr']), /no file or folder/],
    ['a pattern without a match', () => score(path('*.bmp'), ['psnr']), /no file matches/],
    ['an empty folder', () => score(path('empty'), ['psnr']), /has no image/],
    [
      'a missing model',
      () => score(noisy, ['pi'], { models: { nrqm: path('no.safetensors'), ...models } }),
      /mimicsr data fetch nrqm/,
    ],
    [
      'no reference',
      () => score(noisy, ['psnr']),
      /no reference given \(--reference\): expected one for psnr$/,
    ],
    [
      'a crop that is no number of pixels',
      () => score(noisy, ['psnr'], { reference: scenes, protocol: { crop: 1.5, y: true } }),
      /crop must be a whole number/,
    ],
    [
      'too few references',
      () => score(noisy, ['psnr'], { reference: scenes.slice(1) }),
      /3 images with 2 references/,
    ],
    [
      'references of other names',
      () => score(path('sr'), ['psnr'], { reference: path('other') }),
      /holds no picture named as/,
    ],
    [
      'two references of one name',
      () => score(path('sr'), ['psnr'], { reference: path('doubled') }),
      /two references of one name: .*a_HR\.png and .*a_SR\.png/,
    ],
  ])('refuses %s', async (_, call, message) => {
    await writeImage(path('doubled', 'a_HR.png'), scenes[0]);
    await writeImage(path('doubled', 'a_SR.png'), scenes[0]);
    await writeImage(path('other', 'else.png'), scenes[0]);
    await expect(call()).rejects.toThrow(message);
  });
});

describe('mimicsr score', () => {
  test('a table, JSON and CSV of the same numbers', async () => {
    const args = [
      'score',
      path('sr'),
      '--metric',
      'niqe,psnr',
      '--metric',
      'ssim',
      '--reference',
      path('hr'),
      '--niqe-model',
      models.niqe,
    ];
    const json = JSON.parse((await mimicsr(...args, '--json')).out) as ScoreTable<'niqe' | 'psnr' | 'ssim'>;
    expect(Object.keys(json.images[0])).toEqual(['image', 'niqe', 'psnr', 'ssim']);
    expect(json.settings).toMatchObject({ program: 'pyiqa', protocol: { crop: 4, y: true } });
    expect(json.images[2].niqe).toBe(niqe(noisy[2], readNiqeModel(models.niqe)));
    const csv = (await mimicsr(...args, '--csv')).out.trim().split('\n');
    expect(csv[0]).toBe('image,niqe,psnr,ssim');
    expect(csv).toHaveLength(5);
    expect(csv[4]).toBe(`mean,${json.mean.niqe},${json.mean.psnr},${json.mean.ssim}`);
    const table = (await mimicsr(...args)).out;
    expect(table).toContain(json.mean.psnr.toFixed(4));
    const rgb = await mimicsr(...args, '--json', '--no-y', '--crop', '0');
    expect((JSON.parse(rgb.out) as typeof json).images[0].psnr).toBe(
      psnr(noisy[0], scenes[0], { crop: 0, y: false }),
    );
  });

  test('equal pictures have PSNR "Infinity" in JSON', async () => {
    const { out } = await mimicsr(
      'score',
      path('hr'),
      '--metric',
      'psnr',
      '--reference',
      path('hr'),
      '--json',
    );
    expect((JSON.parse(out) as { mean: unknown }).mean).toEqual({ psnr: 'Infinity' });
  });

  test('a picture that cannot be read leaves with 2, after the others were scored', async () => {
    writeFileSync(path('bad.png'), 'none');
    const args = [
      'score',
      path('bad.png'),
      path('sr', 'pic0_x4.png'),
      '--metric',
      'niqe',
      '--niqe-model',
      models.niqe,
    ];
    const { code, out, err } = await mimicsr(...args, '--csv');
    expect(code).toBe(2);
    expect(out.trim().split('\n')).toHaveLength(3);
    expect(err).toContain('bad.png');
    expect((await mimicsr(...args, '--json', '--csv')).err).toMatch(/cannot be used with/);
    expect((await mimicsr('score', path('sr'))).code).toBe(2);
  });

  test.each([
    ['--crop', '1.5', /^mimicsr: --crop 1\.5: expected a whole number, 0 or more\n$/],
    ['--crop', '-1', /^mimicsr: --crop -1: expected a whole number, 0 or more\n$/],
    ['--metric', 'psnr,ssim', /^mimicsr: no reference given \(--reference\): expected one for psnr, ssim\n$/],
    ['--niqe-model', 'bad.safetensors', /^mimicsr: .*bad\.safetensors.*\n$/],
  ])('refuses %s %s before it scores', async (flag, value, message) => {
    writeFileSync(path('bad.safetensors'), 'none');
    const model = ['--niqe-model', models.niqe];
    const given = value === 'bad.safetensors' ? path(value) : value;
    const result = await mimicsr('score', path('sr'), '--metric', 'niqe', ...model, flag, given);
    expect(result).toEqual({ code: 2, out: '', err: expect.stringMatching(message) as string });
  });

  test('a metric named twice counts once', async () => {
    const args = ['score', path('sr'), '--metric', 'niqe,niqe', '--niqe-model', models.niqe, '--csv'];
    expect((await mimicsr(...args)).out.split('\n')[0]).toBe('image,niqe');
  });
});
