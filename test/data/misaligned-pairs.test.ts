import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CAMERA_PRESETS } from '../../src/data/camera-presets';
import { misalignedPairs } from '../../src/data/misaligned-pairs';
import { originOf, reopenPairs } from '../../src/data/pair-source';
import { filePairs, type PairSet, type Pixels } from '../../src/data/pairs';
import { drawScene } from '../../src/data/scenes';
import { writeImage } from '../../src/image/file';
import { imresize } from '../../src/image/resize';

const root = mkdtempSync(join(tmpdir(), 'mimicsr-misaligned-'));
const COUNT = 6;
let pairs: PairSet;

/** The part of a picture that begins at (left, top). */
function part({ width, data }: Pixels, left: number, top: number, w: number, h: number): Buffer {
  const rows = Array.from({ length: h }, (_, y) => {
    const start = 3 * ((top + y) * width + left);
    return data.subarray(start, start + 3 * w);
  });
  return Buffer.concat(rows);
}

describe('Real pairs that are misaligned on purpose', () => {
  beforeAll(async () => {
    const files = Array.from({ length: COUNT }, (_, i) => ({
      name: `p${i}`,
      hr: join(root, `p${i}_HR.png`),
      lr: join(root, `p${i}_LR.png`),
    }));
    for (const { name, hr, lr } of files) {
      const scene = drawScene(name, 128, 96);
      await writeImage(hr, scene);
      await writeImage(lr, imresize(scene, 1 / 4));
    }
    pairs = filePairs(files, 'pairs');
  });
  afterAll(() => rmSync(root, { recursive: true, force: true }));

  it('keep the LR as it was taken; the HR is moved by whole pixels, as far as the preset says', async () => {
    const moved = misalignedPairs(pairs, 'srraw-geometry');
    const [least, most] = CAMERA_PRESETS['srraw-geometry'].misalignment;
    for (let i = 0; i < COUNT; i++) {
      const [before, after] = [await pairs.load(i), await moved.load(i)];
      const { width, height } = after.lr;
      const margin = (before.lr.width - width) / 2;
      expect([before.lr.height - height, after.hr.width, after.hr.height]).toEqual([
        2 * margin,
        4 * width,
        4 * height,
      ]);
      expect(part(before.lr, margin, margin, width, height).equals(after.lr.data)).toBe(true);
      const found: number[] = [];
      for (let x = -4 * margin; x <= 4 * margin; x++) {
        for (let y = -4 * margin; y <= 4 * margin; y++) {
          const there = part(before.hr, 4 * margin + x, 4 * margin + y, 4 * width, 4 * height);
          if (there.equals(after.hr.data)) found.push(Math.hypot(x, y) / 4);
        }
      }
      expect(found).toHaveLength(1);
      expect(found[0]).toBeGreaterThan(least - 0.18); // each way by up to half a HR pixel, for whole ones
      expect(found[0]).toBeLessThan(most + 0.18);
    }
  });

  it('have other colours, one change for a whole picture', async () => {
    const [before, after] = [await pairs.load(0), await misalignedPairs(pairs, 'srraw-colour').load(0)];
    expect(after.lr).toEqual(before.lr);
    expect(after.hr.width).toBe(before.hr.width);
    const differences = before.hr.data.map((v, i) => Math.abs(v - after.hr.data[i]));
    expect(differences.reduce((sum, d) => sum + d, 0) / differences.length).toBeGreaterThan(3);
    expect((await misalignedPairs(pairs, 'aligned').load(0)).hr).toEqual(before.hr);
  });

  it('are the same for whoever opens them, a loader thread too, and are not taken for others', async () => {
    const moved = misalignedPairs(pairs, 'srraw-like');
    const again = reopenPairs(moved.source!);
    expect(await again.load(3)).toEqual(await moved.load(3));
    expect(again.fingerprint()).toBe(moved.fingerprint());
    expect(originOf(moved.source!, 3)).toContain('p3_LR.png');
    const prints = [pairs, moved, misalignedPairs(pairs, 'realsr-like')].map((set) => set.fingerprint());
    expect(new Set(prints).size).toBe(3);
  });

  it('are refused where nothing would be left of them', async () => {
    const tiny = { width: 2, height: 2, data: new Uint8Array(12) };
    const hr = { width: 8, height: 8, data: new Uint8Array(192) };
    const set: PairSet = { ...pairs, load: () => Promise.resolve({ name: 'tiny', lr: tiny, hr }) };
    await expect(misalignedPairs(set, 'srraw-like').load(0)).rejects.toThrow(
      /tiny has 2x2 LR pixels: too few/,
    );
  });
});
