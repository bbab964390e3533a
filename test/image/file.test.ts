import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { encodeImage, listImages, readImage, readImageSize, writeImage } from '../../src/image/file';
import { toUint8 } from '../../src/image/quantise';
import { InputError } from '../../src/util/errors';
import { NO_SHARED, SHARED } from '../shared';
import { goldenImage, metricGoldens, sha256 } from './goldens';
import { flatPicture, noisePicture, smoothPicture, temporaryFolder } from './pictures';

const folder = temporaryFolder();
const at = (name: string): string => join(folder, name);

async function message(action: Promise<unknown>): Promise<string> {
  const error = await action.then(
    () => undefined,
    (e: unknown) => e,
  );
  expect(error).toBeInstanceOf(InputError);
  return (error as InputError).message;
}

describe.skipIf(!SHARED)(`golden pictures (${NO_SHARED})`, () => {
  test('every file decodes to the raw RGB bytes of the reference programs', async () => {
    for (const [name, golden] of Object.entries(metricGoldens().images)) {
      const image = await readImage(goldenImage(name));
      expect([image.width, image.height, image.channels], name).toEqual([golden.width, golden.height, 3]);
      expect(sha256(toUint8(image)), name).toBe(golden.rgb_sha256);
    }
  });
});

describe('round trips', () => {
  test.each(['a.png', 'a.tif', 'a.tiff', 'a.webp', 'A.PNG'])('8 bits survive %s exactly', async (name) => {
    const image = noisePicture(31, 17, 1);
    await writeImage(at(name), image);
    expect(await readImage(at(name))).toEqual(image);
  });

  test.each(['b.png', 'b.tiff'])('16 bits survive %s exactly', async (name) => {
    const image = noisePicture(31, 17, 2, 65535);
    await writeImage(at(name), image, { bits: 16 });
    expect((await sharp(at(name)).metadata()).depth).toBe('ushort');
    expect(await readImage(at(name))).toEqual(image);
  });

  test.each([8, 16] as const)(
    'one channel of %i bits is written grey and read as three equal channels',
    async (bits) => {
      const grey = noisePicture(9, 7, 3, bits === 8 ? 255 : 65535, 1);
      await writeImage(at('grey.png'), grey, { bits });
      expect((await sharp(at('grey.png')).metadata()).channels).toBe(1);
      const rgb = await readImage(at('grey.png'));
      expect(rgb.channels).toBe(3);
      rgb.data.forEach((v, i) => expect(v).toBe(grey.data[Math.floor(i / 3)]));
    },
  );

  test('JPEG and lossy WebP come back near, and nearer at a higher quality', async () => {
    const image = smoothPicture(64, 48);
    const error = async (name: string, quality: number): Promise<number> => {
      await writeImage(at(name), image, { quality });
      const back = await readImage(at(name));
      return back.data.reduce((sum, v, i) => sum + Math.abs(v - image.data[i]), 0) / back.data.length;
    };
    for (const name of ['c.jpg', 'c.jpeg', 'c.webp']) {
      const [low, high] = [await error(name, 10), await error(name, 95)];
      expect(high, name).toBeLessThan(low);
      expect(high, name).toBeLessThan(0.01);
    }
  });

  test('writing clamps, and rounds halves to even', async () => {
    const image = {
      width: 5,
      height: 1,
      channels: 1,
      data: Float32Array.of(-0.5, 1.5, 0.5 / 255, 1.5 / 255, 2.5 / 255),
    };
    await writeImage(at('round.png'), image);
    const bytes = await sharp(at('round.png')).toColourspace('b-w').raw().toBuffer();
    expect([...bytes]).toEqual([0, 255, 0, 2, 2]);
  });

  test('a file that was overwritten is read anew', async () => {
    await writeImage(at('again.png'), flatPicture(4, 4, 0));
    expect((await readImage(at('again.png'))).data[0]).toBe(0);
    await writeImage(at('again.png'), flatPicture(6, 4, 1));
    expect((await readImage(at('again.png'))).data[0]).toBe(1);
    expect(await readImageSize(at('again.png'))).toEqual({ width: 6, height: 4 });
  });

  test('encodeImage gives the bytes that writeImage writes', async () => {
    const image = noisePicture(8, 8, 4);
    await writeImage(at('same.png'), image);
    expect(readFileSync(at('same.png')).equals(await encodeImage(image))).toBe(true);
  });
});

