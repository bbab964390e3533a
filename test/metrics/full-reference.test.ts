import { describe, expect, test } from 'vitest';
import { addNoise } from '../../src/image/degrade';
import { readImage } from '../../src/image/file';
import type { Image } from '../../src/image/image';
import { toUint8 } from '../../src/image/quantise';
import { psnr, psnrMetric } from '../../src/metrics/psnr';
import { gaussianWindow, ssim, ssimMetric } from '../../src/metrics/ssim';
import { InputError } from '../../src/util/errors';
import { Random } from '../../src/util/random';
import { NO_SHARED, SHARED } from '../shared';
import { goldenImage, metricGoldens } from '../image/goldens';
import { flatPicture, noisePicture, smoothPicture } from '../image/pictures';

const RGB0 = { crop: 0, y: false };

describe.skipIf(!SHARED)(`goldens of DAT's BasicSR (${NO_SHARED})`, () => {
  const tolerance = { psnr_rgb: 1e-9, ssim_rgb: 1e-9, psnr_y: 2e-6, ssim_y: 2e-8 };

  test('PSNR and SSIM, RGB and Y, crop 0 and 4, of every pair', async () => {
    const pairs = Object.entries(metricGoldens().full_reference);
    expect(pairs.length).toBeGreaterThanOrEqual(16);
    for (const [pair, golden] of pairs) {
      const sr = await readImage(goldenImage(golden.distorted));
      const hr = await readImage(goldenImage(golden.reference));
      for (const [metricName, metric] of Object.entries({ psnr, ssim }) as ['psnr' | 'ssim', typeof psnr][]) {
        for (const y of [false, true]) {
          for (const crop of [0, 4] as const) {
            const name = `${metricName}_${y ? 'y' : 'rgb'}` as const;
            const expected = Number(golden.dat_basicsr[`${name}_crop${crop}`]);
            const value = metric(sr, hr, { crop, y });
            if (expected === Infinity) expect(value, pair).toBe(Infinity);
            else
              expect(Math.abs(value - expected), `${name} crop ${crop} of ${pair}`).toBeLessThan(
                tolerance[name],
              );
          }
        }
      }
    }
  });

  test('Set5 x4 bicubic scores 28.43 dB and 0.8113, as in the literature', async () => {
    let [dB, structure] = [0, 0];
    for (const n of [1, 2, 3, 4, 5]) {
      const sr = await readImage(goldenImage(`img_00${n}_bicubic4.png`));
      const hr = await readImage(goldenImage(`img_00${n}_SRF_4_HR.png`));
      dB += (await psnrMetric().score(sr, hr)) / 5;
      structure += (await ssimMetric().score(sr, hr)) / 5;
    }
    expect(dB).toBeCloseTo(28.43, 2);
    expect(structure).toBeCloseTo(0.8113, 4);
  });
});

describe('PSNR', () => {
  test('an error of one grey level everywhere is 20 log10(255) dB in RGB, less 219/255 in Y', () => {
    const [a, b] = [flatPicture(20, 20, 100 / 255), flatPicture(20, 20, 101 / 255)];
    expect(psnr(a, b, RGB0)).toBeCloseTo(20 * Math.log10(255), 9);
    expect(psnr(a, b, { crop: 4, y: true })).toBeCloseTo(20 * Math.log10((255 * 255) / 219), 3);
  });

  test('only what lies inside the crop counts', () => {
    const a = noisePicture(20, 20, 1);
    const b = { ...a, data: a.data.slice() };
    b.data.fill(0, 0, 4 * 20 * 3);
    expect(psnr(a, b, { crop: 4, y: false })).toBe(Infinity);
    expect(psnr(a, b, { crop: 3, y: false })).toBeLessThan(40);
  });

  test('a difference that 8 bits do not show is none', () => {
    const a = flatPicture(12, 12, 0.5);
    expect(psnr(a, flatPicture(12, 12, 0.5004))).toBe(Infinity);
    expect(psnr(flatPicture(12, 12, 1), flatPicture(12, 12, 1.7))).toBe(Infinity);
  });
});

