import { describe, expect, test } from 'vitest';
import { addNoise, jpegRoundTrip } from '../../src/image/degrade';
import { readImage } from '../../src/image/file';
import { toUint8 } from '../../src/image/quantise';
import { InputError } from '../../src/util/errors';
import { Random } from '../../src/util/random';
import { NO_SHARED, SHARED } from '../shared';
import { goldenImage } from './goldens';
import { flatPicture, noisePicture, smoothPicture } from './pictures';

describe('sensor noise', () => {
  test('its variance is shot * value + read^2 at every level, its mean zero', () => {
    const [shot, read] = [0.01, 0.02];
    for (const level of [0, 0.1, 0.5, 1]) {
      const { data } = addNoise(flatPicture(200, 200, level), new Random(1, level), { shot, read });
      const mean = data.reduce((a, b) => a + b, 0) / data.length;
      const variance = data.reduce((a, b) => a + (b - mean) ** 2, 0) / (data.length - 1);
      const expected = shot * level + read * read;
      // 120,000 samples: standard errors sigma/346 and 0.41 % of the variance; five of each.
      expect(Math.abs(mean - level)).toBeLessThan((5 * Math.sqrt(expected)) / 346);
      expect(Math.abs(variance / expected - 1)).toBeLessThan(0.021);
    }
  });

  test('the same stream gives the same noise, another gives another, the input stays', () => {
    const image = noisePicture(16, 16, 1);
    const before = image.data.slice();
    const noise = { shot: 0.01, read: 0.01 };
    const first = addNoise(image, new Random(5, 'noise'), noise);
    expect(addNoise(image, new Random(5, 'noise'), noise)).toEqual(first);
    expect(addNoise(image, new Random(6, 'noise'), noise)).not.toEqual(first);
    expect(image.data).toEqual(before);
  });

  test('no noise is no change; values below black get read noise alone', () => {
    const image = noisePicture(8, 8, 2);
    expect(addNoise(image, new Random(1), { shot: 0, read: 0 })).toEqual(image);
    const dark = flatPicture(4, 4, -0.5);
    expect(addNoise(dark, new Random(1), { shot: 1, read: 0 })).toEqual(dark);
  });

  test.each([
    { shot: -1, read: 0 },
    { shot: 0, read: NaN },
  ])('%j is refused', (noise) => {
    expect(() => addNoise(flatPicture(2, 2, 0), new Random(1), noise)).toThrow(InputError);
  });
});

describe('JPEG', () => {
  test.skipIf(!SHARED)(
    `quality 30, 4:2:0 equals the pictures that a libjpeg program made (${NO_SHARED})`,
    async () => {
      for (const n of [1, 2, 3, 4, 5]) {
        const made = await jpegRoundTrip(await readImage(goldenImage(`img_00${n}_SRF_4_HR.png`)), 30);
        const stored = await readImage(goldenImage(`img_00${n}_jpeg30.png`));
        expect(Buffer.from(toUint8(made)).equals(toUint8(stored)), `image ${n}`).toBe(true);
      }
    },
  );

  const error = (a: Float32Array, b: Float32Array): number =>
    Math.sqrt(a.reduce((sum, v, i) => sum + (v - b[i]) ** 2, 0) / a.length);

  test('error falls with quality, and full chroma beats halved chroma', async () => {
    const image = noisePicture(64, 64, 3);
    const at = async (quality: number, chroma: '4:2:0' | '4:4:4'): Promise<number> =>
      error((await jpegRoundTrip(image, quality, { chroma })).data, image.data);
    expect(await at(90, '4:4:4')).toBeLessThan(await at(30, '4:4:4'));
    expect(await at(90, '4:4:4')).toBeLessThan(0.5 * (await at(90, '4:2:0')));
    // The default is 4:2:0.
    expect(error((await jpegRoundTrip(image, 90)).data, image.data)).toBe(await at(90, '4:2:0'));
  });

  test('a second trip at the same quality changes almost nothing', async () => {
    const once = await jpegRoundTrip(smoothPicture(64, 64), 75, { chroma: '4:4:4' });
    const twice = await jpegRoundTrip(once, 75, { chroma: '4:4:4' });
    expect(error(twice.data, once.data)).toBeLessThan(1 / 255);
  });

  test('one channel stays one channel; odd sizes stay', async () => {
    const grey = await jpegRoundTrip(flatPicture(17, 5, 0.5, 1), 80);
    expect([grey.width, grey.height, grey.channels]).toEqual([17, 5, 1]);
    expect(new Set(toUint8(grey))).toEqual(new Set([128]));
  });

  test.each([0, 101, 50.5, NaN])('quality %d is refused', async (quality) => {
    await expect(jpegRoundTrip(flatPicture(8, 8, 0), quality)).rejects.toThrow(InputError);
  });
});