describe('what a file can carry besides RGB', () => {
  // The 3x2 picture with pixels 1..6 in reading order, as each of the eight EXIF orientations shows it.
  const shown: Record<number, number[][]> = {
    1: [[1, 2, 3], [4, 5, 6]],
    2: [[3, 2, 1], [6, 5, 4]],
    3: [[6, 5, 4], [3, 2, 1]],
    4: [[4, 5, 6], [1, 2, 3]],
    5: [[1, 4], [2, 5], [3, 6]],
    6: [[4, 1], [5, 2], [6, 3]],
    7: [[6, 3], [5, 2], [4, 1]],
    8: [[3, 6], [2, 5], [1, 4]],
  }; // prettier-ignore

  test.each(Object.keys(shown).map(Number))('EXIF orientation %i is applied to JPEG', async (orientation) => {
    // Each pixel a flat 16x16 block, so that JPEG keeps its value.
    const [w, h, block] = [3, 2, 16];
    const stored = new Uint8Array(w * h * block * block);
    stored.forEach((_, i) => {
      const [x, y] = [i % (w * block), Math.floor(i / (w * block))];
      stored[i] = 40 * (1 + Math.floor(x / block) + w * Math.floor(y / block));
    });
    await sharp(stored, { raw: { width: w * block, height: h * block, channels: 1 } })
      .jpeg({ quality: 100 })
      .withMetadata({ orientation })
      .toFile(at('oriented.jpg'));
    const image = await readImage(at('oriented.jpg'));
    const rows = shown[orientation];
    const size = { width: rows[0].length * block, height: rows.length * block };
    expect({ width: image.width, height: image.height }).toEqual(size);
    expect(await readImageSize(at('oriented.jpg'))).toEqual(size);
    rows.forEach((row, y) =>
      row.forEach((value, x) => {
        const centre = ((y * block + 8) * image.width + x * block + 8) * 3;
        expect(Math.round((image.data[centre] * 255) / 40)).toBe(value);
      }),
    );
  });

  test('alpha is cut off, not composited: colour under full transparency stays', async () => {
    const rgba = Buffer.from([10, 20, 30, 0, 40, 50, 60, 128]);
    await sharp(rgba, { raw: { width: 2, height: 1, channels: 4 } })
      .png()
      .toFile(at('alpha.png'));
    expect([...toUint8(await readImage(at('alpha.png')))]).toEqual([10, 20, 30, 40, 50, 60]);
  });

  test('grey with alpha is grey', async () => {
    await sharp(Buffer.from([10, 0, 40, 128]), { raw: { width: 2, height: 1, channels: 2 } })
      .toColourspace('b-w')
      .png()
      .toFile(at('grey-alpha.png'));
    expect([...toUint8(await readImage(at('grey-alpha.png')))]).toEqual([10, 10, 10, 40, 40, 40]);
  });

  test('16-bit RGB with alpha keeps all 16 bits', async () => {
    const values = Uint16Array.from([1, 258, 65534, 9, 3000, 40001, 0, 65535]);
    await sharp(values, { raw: { width: 2, height: 1, channels: 4 } })
      .toColourspace('rgb16')
      .png()
      .toFile(at('alpha16.png'));
    const { data } = await readImage(at('alpha16.png'));
    expect([...data]).toEqual([1, 258, 65534, 3000, 40001, 0].map((v) => Math.fround(v / 65535)));
  });

  test('a palette becomes its colours', async () => {
    const colours = [255, 0, 0, 0, 128, 255, 255, 0, 0, 10, 10, 10];
    await sharp(Buffer.from(colours), { raw: { width: 2, height: 2, channels: 3 } })
      .png({ palette: true, dither: 0 })
      .toFile(at('palette.png'));
    expect((await sharp(at('palette.png')).metadata()).isPalette).toBe(true);
    expect([...toUint8(await readImage(at('palette.png')))]).toEqual(colours);
  });

  test('a colour profile does not change the stored numbers', async () => {
    const pixels = toUint8(noisePicture(8, 8, 5));
    const source = sharp(pixels, { raw: { width: 8, height: 8, channels: 3 } });
    await source.withIccProfile('p3').png().toFile(at('p3.png'));
    const stored = await sharp(at('p3.png'), { ignoreIcc: true }).raw().toBuffer();
    const converted = await sharp(at('p3.png')).raw().toBuffer();
    expect(stored.equals(converted)).toBe(false); // or the profile would prove nothing
    expect(Buffer.from(toUint8(await readImage(at('p3.png')))).equals(stored)).toBe(true);
  });
});