describe('SSIM', () => {
  test('the fast filter equals the definition: one 11x11 window at every place', () => {
    const a = smoothPicture(27, 21);
    const b = addNoise(a, new Random(1), { shot: 0.01, read: 0.02 });
    expect(ssim(a, b, RGB0)).toBeCloseTo(ssimByDefinition(a, b), 12);
  });

  test('it is symmetric, 1 for equal pictures, and falls with noise', () => {
    const a = smoothPicture(40, 30);
    const b = addNoise(a, new Random(2), { shot: 0, read: 0.05 });
    const c = addNoise(a, new Random(2), { shot: 0, read: 0.15 });
    for (const y of [false, true]) {
      const protocol = { crop: 2, y };
      expect(ssim(a, b, protocol)).toBeCloseTo(ssim(b, a, protocol), 12);
      expect(ssim(a, a, protocol)).toBeCloseTo(1, 12);
      expect(ssim(a, b, protocol)).toBeLessThan(0.99);
      expect(ssim(a, c, protocol)).toBeLessThan(ssim(a, b, protocol));
    }
  });

  test('a flat shift scores the luminance term alone', () => {
    const [p, q] = [100, 140];
    const expected = (2 * p * q + 6.5025) / (p * p + q * q + 6.5025);
    expect(ssim(flatPicture(16, 16, p / 255), flatPicture(16, 16, q / 255), RGB0)).toBeCloseTo(expected, 10);
  });

  test('the window is the Gaussian of sigma 1.5, sums to 1 and is symmetric', () => {
    const g = gaussianWindow(11, 1.5);
    expect(g.reduce((a, b) => a + b)).toBeCloseTo(1, 15);
    for (let i = 0; i < 11; i++) {
      expect(g[i]).toBe(g[10 - i]);
      expect(g[i] / g[5]).toBeCloseTo(Math.exp(-((i - 5) ** 2) / 4.5), 14);
    }
  });
});

describe('pairs that cannot be compared are errors', () => {
  const a = noisePicture(20, 20, 1);

  test.each([psnr, ssim])('%o: other sizes, no colour, too small, NaN, a bad crop', (metric) => {
    expect(() => metric(a, noisePicture(20, 21, 1))).toThrow(InputError);
    expect(() => metric(a, noisePicture(20, 21, 1))).toThrow(/20x20x3 with a reference of 20x21x3/);
    const grey = noisePicture(20, 20, 1, 255, 1);
    expect(() => metric(grey, grey)).toThrow(/expected RGB/);
    expect(() => metric(a, a, { crop: 10, y: false })).toThrow(
      /too small: expected at least .* after cropping 10/,
    );
    expect(() => metric(a, a, { crop: -1, y: false })).toThrow(/crop must be a whole number/);
    const broken = { ...a, data: a.data.slice() };
    broken.data[(10 * 20 + 10) * 3] = NaN;
    expect(() => metric(broken, a)).toThrow(/holds NaN/);
    const grey255 = { ...a, data: a.data.map((v) => 255 * v) };
    expect(() => metric(grey255, grey255, RGB0)).toThrow(/expected pictures in \[0,1\], not 0 to 255/);
    expect(() => metric(grey255, a, RGB0)).not.toThrow(); // a network may have made anything
  });

  test('SSIM needs one whole window after the crop', () => {
    const b = noisePicture(19, 18, 1);
    expect(() => ssim(b, b, { crop: 4, y: true })).toThrow(/at least 11x11/);
    expect(ssim(a, a, { crop: 4, y: true })).toBeCloseTo(1, 12);
  });

  test('the Metric objects say their protocol and refuse to work without a reference', async () => {
    expect([psnrMetric().name, psnrMetric(RGB0).name]).toEqual(['PSNR-Y', 'PSNR-RGB crop 0']);
    expect(ssimMetric({ crop: 4, y: false }).name).toBe('SSIM-RGB');
    expect(psnrMetric().better).toBe('higher');
    await expect(psnrMetric().score(a)).rejects.toThrow(/PSNR-Y needs a reference/);
    await expect(ssimMetric().score(a, noisePicture(9, 9, 1))).rejects.toThrow(InputError);
    expect(await ssimMetric().score(a, a)).toBeCloseTo(1, 12);
  });
});

/** Equation 13 of Wang et al. 2004 with the 2-D window, place by place, of 8-bit RGB: the slow twin. */
function ssimByDefinition(a: Image, b: Image): number {
  const [x, y] = [toUint8(a), toUint8(b)];
  const g = gaussianWindow(11, 1.5);
  let [total, count] = [0, 0];
  for (let c = 0; c < 3; c++) {
    for (let top = 0; top + 11 <= a.height; top++) {
      for (let left = 0; left + 11 <= a.width; left++) {
        const sum = (f: (p: number, q: number) => number): number => {
          let s = 0;
          for (let i = 0; i < 11; i++) {
            for (let j = 0; j < 11; j++) {
              const at = ((top + i) * a.width + left + j) * 3 + c;
              s += g[i] * g[j] * f(x[at], y[at]);
            }
          }
          return s;
        };
        const [mx, my] = [sum((p) => p), sum((_, q) => q)];
        const [vx, vy] = [sum((p) => (p - mx) ** 2), sum((_, q) => (q - my) ** 2)];
        const cov = sum((p, q) => (p - mx) * (q - my));
        total +=
          ((2 * mx * my + 6.5025) * (2 * cov + 58.5225)) /
          ((mx * mx + my * my + 6.5025) * (vx + vy + 58.5225));
        count++;
      }
    }
  }
  return total / count;
}
