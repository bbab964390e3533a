import { describe, expect, it } from 'vitest';
import { commonScale, heat } from '../../src/image/heat';
import { blankImage } from '../../src/image/image';

describe('Error maps', () => {
  it('have one scale: what 0.5 % of all their pixels exceed', () => {
    const even = blankImage(20, 20, 1);
    const rising = blankImage(20, 30, 1);
    rising.data.forEach((_, i) => (rising.data[i] = (i + 1) / 1000));
    // A thousand pixels: 400 zeros and 0.001 to 0.6.
    expect(commonScale([even, rising])).toBeCloseTo(0.595, 6);
    expect(commonScale([rising, even])).toBe(commonScale([even, rising]));
    expect(commonScale([even])).toBe(1 / 255); // nothing is off: no division by zero
  });

  it('are black at 0, white at the scale and above, red and yellow between', () => {
    const plane = { ...blankImage(4, 1, 1), data: Float32Array.of(0, 0.2, 0.4, 0.9) };
    expect([...heat(plane, 0.6).data].map((v) => Math.round(v * 1e6) / 1e6)).toEqual([
      ...[0, 0, 0],
      ...[1, 0, 0],
      ...[1, 1, 0],
      ...[1, 1, 1],
    ]);
  });
});