describe('header and folder', () => {
  test.each(['png', 'jpg', 'webp', 'tiff'])(
    'the size of a large noisy .%s is read from its header',
    async (ending) => {
      await writeImage(at(`size.${ending}`), noisePicture(301, 203, 6));
      expect(await readImageSize(at(`size.${ending}`))).toEqual({ width: 301, height: 203 });
    },
  );

  test('the size needs no pixels: a file cut behind its header still has one', async () => {
    const whole = await encodeImage(noisePicture(301, 203, 6));
    writeFileSync(at('header.png'), whole.subarray(0, 2000));
    expect(await readImageSize(at('header.png'))).toEqual({ width: 301, height: 203 });
  });

  test('pictures of a folder come in natural order; other, hidden files and folders stay out', () => {
    const set = at('set');
    mkdirSync(join(set, 'sub.png'), { recursive: true });
    for (const name of [
      'img_10.png',
      'img_2.PNG',
      'img_1.jpeg',
      '.img_0.png',
      'notes.txt',
      'x.tif',
      'a.webp',
    ]) {
      writeFileSync(join(set, name), '');
    }
    expect(listImages(set).map((p) => basename(p))).toEqual([
      'a.webp',
      'img_1.jpeg',
      'img_2.PNG',
      'img_10.png',
      'x.tif',
    ]);
  });
});

describe('files that cannot be used are errors that name them', () => {
  test('a missing file', async () => {
    expect(await message(readImage(at('none.png')))).toMatch(/none\.png: there is no such file/);
    expect(await message(readImageSize(at('none.png')))).toMatch(/none\.png: there is no such file/);
  });

  test('a folder in place of a file', async () => {
    expect(await message(readImage(folder))).toMatch(/it is a folder/);
    expect(await message(readImageSize(folder))).toMatch(/it is a folder/);
  });

  test.each(['', 'this is no picture'])('a file that holds %j', async (content) => {
    writeFileSync(at('fake.png'), content);
    expect(await message(readImage(at('fake.png')))).toMatch(/fake\.png: not a whole PNG, JPEG/);
    expect(await message(readImageSize(at('fake.png')))).toMatch(/fake\.png: not a whole PNG, JPEG/);
  });

  test.each(['png', 'jpeg', 'webp', 'tiff'] as const)(
    'a truncated %s, wherever it is cut',
    async (format) => {
      const whole = await encodeImage(noisePicture(64, 64, 7), format);
      for (const share of [0.02, 0.3, 0.7, 0.95, 0.995]) {
        writeFileSync(at('cut.dat'), whole.subarray(0, Math.floor(whole.length * share)));
        expect(await message(readImage(at('cut.dat'))), `${share} of ${format}`).toMatch(
          /cannot read .*cut\.dat: /,
        );
      }
      writeFileSync(at('cut.dat'), whole);
      expect((await readImage(at('cut.dat'))).width).toBe(64);
    },
  );

  test('a PNG with flipped bits', async () => {
    const bytes = await encodeImage(noisePicture(64, 64, 7));
    bytes[bytes.length >> 1] ^= 0x5a;
    writeFileSync(at('bits.png'), bytes);
    expect(await message(readImage(at('bits.png')))).toMatch(/cannot read .*bits\.png: /);
  });

  test('a format or colour space that is not ours', async () => {
    writeFileSync(
      at('v.png'),
      '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="5" height="5"/></svg>',
    );
    expect(await message(readImage(at('v.png')))).toMatch(/expected PNG, JPEG, WebP or TIFF, found svg/);
    await sharp(Buffer.alloc(48), { raw: { width: 4, height: 4, channels: 3 } })
      .toColourspace('cmyk')
      .jpeg()
      .toFile(at('cmyk.jpg'));
    expect(await message(readImage(at('cmyk.jpg')))).toMatch(/cmyk\.jpg: expected RGB or grey .* found cmyk/);
    await sharp(new Float32Array(48), { raw: { width: 4, height: 4, channels: 3 } })
      .toColourspace('scrgb')
      .tiff({ compression: 'none' })
      .toFile(at('float.tiff'));
    expect(await message(readImage(at('float.tiff')))).toMatch(/found scrgb of type float/);
  });

  test('a missing folder, and one without pictures', () => {
    mkdirSync(at('empty'), { recursive: true });
    writeFileSync(at('empty/readme.txt'), '');
    expect(() => listImages(at('nowhere'))).toThrow(/nowhere: there is no such file or folder/);
    expect(() => listImages(at('empty'))).toThrow(/empty has no image: expected files ending in \.png/);
  });
});

