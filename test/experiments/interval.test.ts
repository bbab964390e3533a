import { describe, expect, it } from 'vitest';
import { interval95, intervalText } from '../../src/experiments/interval';

describe('The 95 % interval of a mean', () => {
  it('is the textbook one: 1, 2, 3 give 2 ± 4.303 / sqrt(3)', () => {
    const { mean, half, count } = interval95([1, 2, 3]);
    expect([mean, count]).toEqual([2, 3]);
    expect(half).toBeCloseTo(4.303 / Math.sqrt(3), 10);
  });

  it('narrows to the normal one with many values', () => {
    const values = Array.from({ length: 400 }, (_, i) => i % 2);
    expect(interval95(values).half).toBeCloseTo((1.96 * 0.5) / Math.sqrt(399), 6);
  });

  it('has no width for one value, and says so', () => {
    expect(intervalText(interval95([27.456]), 2)).toBe('27.46');
    expect(interval95([27, Infinity])).toEqual({ mean: Infinity, count: 2 }); // equal pictures have this PSNR
    expect(intervalText(interval95([27, 28]), 2)).toBe('27.50 ± 6.35');
  });
});
