import { describe, expect, it } from 'vitest';
import { pseudoGtQuality } from '../../src/baselines/pseudo-gt-quality';
import { pixelsOf, type PairSet } from '../../src/data/pairs';
import { drawScene } from '../../src/data/scenes';
import { gaussianBlur } from '../../src/image/filter';
import { cropImage, type Image } from '../../src/image/image';
import { imresize } from '../../src/image/resize';
import { Random } from '../../src/util/random';

const set = (pairs: readonly { lr: Image; hr: Image }[]): PairSet => ({
  size: pairs.length,
  description: 'test',
  fingerprint: () => '',
  load: (i) => Promise.resolve({ name: `${i}`, lr: pixelsOf(pairs[i].lr), hr: pixelsOf(pairs[i].hr) }),
});

describe('The quality of pseudo-GT', () => {
  const scene = drawScene('quality', 400, 400);
  const hr = cropImage(scene, 40, 40, 320, 320);
  const moved = cropImage(scene, 44, 40, 320, 320); // one LR pixel to the left
  const darker = { ...moved, data: moved.data.map((v) => 0.8 * v) };
  const pairs = set([{ lr: imresize(moved, 1 / 4), hr }]);
  const of = (image: Image) => pseudoGtQuality(pairs, set([{ lr: imresize(moved, 1 / 4), hr: image }]), 5);

  it('says how far the HR was off, and that a perfect pseudo-GT is not', async () => {
    const quality = (await of(moved))!;
    expect(quality.pairs).toBe(1);
    expect(Math.abs(quality.hrOffBy - 1)).toBeLessThan(0.15);
    expect(quality.offBy).toBeLessThan(0.05);
    const untouched = (await of(hr))!;
    expect(untouched.offBy).toBeCloseTo(untouched.hrOffBy, 6);
    expect([untouched.colour, untouched.spectrum]).toEqual([0, 0]);
  });

  it('sees colours that are off and details that are lost', async () => {
    const [perfect, dark, blurred] = [
      await of(moved),
      await of(darker),
      await of(gaussianBlur(moved, 2, 13)),
    ];
    expect(dark!.colour).toBeGreaterThan(perfect!.colour + 3);
    expect(blurred!.spectrum).toBeGreaterThan(perfect!.spectrum + 5);
    expect(blurred!.offBy).toBeLessThan(0.1);
  });

  it('is not moved by a pair that shows nothing', async () => {
    const random = new Random(1);
    const wall = (side: number): Image => {
      const image = { ...hr, width: side, height: side };
      return {
        ...image,
        data: Float32Array.from({ length: 3 * side * side }, () => 0.5 + 0.01 * random.uniform()),
      };
    };
    const plain = { lr: wall(80), hr: wall(320) };
    const good = { lr: imresize(moved, 1 / 4), hr };
    const alone = (await pseudoGtQuality(set([plain]), set([plain]), 5))!;
    const three = (await pseudoGtQuality(set([good, plain, good]), set([good, plain, good]), 5))!;
    expect(Math.abs(alone.hrOffBy - 1)).toBeGreaterThan(0.2); // by chance
    expect(Math.abs(three.hrOffBy - 1)).toBeLessThan(0.15);
  });

  it('has nothing to say of pairs that are too small to measure', async () => {
    const tiny = set([{ lr: cropImage(scene, 0, 0, 16, 16), hr: cropImage(scene, 0, 0, 64, 64) }]);
    expect(await pseudoGtQuality(tiny, tiny, 5)).toBeUndefined();
  });
});
