import { describe, expect, it } from 'vitest';
import { drawScene } from '../../src/data/scenes';
import { listImages, readImage } from '../../src/image/file';
import { NO_SHARED, shared, SHARED } from '../shared';
import { spectralSlope } from './measure';

describe('drawn scenes', () => {
  it('are the same pixels for the same seed and others for another', () => {
    const first = drawScene(7, 96, 64);
    expect(drawScene(7, 96, 64).data).toEqual(first.data);
    expect(drawScene(8, 96, 64).data).not.toEqual(first.data);
    expect(drawScene('7', 96, 64).data).not.toEqual(first.data);
  });

  it('stay the scenes they were: a fingerprint of seed 1', () => {
    const { data } = drawScene(1, 64, 48);
    let hash = 0;
    for (const v of data) hash = (Math.imul(hash, 31) + Math.round(v * 255)) >>> 0;
    expect(hash).toBe(4065314570);
  });

  it.each([
    [16, 16],
    [17, 200],
    [333, 40],
  ])('fill %i x %i with finite values in [0,1]', (width, height) => {
    const scene = drawScene('size', width, height);
    expect(scene.data.length).toBe(width * height * 3);
    expect(scene.data.every((v) => v >= 0 && v <= 1)).toBe(true);
  });

  it('use the range of brightness that photographs use', () => {
    const means = [0, 1, 2, 3, 4, 5].map((seed) => {
      const { data } = drawScene(seed, 128, 128);
      const mean = data.reduce((sum, v) => sum + v, 0) / data.length;
      const std = Math.sqrt(data.reduce((sum, v) => sum + (v - mean) ** 2, 0) / data.length);
      expect(std).toBeGreaterThan(0.1);
      expect(std).toBeLessThan(0.35);
      return mean;
    });
    for (const mean of means) expect(mean).toBeGreaterThan(0.2);
    for (const mean of means) expect(mean).toBeLessThan(0.7);
  });

  it('have a power spectrum that falls about as 1/f^2', () => {
    const slopes = Array.from({ length: 12 }, (_, seed) => spectralSlope(drawScene(seed, 256, 256)));
    const mean = slopes.reduce((a, b) => a + b) / slopes.length;
    expect(mean).toBeGreaterThan(-2.8);
    expect(mean).toBeLessThan(-2);
    for (const slope of slopes) expect(slope).toBeGreaterThan(-3.2);
    for (const slope of slopes) expect(slope).toBeLessThan(-1.5);
  });

  it.skipIf(SHARED === undefined)(
    `fall as steeply as photographs on average (${SHARED === undefined ? NO_SHARED : 'BSDS500'})`,
    async () => {
      const photographs = listImages(shared('data/images/BSDS500-train')).filter((_, i) => i % 8 === 0);
      const real: number[] = [];
      for (const path of photographs) real.push(spectralSlope(await readImage(path)));
      const drawn = Array.from({ length: 25 }, (_, seed) => spectralSlope(drawScene(seed, 320, 320)));
      const mean = (values: number[]): number => values.reduce((a, b) => a + b) / values.length;
      expect(Math.abs(mean(drawn) - mean(real))).toBeLessThan(0.3);
    },
  );

  it('have no aliased edges', () => {
    // On a scene of hard-edged leaves, sampling without coverage leaves no pixel strictly between the two sides of an
    // edge; with coverage, edges have such pixels all along.
    const { data, width, height } = drawScene(3, 200, 200);
    let edges = 0;
    let between = 0;
    for (let y = 0; y < height; y++) {
      for (let x = 1; x < width - 1; x++) {
        const [a, b, c] = [-1, 0, 1].map((d) => data[3 * (y * width + x + d) + 1]);
        if (Math.abs(a - c) < 0.15) continue;
        edges++;
        const share = (b - a) / (c - a);
        if (share > 0.1 && share < 0.9) between++;
      }
    }
    expect(edges).toBeGreaterThan(1000);
    expect(between / edges).toBeGreaterThan(0.4);
  });

  it.each([
    [15, 64],
    [64, 0],
    [64.5, 64],
    [NaN, 64],
  ])('refuse %d x %d', (width, height) => {
    expect(() => drawScene(1, width, height)).toThrow(/scene (width|height): expected a whole number/);
  });
});
