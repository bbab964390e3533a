import { describe, expect, it } from 'vitest';
import { bsrganDegradation } from '../../src/data/bsrgan';
import { bicubicDegradation } from '../../src/data/degradation';
import { PairLoader } from '../../src/data/loader';
import { pixelsOf, type PairSet } from '../../src/data/pairs';
import { drawScene } from '../../src/data/scenes';
import { toUint8 } from '../../src/image/quantise';
import { cropImage } from '../../src/image/image';
import { imresize } from '../../src/image/resize';
import { Random } from '../../src/util/random';

const hr = drawScene('degradation', 160, 128);
const whole = imresize(hr, 0.25, { rounding: 'final' });
/** The pair's own LR is black: whoever uses it is found out. */
const pairs: PairSet = {
  description: 'one scene',
  size: 1,
  load: () =>
    Promise.resolve({
      name: 'scene',
      hr: pixelsOf(hr),
      lr: { width: 40, height: 32, data: new Uint8Array(40 * 32 * 3) },
    }),
  fingerprint: () => '',
};

describe('a degraded patch', () => {
  it('by bicubic is the patch of the whole LR picture, at every place and in every symmetry', async () => {
    const patch = 24;
    const loader = new PairLoader(pairs, { patch, batch: 4, seed: 1, degradation: bicubicDegradation });
    const patches = new Set<string>();
    const key = (data: ArrayLike<number>): string => Buffer.from(Uint8Array.from(data)).toString('base64');
    for (let y = 0; y <= 32 - patch; y++) {
      for (let x = 0; x <= 40 - patch; x++) patches.add(key(toUint8(cropImage(whole, x, y, patch, patch))));
    }
    // Only the patches that were not turned can be looked up.
    let found = 0;
    for (let step = 1; step <= 30; step++) {
      const { lr, hr } = await loader.batch(step);
      for (let k = 0; k < 4; k++) {
        const data = lr.slice(k * patch * patch * 3, (k + 1) * patch * patch * 3);
        const image = { width: patch, height: patch, channels: 3, data };
        if (patches.has(key(toUint8(image)))) found++;
        // Whatever the symmetry: the LR patch is the shrunk HR patch, away from its edges.
        const n = 4 * patch;
        const hrPatch = {
          width: n,
          height: n,
          channels: 3,
          data: hr.slice(k * n * n * 3, (k + 1) * n * n * 3),
        };
        const shrunk = cropImage(imresize(hrPatch, 0.25, { rounding: 'final' }), 2, 2, 20, 20);
        expect(toUint8(cropImage(image, 2, 2, 20, 20))).toEqual(toUint8(shrunk));
      }
    }
    expect(found).toBeGreaterThan(5);
    expect(found).toBeLessThan(40);
  });

  it('is the same again for the same seed and iteration, and another for the next', async () => {
    const options = { patch: 16, batch: 2, seed: 3, degradation: bsrganDegradation };
    const [a, b] = [new PairLoader(pairs, options), new PairLoader(pairs, options)];
    await a.batch(1);
    const [first, again, next] = [await a.batch(2), await b.batch(2), await b.batch(3)];
    expect(first).toEqual(again);
    expect(next.lr).not.toEqual(first.lr);
  });
});

describe('the bsrgan-like degradation', () => {
  const window = drawScene('window', 160, 160);
  const clean = imresize(window, 0.25);

  it('gives whole grey levels, and hurts some pictures much more than others', async () => {
    const errors: number[] = [];
    for (let i = 0; i < 24; i++) {
      const lr = await bsrganDegradation.lrOf(window, new Random(i));
      expect([lr.width, lr.height]).toEqual([40, 40]);
      for (const v of lr.data) expect(Math.abs(v * 255 - Math.round(v * 255))).toBeLessThan(1e-4);
      const [found, expected] = [lr, clean].map((image) => cropImage(image, 12, 12, 16, 16).data);
      errors.push(255 * Math.sqrt(found.reduce((s, v, k) => s + (v - expected[k]) ** 2, 0) / found.length));
    }
    errors.sort((a, b) => a - b);
    expect(errors[0]).toBeGreaterThan(5); // grey levels
    expect(errors.at(-1)).toBeGreaterThan(1.4 * errors[0]);
  });

  it('moves nothing: a ramp stays where it was, on average', async () => {
    const side = 160;
    const slope = 0.6 / side;
    const data = Float32Array.from(
      { length: side * side * 3 },
      (_, i) => 0.2 + slope * (Math.floor(i / 3) % side),
    );
    const ramp = { width: side, height: side, channels: 3, data };
    let offset = 0;
    for (let i = 0; i < 40; i++) {
      const lr = cropImage(await bsrganDegradation.lrOf(ramp, new Random('ramp', i)), 12, 12, 16, 16);
      // LR pixel x, in the middle of its four HR pixels, sees the ramp at 4 x + 1.5.
      lr.data.forEach((v, k) => {
        const x = 12 + (Math.floor(k / 3) % 16);
        offset += (v - 0.2 - slope * (4 * x + 1.5)) / slope / lr.data.length / 40;
      });
    }
    expect(Math.abs(offset)).toBeLessThan(0.5); // HR pixels
  });

  it('begins the blocks of its JPEG anywhere', async () => {
    const starts = new Set<number>();
    for (let i = 0; i < 60; i++) {
      const lr = await bsrganDegradation.lrOf(window, new Random('grid', i));
      // Lines of the margin that the degradation left out are black.
      let top = 0;
      while (top < 8 && lr.data.subarray(top * 120, (top + 1) * 120).every((v) => v === 0)) top++;
      starts.add(top);
    }
    expect([...starts].sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  });
});