describe('a picture that cannot be written leaves nothing behind', () => {
  const image = flatPicture(4, 4, 0.5);

  test('an unknown ending', async () => {
    expect(await message(writeImage(at('x.bmp'), image))).toMatch(
      /x\.bmp: expected a name ending in .*found '\.bmp'/,
    );
    expect(await message(writeImage(at('noending'), image))).toMatch(/noending/);
    expect(existsSync(at('x.bmp'))).toBe(false);
  });

  test.each([NaN, Infinity, -Infinity])('a pixel that is %d; the old file stays', async (bad) => {
    await writeImage(at('kept.png'), image);
    const before = readFileSync(at('kept.png'));
    const broken = flatPicture(4, 4, 0.5);
    broken.data[(2 * 4 + 1) * 3 + 2] = bad;
    for (const bits of [8, 16] as const) {
      expect(await message(writeImage(at('kept.png'), broken, { bits }))).toMatch(
        new RegExp(`kept\\.png: image holds ${bad} at x 1, y 2, channel 2`),
      );
    }
    expect(readFileSync(at('kept.png')).equals(before)).toBe(true);
  });

  test('options that the format cannot hold', async () => {
    expect(await message(writeImage(at('y.jpg'), image, { bits: 16 }))).toMatch(
      /need PNG or TIFF, found jpeg/,
    );
    expect(await message(writeImage(at('y.jpg'), image, { quality: 0 }))).toMatch(
      /quality .* 1 to 100, found 0/,
    );
    expect(await message(writeImage(at('y.png'), flatPicture(4, 4, 0, 2)))).toMatch(
      /1 or 3 channels, found 2/,
    );
    expect(existsSync(at('y.jpg')) || existsSync(at('y.png'))).toBe(false);
  });

  test('a target that is a folder', async () => {
    mkdirSync(at('in/target.png'), { recursive: true });
    expect(await message(writeImage(at('in/target.png'), image))).toMatch(/cannot write .*target\.png: /);
    expect(readdirSync(at('in'))).toEqual(['target.png']);
  });

  test('a parent that is a file', async () => {
    writeFileSync(at('plain'), '');
    expect(await message(writeImage(at('plain/p.png'), image))).toMatch(/a part of the path is a file/);
  });

  test.skipIf(process.getuid?.() === 0)(
    'a read-only folder (skipped for root, who may write anywhere)',
    async () => {
      mkdirSync(at('locked'));
      chmodSync(at('locked'), 0o555);
      expect(await message(writeImage(at('locked/p.png'), image))).toMatch(/permission denied/);
      expect(readdirSync(at('locked'))).toEqual([]);
      chmodSync(at('locked'), 0o755);
    },
  );
});
