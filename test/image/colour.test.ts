import { describe, expect, test } from 'vitest';
import {
  greyMatlab,
  greyPyiqa,
  labToRgb,
  linearToSrgb,
  lumaBasicsr,
  lumaMatlab,
  lumaPyiqa,
  rgbToLab,
  srgbToLinear,
} from '../../src/image/colour';
import { readImage } from '../../src/image/file';
import { toUint8 } from '../../src/image/quantise';
import { NO_SHARED, SHARED } from '../shared';
import { goldenImage, metricGoldens, sha256 } from './goldens';
import { noisePicture } from './pictures';

describe.skipIf(!SHARED)(`golden grey planes (${NO_SHARED})`, () => {
  test('MATLAB and pyiqa grey planes of every colour picture match byte for byte', async () => {
    const colour = Object.entries(metricGoldens().images).filter(([, g]) => g.grey.as_is_u8 === undefined);
    expect(colour.length).toBeGreaterThan(20);
    for (const [name, { grey }] of colour) {
      const rgb = toUint8(await readImage(goldenImage(name)));
      expect(sha256(lumaMatlab(rgb)), `rgb2ycbcr of ${name}`).toBe(grey.y_ycbcr_exact_u8);
      expect(sha256(lumaPyiqa(rgb)), `pyiqa YCbCr of ${name}`).toBe(grey.y_ycbcr_pyiqa_u8);
      expect(sha256(greyMatlab(rgb)), `rgb2gray of ${name}`).toBe(grey.gray_matlab_rgb2gray_u8);
      expect(sha256(greyPyiqa(rgb)), `pyiqa YIQ of ${name}`).toBe(grey.gray_yiq_pyiqa_u8);
    }
  });
});

describe('grey', () => {
  test('black and white are 16 and 235 in luma, 0 and 255 in grey', () => {
    const rgb = Uint8Array.of(0, 0, 0, 255, 255, 255);
    for (const luma of [lumaMatlab, lumaPyiqa]) expect([...luma(rgb)]).toEqual([16, 235]);
    expect(lumaBasicsr(rgb)[0]).toBeCloseTo(16, 5);
    expect(lumaBasicsr(rgb)[1]).toBeCloseTo(235, 4);
    for (const grey of [greyMatlab, greyPyiqa]) expect([...grey(rgb)]).toEqual([0, 255]);
  });

  test("BasicSR's luma is the unrounded formula, to float32", () => {
    const rgb = toUint8(noisePicture(50, 50, 1));
    lumaBasicsr(rgb).forEach((y, i) => {
      const [r, g, b] = rgb.subarray(3 * i, 3 * i + 3);
      expect(Math.abs(y - (16 + (65.481 * r + 128.553 * g + 24.966 * b) / 255))).toBeLessThan(3e-5);
    });
  });
});

describe('light', () => {
  test('the sRGB curve has its published points and is inverted exactly enough', () => {
    expect(srgbToLinear(0.5)).toBeCloseTo(0.21404114, 8);
    expect(srgbToLinear(0.02)).toBeCloseTo(0.02 / 12.92, 12);
    expect(srgbToLinear(1)).toBeCloseTo(1, 12);
    for (let v = -0.1; v <= 1.2; v += 0.001) expect(linearToSrgb(srgbToLinear(v))).toBeCloseTo(v, 7);
  });

  test('CIELAB of the sRGB primaries under D65 has its published values', () => {
    const data = Float32Array.of(1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0);
    const lab = rgbToLab({ width: 5, height: 1, channels: 3, data }).data;
    const published = [53.24, 80.09, 67.2, 87.73, -86.18, 83.18, 32.3, 79.19, -107.86, 100, 0, 0, 0, 0, 0];
    published.forEach((v, i) => expect(Math.abs(lab[i] - v)).toBeLessThan(0.02));
  });

  test('CIELAB and back is the same picture', () => {
    const image = noisePicture(40, 40, 2);
    labToRgb(rgbToLab(image)).data.forEach((v, i) => expect(Math.abs(v - image.data[i])).toBeLessThan(2e-6));
  });
});
