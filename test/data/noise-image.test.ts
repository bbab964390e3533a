import { beforeAll, describe, expect, it } from 'vitest';
import {
  drawNoise,
  NOISE_ORDERS,
  NOISE_SCALE,
  noiseImage,
  type NoiseDraw,
  type NoiseMode,
} from '../../src/data/noise-image';
import { readImage } from '../../src/image/file';
import { cropImage, type Image } from '../../src/image/image';
import { Random } from '../../src/util/random';
import { InputError } from '../../src/util/errors';
import { NO_SHARED, SHARED, shared } from '../shared';

const order = (...names: string[]): NoiseDraw['order'] =>
  NOISE_ORDERS.find((o) => o.join() === names.join())!;

/** The middle 2x2 of each 4x4, averaged: what `down` does, without rounding. */
function cleanlyShrunk(image: Image): Float32Array {
  const [w, h] = [image.width / NOISE_SCALE, image.height / NOISE_SCALE];
  const at = (x: number, y: number, c: number): number => image.data[(y * image.width + x) * 3 + c];
  return Float32Array.from({ length: w * h * 3 }, (_, i) => {
    const [c, x, y] = [i % 3, Math.floor(i / 3) % w, Math.floor(i / 3 / w)];
    const [u, v] = [4 * x + 1, 4 * y + 1];
    return (at(u, v, c) + at(u + 1, v, c) + at(u, v + 1, c) + at(u + 1, v + 1, c)) / 4;
  });
}

function correlation(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const n = a.length;
  let [sa, sb, saa, sbb, sab] = [0, 0, 0, 0, 0];
  for (let i = 0; i < n; i++) {
    sa += a[i];
    sb += b[i];
    saa += a[i] * a[i];
    sbb += b[i] * b[i];
    sab += a[i] * b[i];
  }
  return (sab - (sa * sb) / n) / Math.sqrt((saa - (sa * sa) / n) * (sbb - (sb * sb) / n));
}

describe.skipIf(SHARED === undefined)(`Noise images of photographs (${NO_SHARED})`, () => {
  let patches: Image[];

  beforeAll(async () => {
    const random = new Random(1, 'patches');
    patches = [];
    for (const name of ['100075', '100080', '100098', '100098']) {
      const photo = await readImage(shared('data', 'images', 'BSDS500-train', `${name}.jpg`));
      for (let i = 0; i < 12; i++) {
        const [x, y] = [random.integer(0, photo.width - 128), random.integer(0, photo.height - 128)];
        patches.push(cropImage(photo, x, y, 128, 128));
      }
    }
  });

  /** Noise images of every patch in one order, with levels from end to end. */
  const draw = async (
    mode: NoiseMode,
    o: NoiseDraw['order'],
  ): Promise<{ level: number; patch: Image; image: Image }[]> => {
    const random = new Random(2, mode, o.join());
    const drawn = [];
    for (const patch of patches) {
      const one = { ...drawNoise(random), order: o };
      drawn.push({ level: one.level, patch, image: await noiseImage(patch, random, mode, one) });
    }
    return drawn;
  };

  // Measured on the official pipeline: mean and deviation over the drawn level, zeros, correlation between channels and
  // between neighbours.
  it.each([
    { names: ['down', 'jpeg', 'noise'], mean: 0.39, std: 0.58, zeros: 0.52, channels: 0, neighbours: 0 },
    { names: ['jpeg', 'down', 'noise'], mean: 0.4, std: 0.58, zeros: 0.52, channels: 0, neighbours: 0 },
    { names: ['jpeg', 'noise', 'down'], mean: 0.4, std: 0.29, zeros: 0.09, channels: 0, neighbours: 0 },
    { names: ['noise', 'jpeg', 'down'], mean: 0.42, std: 0.2, zeros: 0.01, channels: 0.79, neighbours: 0.05 },
    { names: ['down', 'noise', 'jpeg'], mean: 0.4, std: 0.31, zeros: 0.12, channels: 0.91, neighbours: 0.3 },
    {
      names: ['noise', 'down', 'jpeg'],
      mean: 0.41,
      std: 0.14,
      zeros: 0.01,
      channels: 0.93,
      neighbours: 0.47,
    },
  ])('released, $names: rectified noise on black, with the official statistics', async (row) => {
    const totals = { mean: 0, std: 0, zeros: 0, channels: 0, neighbours: 0, picture: 0 };
    const drawn = await draw('released', order(...row.names));
    for (const { level, patch, image } of drawn) {
      const grey = image.data.map((v) => 255 * v);
      const n = grey.length;
      const mean = grey.reduce((s, v) => s + v, 0) / n;
      const std = Math.sqrt(grey.reduce((s, v) => s + (v - mean) ** 2, 0) / n);
      const channel = (c: number): Float32Array => grey.filter((_, i) => i % 3 === c);
      totals.mean += mean / level;
      totals.std += std / level;
      totals.zeros += grey.filter((v) => v === 0).length / n;
      totals.channels += correlation(channel(0), channel(1));
      const green = channel(1);
      totals.neighbours += correlation(
        green.filter((_, i) => i % 32 !== 31),
        green.filter((_, i) => i % 32 !== 0),
      );
      totals.picture += correlation(grey, cleanlyShrunk(patch));
    }
    const average = (key: keyof typeof totals): number => totals[key] / drawn.length;
    expect(Math.abs(average('mean') - row.mean)).toBeLessThan(0.03);
    expect(Math.abs(average('std') - row.std)).toBeLessThan(0.03);
    expect(Math.abs(average('zeros') - row.zeros)).toBeLessThan(0.04);
    expect(Math.abs(average('channels') - row.channels)).toBeLessThan(0.05);
    expect(Math.abs(average('neighbours') - row.neighbours)).toBeLessThan(0.05);
    expect(Math.abs(average('picture'))).toBeLessThan(0.08);
  });

  it.each([
    { names: ['down', 'jpeg', 'noise'], std: 1.16 },
    { names: ['jpeg', 'down', 'noise'], std: 0.99 },
    { names: ['jpeg', 'noise', 'down'], std: 0.55 },
    { names: ['noise', 'jpeg', 'down'], std: 0.45 },
    { names: ['down', 'noise', 'jpeg'], std: 0.93 },
    { names: ['noise', 'down', 'jpeg'], std: 0.68 },
  ])('repaired, $names: the picture itself, with noise of $std of the level', async (row) => {
    let [std, n] = [0, 0];
    for (const { level, patch, image } of await draw('repaired', order(...row.names))) {
      const clean = cleanlyShrunk(patch);
      expect(correlation(image.data, clean)).toBeGreaterThan(0.5);
      const residual = image.data.map((v, i) => 255 * (v - clean[i]));
      const mean = residual.reduce((sum, v) => sum + v, 0) / residual.length;
      std += Math.sqrt(residual.reduce((sum, v) => sum + (v - mean) ** 2, 0) / residual.length) / level;
      n++;
    }
    expect(Math.abs(std / n - row.std)).toBeLessThan(0.05);
  });
});

