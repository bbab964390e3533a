import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readImage } from '../../src/image/file';
import { toUint8 } from '../../src/image/quantise';
import type { ResizeBorder, ResizeRounding, ScaleOrSize } from '../../src/image/resize';
import { imresize, resizePlanes } from '../../src/image/resize';
import { InputError } from '../../src/util/errors';
import { NO_SHARED, SHARED } from '../shared';
import { goldenImage, resizeGoldens, sha256 } from './goldens';
import { flatPicture, noisePicture, smoothPicture } from './pictures';

const roundingOf = { final: 'final', perpass: 'per-pass' } as const;

describe.skipIf(!SHARED)(`goldens (${NO_SHARED})`, () => {
  test.each(['symmetric', 'replicate'] as const)('float64 cases, %s border, within 1e-10', (border) => {
    const goldens = resizeGoldens();
    const input = goldens.input_e13x17;
    const [height, width] = input.shape;
    const planes = { width, height, channels: 1, data: Float64Array.from(input.data) };
    const cases = Object.entries(goldens[`float64_${border}`]);
    expect(cases.length).toBeGreaterThanOrEqual(8);
    for (const [name, golden] of cases) {
      const result = resizePlanes(planes, targetOf(name), { border });
      expect([result.height, result.width], name).toEqual(golden.shape);
      result.data.forEach((v, i) =>
        expect(Math.abs(v - golden.data[i]), `${name}[${i}]`).toBeLessThan(1e-10),
      );
    }
  });

  test('8-bit pictures at every scale, border and rounding match byte for byte', async () => {
    for (const [key, golden] of Object.entries(resizeGoldens().images)) {
      const [name, scale, border, rounding] = key.split('|') as [
        string,
        string,
        ResizeBorder,
        'final' | 'perpass',
      ];
      const options = { border, rounding: roundingOf[rounding] };
      const result = imresize(await readImage(goldenImage(name)), Number(scale), options);
      expect([result.height, result.width, result.channels], key).toEqual(golden.shape);
      expect(sha256(toUint8(result)), key).toBe(golden.rgb_sha256);
    }
  });

  test("no pixel differs from MATLAB's own LR images", async () => {
    const pairs = Object.entries(resizeGoldens().real_matlab_pairs);
    expect(pairs).toHaveLength(6);
    for (const [pair, { scale, pad, rounding }] of pairs) {
      const [hr, lr] = pair.split(' -> ');
      const made = imresize(await readImage(goldenImage(hr)), scale, {
        border: pad,
        rounding: roundingOf[rounding],
      });
      const matlab = await readImage(goldenImage(lr));
      expect([made.width, made.height]).toEqual([matlab.width, matlab.height]);
      expect(
        made.data.reduce((n, v, i) => n + (v === matlab.data[i] ? 0 : 1), 0),
        pair,
      ).toBe(0);
    }
  });
});

function targetOf(name: string): ScaleOrSize {
  if (name.startsWith('scale_')) return Number(name.slice(6));
  const [height, width] = name.slice(5).split('x').map(Number);
  return { width, height };
}

describe('properties', () => {
  const borders = fc.constantFrom<ResizeBorder>('symmetric', 'replicate');
  const length = fc.integer({ min: 1, max: 24 });

  test('a constant picture stays constant at any size and border', () => {
    fc.assert(
      fc.property(length, length, length, length, borders, (w, h, width, height, border) => {
        const result = imresize(flatPicture(w, h, 0.4), { width, height }, { border });
        expect([result.width, result.height]).toEqual([width, height]);
        for (const v of result.data) expect(v).toBeCloseTo(0.4, 6);
      }),
      { seed: 1 },
    );
  });

  test('scale 1 gives the picture back, bit for bit', () => {
    const image = noisePicture(13, 9, 1);
    for (const rounding of ['none', 'final', 'per-pass'] as ResizeRounding[]) {
      expect(imresize(image, 1, { rounding })).toEqual(image);
    }
  });

  test('half a turn of the picture (and its channels) is half a turn of the result', () => {
    const image = noisePicture(20, 24, 2);
    const flip = (i: typeof image): typeof image => ({ ...i, data: i.data.slice().reverse() });
    const [direct, turned] = [imresize(image, 0.25), flip(imresize(flip(image), 0.25))];
    direct.data.forEach((v, i) => expect(turned.data[i]).toBeCloseTo(v, 6));
  });

  test('channels do not mix: each resizes as it would alone', () => {
    const image = noisePicture(17, 11, 3);
    const all = imresize(image, 0.5);
    for (let c = 0; c < 3; c++) {
      const data = image.data.filter((_, i) => i % 3 === c);
      const alone = imresize({ width: 17, height: 11, channels: 1, data }, 0.5);
      expect(alone.data).toEqual(all.data.filter((_, i) => i % 3 === c));
    }
  });

  test('a smooth picture survives x4 and back', () => {
    const image = smoothPicture(40, 32);
    imresize(imresize(image, 4), 0.25).data.forEach((v, i) =>
      expect(Math.abs(v - image.data[i])).toBeLessThan(0.02),
    );
  });

  test('an output length is ceil(n * scale), as in MATLAB', () => {
    const { width, height } = imresize(flatPicture(13, 9, 0), 0.25);
    expect([width, height]).toEqual([4, 3]);
  });

  test('a size that is no whole number of pixels is refused', () => {
    const image = flatPicture(4, 4, 0);
    for (const target of [0, -1, NaN, Infinity, { width: 2.5, height: 2 }, { width: 2, height: 0 }]) {
      expect(() => imresize(image, target)).toThrow(InputError);
    }
  });
});
