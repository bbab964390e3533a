import { describe, expect, it } from 'vitest';
import { rgbToLab } from '../../src/image/colour';
import type { Image } from '../../src/image/image';
import { ciede2000, ciede2000Map, ciede2000Metric, meanCiede2000 } from '../../src/metrics/ciede2000';
import { permute } from '../../src/nn/parameter';
import { Golden } from '../golden';
import { NO_SHARED, SHARED } from '../shared';

describe.skipIf(SHARED === undefined)(`CIEDE2000 against its golden (${NO_SHARED})`, () => {
  const golden = SHARED === undefined ? undefined! : Golden.read('alignment', 'ciede2000.safetensors');
  const row = (key: string, i: number): [number, number, number] => {
    const { data } = golden.get(key);
    return [data[3 * i], data[3 * i + 1], data[3 * i + 2]];
  };
  const picture = (key: string): Image => {
    const { shape, data } = golden.get(key);
    const [, channels, height, width] = shape;
    return { width, height, channels, data: permute(data, shape, [0, 2, 3, 1]) };
  };

  it('has the published value of all 34 test pairs', () => {
    const table = golden.get('sharma.table').data;
    // Two pairs lie on a hue difference of exactly 180 degrees, where rounding chooses the side.
    const other = new Map([
      [9, [7.2195, 7.1792]],
      [13, [4.7461, 4.8045]],
    ]);
    for (let i = 0; i < 34; i++) {
      const found = ciede2000(row('sharma.lab1', i), row('sharma.lab2', i));
      const distance = Math.min(...(other.get(i) ?? [table[i]]).map((v) => Math.abs(found - v)));
      expect(distance, `pair ${i + 1}: ${found}, published ${table[i]}`).toBeLessThanOrEqual(1e-4);
    }
  });

  it('halves lightness differences with kL = 2 as the reference does', () => {
    const expected = golden.get('sharma.kL2').data;
    for (let i = 0; i < 34; i++) {
      if (i === 9 || i === 13) continue;
      const found = ciede2000(row('sharma.lab1', i), row('sharma.lab2', i), { kL: 2 });
      expect(Math.abs(found - expected[i]), `pair ${i + 1}`).toBeLessThanOrEqual(1e-4);
    }
  });

  it('is symmetric', () => {
    for (let i = 0; i < 34; i++) {
      const [a, b] = [row('sharma.lab1', i), row('sharma.lab2', i)];
      expect(Math.abs(ciede2000(a, b) - ciede2000(b, a))).toBeLessThan(1e-9);
    }
  });

  it('agrees on photographs: Lab, map and mean', async () => {
    const [first, second] = [picture('img1'), picture('img2')];
    for (const [image, key] of [
      [first, 'lab1'],
      [second, 'lab2'],
    ] as const) {
      const expected = picture(key).data;
      const worst = rgbToLab(image).data.reduce((m, v, i) => Math.max(m, Math.abs(v - expected[i])), 0);
      expect(worst, key).toBeLessThan(1e-4);
    }
    const map = ciede2000Map(first, second);
    const expected = golden.get('map').data;
    expect(map.reduce((m, v, i) => Math.max(m, Math.abs(v - expected[i])), 0)).toBeLessThan(1e-4);
    expect(Math.abs(meanCiede2000(first, second) - golden.scalar('mean'))).toBeLessThan(1e-4);
    expect(await ciede2000Metric.score(first, second)).toBe(meanCiede2000(first, second));
    expect(ciede2000Metric.better).toBe('lower');
  });
});

describe('CIEDE2000', () => {
  it('refuses pictures of different sizes and missing references', async () => {
    const image = (width: number): Image => ({
      width,
      height: 1,
      channels: 3,
      data: new Float32Array(3 * width),
    });
    expect(() => meanCiede2000(image(2), image(3))).toThrow(/3x1x3/);
    await expect(ciede2000Metric.score(image(2))).rejects.toThrow(/reference/);
  });
});
