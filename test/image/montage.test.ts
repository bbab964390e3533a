import { describe, expect, it } from 'vitest';
import { blankImage } from '../../src/image/image';
import { inRows, montage, type Panel } from '../../src/image/montage';

const panels = (count: number): Panel[] =>
  Array.from({ length: count }, (_, i) => ({ image: blankImage(4, 4), caption: String(i) }));

describe('inRows', () => {
  it.each([
    [3, [3]],
    [8, [8]],
    [9, [5, 4]],
    [12, [6, 6]],
    [17, [6, 6, 5]],
  ])('%i panels, at most 8 beside each other', (count, lengths) => {
    const rows = inRows(panels(count), 8);
    expect(rows.map((row) => row.length)).toEqual(lengths);
    expect(rows.flat().map(({ caption }) => Number(caption))).toEqual(
      Array.from({ length: count }, (_, i) => i),
    );
  });
});

describe('montage', () => {
  it('is as wide as its longest row', async () => {
    const { width, height } = await montage(inRows(panels(9), 8), 10);
    expect([width, height]).toEqual([8 + 5 * 48, 8 + 2 * (40 + 22 + 8)]);
  });

  it('refuses pictures of different sizes', async () => {
    const other = { image: blankImage(4, 5), caption: 'other' };
    await expect(montage([[...panels(1), other]])).rejects.toThrow("'0' is 4x4, 'other' is 4x5");
  });
});
