import { describe, expect, it } from 'vitest';
import { drawScene } from '../../src/data/scenes';
import { blankImage, cropImage, type Image } from '../../src/image/image';
import { enlargePixels } from '../../src/image/montage';
import { imresize } from '../../src/image/resize';
import { DISPLAY } from '../../src/notebook/kernel';
import { compare, errorMaps } from '../../src/notebook/picture';

const HR = drawScene(1, 96, 64);
const LR = imresize(HR, 1 / 4);
/** The montage's margins: 8 pixels between panels, 22 for a caption. */
const panel = (image: Image, column: number, side: number): Image =>
  cropImage(image, 8 + column * (side + 8), 8, side, side);
/** Files have 8 bits. */
const steps = (a: Image, b: Image): number =>
  Math.max(...a.data.map((v, i) => Math.abs(v - Math.min(1, Math.max(0, b.data[i]))) * 255));

describe('compare', () => {
  it('cuts the same square of every picture, the small ones enlarged, and zooms by whole pixels', async () => {
    const at = { left: 8, top: 16 };
    const { image } = await compare({ LR, bicubic: imresize(LR, 4), HR }, { side: 32, zoom: 2, at });
    expect([image.width, image.height]).toEqual([8 + 4 * 72, 8 + 64 + 22 + 8]);
    expect(steps(panel(image, 1, 64), enlargePixels(cropImage(LR, 2, 4, 8, 8), 8))).toBeLessThan(0.51);
    expect(steps(panel(image, 3, 64), enlargePixels(cropImage(HR, 8, 16, 32, 32), 2))).toBeLessThan(0.51);
    const bundle = await (await compare({ LR, HR }))[DISPLAY]();
    expect(
      Buffer.from(bundle['image/png'] as string, 'base64')
        .subarray(1, 4)
        .toString(),
    ).toBe('PNG');
  });

  it('frames the square in the overview', async () => {
    const { image } = await compare({ HR }, { side: 32, zoom: 1, at: { left: 48, top: 32 } });
    // 96 pixels shrunk to 32: the square begins at (16, 10).
    const red = panel(image, 0, 32).data.subarray((10 * 32 + 20) * 3, (10 * 32 + 20) * 3 + 3);
    expect([...red]).toEqual([1, 0, 0]);
  });

  it('refuses sizes that do not fit, and nothing', async () => {
    await expect(compare({ a: blankImage(40, 40), HR })).rejects.toThrow(
      /'a' is 40x40: expected a size that divides 96x64/,
    );
    await expect(compare({})).rejects.toThrow(/at least one picture/);
  });
});

describe('errorMaps', () => {
  it('has all maps on one scale: the same error is the same colour', async () => {
    const off = (by: number): Image => ({
      ...HR,
      data: HR.data.map((v, i) => (i < 96 * 32 * 3 ? v + by : v)),
    });
    const { image } = await errorMaps({ large: off(0.5), small: off(0.25) }, HR, { most: 127.5 });
    const colour = (left: number, top: number): number[] => [...cropImage(image, left, top, 1, 1).data];
    expect(colour(20, 20)).toEqual([1, 1, 1]); // at the scale's end
    const half = colour(20 + 104, 20); // in its middle: red full, green half
    expect(half[0]).toBe(1);
    expect(half[1]).toBeCloseTo(0.5, 2);
    expect(colour(20, 60)).toEqual([0, 0, 0]);
    const valid = { ...blankImage(96, 64, 1), data: new Float32Array(96 * 64).fill(1, 96 * 32) };
    const lower = await errorMaps({ large: off(0.5) }, HR, { most: 127.5, valid });
    expect([...cropImage(lower.image, 20, 20, 1, 1).data]).toEqual([0, 0, 0]);
  });
});
