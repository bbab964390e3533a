import { spawnSync } from 'node:child_process';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import sharp from 'sharp';
import { afterAll, describe, expect, it } from 'vitest';
import { datasetPairs } from '../../src/data/datasets';
import { pairOfPhotos } from '../../src/data/photo-pair';
import { prepareRealSr } from '../../src/data/prepare-realsr';
import { prepareSrRaw } from '../../src/data/prepare-sr-raw';
import { drawScene } from '../../src/data/scenes';
import { focalLength } from '../../src/image/exif';
import { readImage, writeImage } from '../../src/image/file';
import { interpolate } from '../../src/image/filter';
import { cropImage, type Image } from '../../src/image/image';
import { toUint8 } from '../../src/image/quantise';
import { imresize } from '../../src/image/resize';
import { InputError } from '../../src/util/errors';
import { mimicsr } from '../cli/run';
import { NO_SHARED, SHARED, shared } from '../shared';

const root = mkdtempSync(join(tmpdir(), 'mimicsr-prepare-'));
afterAll(() => {
  if (mounted) spawnSync('umount', [small]);
  rmSync(root, { recursive: true, force: true });
});

/** A file system of its own with room for a small picture, where this user may mount one. */
const small = join(root, 'small');
mkdirSync(small);
const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=12k', 'mimicsr-prepare', small]).status === 0;
const UNMOUNTED = mounted ? '' : ' (skipped: this user cannot mount a small file system)';

const files = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();