describe('Noise images', () => {
  const flat = (width: number, height: number): Image => ({
    width,
    height,
    channels: 3,
    data: new Float32Array(width * height * 3).fill(0.5),
  });

  it('are the same for the same random stream, and others for another', async () => {
    for (const mode of ['released', 'repaired'] as const) {
      const image = async (seed: number): Promise<Image> => noiseImage(flat(32, 16), new Random(seed), mode);
      const [a, b, c] = [await image(1), await image(1), await image(2)];
      expect([a.width, a.height, a.channels]).toEqual([8, 4, 3]);
      expect(a.data).toEqual(b.data);
      expect(a.data).not.toEqual(c.data);
    }
  });

  const channelMeans = (image: Image): number[] =>
    [0, 1, 2].map((c) => {
      const channel = image.data.filter((_, i) => i % 3 === c);
      return (255 * channel.reduce((sum, v) => sum + v, 0)) / channel.length;
    });

  it('repaired do not darken the picture', async () => {
    const grey = { ...flat(128, 128), data: flat(128, 128).data.fill(128 / 255) };
    for (const o of NOISE_ORDERS) {
      const image = await noiseImage(grey, new Random(4), 'repaired', { order: o, level: 10, quality: 75 });
      // The noise's own mean over 32 x 32 x 3 values strays by about 0.2.
      const overall = channelMeans(image).reduce((x, y) => x + y) / 3;
      expect(Math.abs(overall - 128), o.join()).toBeLessThan(0.4);
    }
  });

  it('have red and blue swapped when released, not when repaired', async () => {
    const red = { ...flat(128, 128), data: flat(128, 128).data.map((_, i) => (i % 3 === 0 ? 1 : 0)) };
    const one: NoiseDraw = { order: order('noise', 'jpeg', 'down'), level: 5, quality: 95 };
    const repaired = channelMeans(await noiseImage(red, new Random(1), 'repaired', one));
    expect(repaired[0] - repaired[2]).toBeGreaterThan(200);
    // Red adds up to one grey level to the rectified noise before it is truncated: half a level on average.
    const released = channelMeans(await noiseImage(red, new Random(1), 'released', one));
    expect(released[2] - released[0]).toBeGreaterThan(0.3);
    expect(released[2] - released[0]).toBeLessThan(0.7);
  });

  it('draw each order, level and quality of the recipe alike', () => {
    const random = new Random(3);
    const draws = Array.from({ length: 6000 }, () => drawNoise(random));
    for (const o of NOISE_ORDERS) {
      const share = draws.filter((d) => d.order === o).length / draws.length;
      expect(Math.abs(share - 1 / 6)).toBeLessThan(0.02);
    }
    const range = (values: number[]): number[] => [Math.min(...values), Math.max(...values)];
    expect(range(draws.map((d) => d.level))).toEqual([5, 30]);
    expect(range(draws.map((d) => d.quality))).toEqual([60, 95]);
  });

  it('refuse sides that are no multiple of 4', async () => {
    await expect(noiseImage(flat(30, 32), new Random(1), 'released')).rejects.toThrow(InputError);
  });
});