describe('Preparing RealSR', () => {
  /** A published set of pairs whose LR is `ratio` times smaller than the HR. */
  async function published(name: string, ratio: number, size = [96, 80]): Promise<string> {
    const folder = join(root, name);
    for (const [i, path] of [
      'Canon/Train/4/Canon_003',
      'Canon/Test/4/Canon_001',
      'Nikon/Test/4/Nikon_010',
    ].entries()) {
      const hr = drawScene(i, size[0], size[1]);
      const lr = interpolate(
        imresize(hr, 0.25),
        Math.floor(size[0] / ratio),
        Math.floor(size[1] / ratio),
        'cubic',
      );
      await writeImage(join(folder, `${path}_HR.png`), hr);
      await writeImage(join(folder, `${path}_LR4.png`), lr);
      await writeImage(join(folder, `${path.replace('/4/', '/2/')}_HR.png`), hr); // another scale: not touched
    }
    return folder;
  }

  it('sorts version 3 into pairs by camera and split, bytes as they were, and reports on each', async () => {
    const source = await published('v3', 4);
    const out = join(root, 'v3-x4');
    const { report, pairs } = await prepareRealSr(source, out);
    const names = [
      'Canon-test/HR/Canon_001',
      'Canon-test/LR/Canon_001',
      'Canon-train/HR/Canon_003',
      'Canon-train/LR/Canon_003',
    ];
    expect(files(out)).toEqual([
      ...[...names, 'Nikon-test/HR/Nikon_010', 'Nikon-test/LR/Nikon_010'].map((n) => `${n}.png`),
      'report.json',
    ]);
    expect(readFileSync(join(out, `${names[1]}.png`))).toEqual(
      readFileSync(join(source, 'Canon/Test/4/Canon_001_LR4.png')),
    );
    expect(pairs.map((pair) => pair.change)).toEqual(['linked', 'linked', 'linked']);
    const read = JSON.parse(readFileSync(report, 'utf8')) as { pairs: unknown[] };
    expect(read.pairs).toHaveLength(3);
    expect((await datasetPairs(join(out, 'Canon-train')).load(0)).name).toBe('Canon_003');
  });

  it('takes what links lead to, also where they are relative', async () => {
    const source = await published('links', 4);
    const path = join(source, 'Canon/Test/4/Canon_001_HR.png');
    renameSync(path, join(source, 'elsewhere.png'));
    symlinkSync('../../../elsewhere.png', path);
    const out = join(root, 'links-x4');
    await prepareRealSr(source, out);
    const taken = join(out, 'Canon-test/HR/Canon_001.png');
    expect(readFileSync(taken)).toEqual(readFileSync(path));
    expect(lstatSync(taken).isSymbolicLink()).toBe(false);
  });

  it.skipIf(!mounted)(`copies onto another file system, whole or not at all${UNMOUNTED}`, async () => {
    const source = await published('far', 4);
    const lr = join(small, 'Canon-test/LR/Canon_001.png');
    await expect(prepareRealSr(source, small)).rejects.toThrow(
      /^cannot write .*HR.Canon_\d+\.png: no space left on the device$/,
    );
    expect(files(small).filter((name) => name.includes('HR'))).toEqual([]);
    expect(readFileSync(lr)).toEqual(readFileSync(join(source, 'Canon/Test/4/Canon_001_LR4.png')));
  });

  it('refuses an LR at HR size, and shrinks it on request, saying so', async () => {
    const source = await published('v1', 1, [97, 82]);
    const out = join(root, 'v1-x4');
    await expect(prepareRealSr(source, out)).rejects.toThrow(
      /Canon_001_LR4.png is 97x82, as large as its HR/,
    );
    const said: string[] = [];
    const { pairs } = await prepareRealSr(source, out, { shrink: true, log: (text) => said.push(text) });
    expect(pairs.map((pair) => pair.change)).toEqual(['shrunk', 'shrunk', 'shrunk']);
    expect(said).toEqual([expect.stringContaining('softens the degradation')]);
    const { lr, hr } = await datasetPairs(join(out, 'Canon-test')).load(0);
    expect([lr.width, lr.height, hr.width, hr.height]).toEqual([24, 20, 96, 80]);
  });

  it('cuts a few pixels off for the exact ratio, and refuses another ratio', async () => {
    const cut = await published('cut', 4, [99, 80]);
    expect((await prepareRealSr(cut, join(root, 'cut-x4'))).pairs[0].change).toBe('cut');
    expect((await datasetPairs(join(root, 'cut-x4', 'Canon-test')).load(0)).hr.width).toBe(96);
    const wrong = await published('wrong', 3);
    await expect(prepareRealSr(wrong, join(root, 'wrong-x4'))).rejects.toThrow(
      /is 96x80: expected 4 times its LR/,
    );
  });

  it('writes nothing where one pair cannot be taken, or there is no place for them', async () => {
    const source = await published('one-wrong', 4);
    await writeImage(join(source, 'Nikon/Test/4/Nikon_010_LR4.png'), drawScene(1, 40, 40));
    await expect(prepareRealSr(source, join(root, 'one-wrong-x4'))).rejects.toThrow(
      /Nikon_010_HR.*expected 4/,
    );
    expect(existsSync(join(root, 'one-wrong-x4'))).toBe(false);
    writeFileSync(join(root, 'a-file'), '');
    await expect(prepareRealSr(join(root, 'v3'), join(root, 'a-file'))).rejects.toThrow(
      /^cannot write .*a-file.*: a part of the path is a file/,
    );
  });

  it('refuses flags of another set', async () => {
    const prepare = (...args: string[]): ReturnType<typeof mimicsr> => mimicsr('data', 'prepare', ...args);
    expect((await prepare('RealSR-V3', '--motion', 'affine')).err).toContain('--motion is for SR-RAW');
    expect((await prepare('SR-RAW', '--shrink')).err).toContain('--shrink is for RealSR');
  });

  it('names what is missing, and what another folder holds', async () => {
    const source = await published('alone', 4);
    rmSync(join(source, 'Nikon/Test/4/Nikon_010_LR4.png'));
    await expect(prepareRealSr(source, join(root, 'x'))).rejects.toThrow(
      'without an LR4: Nikon/Test/4/Nikon_010_HR.png',
    );
    await expect(prepareRealSr(join(root, 'v3-x4'), join(root, 'x'))).rejects.toThrow(
      /expected \{camera\}.*found Canon-test/,
    );
    await expect(prepareRealSr(join(root, 'nowhere'), join(root, 'x'))).rejects.toThrow(InputError);
  });

  it('is a command', async () => {
    const done = await mimicsr(
      'data',
      'prepare',
      'realsr-v3',
      '--from',
      join(root, 'v3'),
      '--out',
      join(root, 'cli'),
    );
    expect(done.code).toBe(0);
    expect(done.out).toMatch(/Canon-train +1 /);
    expect((await mimicsr('data', 'prepare', 'RealSR')).err).toContain("unknown set to prepare 'RealSR'");
  });

  it.skipIf(SHARED === undefined)(`shrinks City100, whose LR are at HR size (${NO_SHARED})`, async () => {
    const source = join(root, 'city');
    const [camera, n] = ['City100_iPhoneX', '001'];
    for (const [from, to] of [
      ['H', 'HR'],
      ['L', 'LR4'],
    ]) {
      const image = await readImage(shared(`data/images/City100-sample/${camera}/${n}${from}.PNG`));
      await writeImage(join(source, `${camera}/Test/4/${camera}_${n}_${to}.png`), image);
    }
    const { pairs } = await prepareRealSr(source, join(root, 'city-x4'), { shrink: true });
    // 0.328 pixels of 840x600 are 0.08 of a quarter of it; the colour gap stays.
    expect(pairs[0].after.flowMedian).toBeGreaterThan(0.03);
    expect(pairs[0].after.flowMedian).toBeLessThan(0.12);
    expect(Math.abs(pairs[0].after.colourGap - 2.833)).toBeLessThan(0.2);
  });
});

describe('Preparing SR-RAW', () => {
  /** What both photographs see; the long one shows the middle at four times the size, and the hand has moved. */
  const scene = drawScene('sr-raw', 1536, 1152);
  const [short, long] = [interpolate(scene, 384, 288, 'area'), cropImage(scene, 576 + 7, 432 - 9, 384, 288)];

  async function photo(path: string, image: Image, mm: number | undefined): Promise<void> {
    mkdirSync(dirname(path), { recursive: true });
    const raw = { width: image.width, height: image.height, channels: 3 as const };
    const jpeg = sharp(toUint8(image), { raw }).jpeg({ quality: 98, chromaSubsampling: '4:4:4' });
    await (mm === undefined ? jpeg : jpeg.withExif({ IFD2: { FocalLength: `${mm}/1` } })).toFile(path);
  }

  it('cuts the field of view by the focal lengths of the EXIF, registers, and leaves the LR as it was', async () => {
    const source = join(root, 'sr-raw');
    const at = (k: number): string => join(source, 'train', '00042', `0000${k}.JPG`);
    await photo(at(7), short, 24);
    await photo(at(3), long, 96);
    await photo(at(6), short, undefined);
    await photo(at(2), long, 150);
    expect(await focalLength(at(7))).toEqual({ mm: 24, equivalent: false });
    const out = join(root, 'sr-raw-x4');
    const said: string[] = [];
    const { pairs, refused } = await prepareSrRaw(source, out, { log: (text) => said.push(text) });
    expect(files(out)).toEqual(['report.json', 'train/gt/00042_00007.png', 'train/input/00042_00007.png']);
    expect(refused).toEqual([
      expect.stringMatching(/00006.JPG states no focal length/),
      expect.stringMatching(/00005.JPG is missing/),
    ]);
    expect(said).toHaveLength(2);
    const [{ before, after }] = pairs;
    expect(before!.flowMedian).toBeGreaterThan(2.5); // hypot(7, 9) / 4 = 2.85
    expect(after.flowMedian).toBeLessThan(0.05);
    const { lr, hr } = await datasetPairs(join(out, 'train')).load(0);
    expect([hr.width, hr.height]).toEqual([4 * lr.width, 4 * lr.height]);
    expect(lr.width).toBeGreaterThan(88);
    // Every LR pixel is one of the photograph's own: some place of it shows just this row.
    const own = toUint8(await readImage(at(7)));
    expect(Buffer.from(own.buffer).includes(Buffer.from(lr.data.subarray(0, 3 * lr.width)))).toBe(true);
  });

  it('leaves out a photograph whose EXIF is damaged, and names it', async () => {
    const source = join(root, 'sr-raw-damaged');
    const at = (k: number): string => join(source, 'train', '00001', `0000${k}.JPG`);
    await photo(at(7), short, 24);
    await photo(at(3), long, 96);
    const bytes = readFileSync(at(7));
    bytes.write('XX', bytes.indexOf('Exif\0\0') + 6); // where the order of its bytes stands
    writeFileSync(at(7), bytes);
    await expect(focalLength(at(7))).rejects.toThrow(InputError);
    const { refused } = await prepareSrRaw(source, join(root, 'sr-raw-damaged-x4'));
    expect(refused).toContainEqual(expect.stringMatching(/^cannot read the EXIF of .*00007\.JPG: /));
  });

  it('refuses another layout', async () => {
    await expect(prepareSrRaw(join(root, 'v3'), join(root, 'x'))).rejects.toThrow(/not laid out as SR-RAW/);
  });

  it('refuses photographs that share nothing', async () => {
    const other = drawScene('another', 384, 288);
    await expect(pairOfPhotos(short, other, 12, 'affine', 'IMG_1')).rejects.toThrow(InputError);
  });

  // EXIF alone leaves 11 LR pixels of flow, a Euclidean motion 6.0, an affine one 0.87, by OpenCV on the full picture.
  it.skipIf(SHARED === undefined)(
    `registers the two cameras of a phone, at a quarter of the size (${NO_SHARED})`,
    async () => {
      const path = (name: string): string => shared(`data/images/DCSR-sample/IMG_20_${name}.jpg`);
      const [wide, tele] = [path('wide_26mm'), path('tele_52mm')];
      const ratio = (await focalLength(tele)).mm / (await focalLength(wide)).mm;
      expect(ratio).toBe(2);
      const shrunk = async (file: string, times: number): Promise<Image> => {
        const image = await readImage(file);
        return interpolate(image, image.width / times, image.height / times, 'area');
      };
      const [lr, hr] = [await shrunk(wide, 8), await shrunk(tele, 4)];
      const affine = await pairOfPhotos(lr, hr, ratio, 'affine', 'IMG_20');
      const euclidean = await pairOfPhotos(lr, hr, ratio, 'euclidean', 'IMG_20');
      expect(Math.abs(affine.before.flowMedian / 2.75 - 1)).toBeLessThan(0.15);
      expect(Math.abs(euclidean.after.flowMedian / 1.5 - 1)).toBeLessThan(0.15);
      expect(affine.after.flowMedian).toBeLessThan(0.4);
    },
  );
});
