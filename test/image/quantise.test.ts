import { describe, expect, test } from 'vitest';
import { fromIntegers, roundHalfToEven, toUint16, toUint8 } from '../../src/image/quantise';
import { InputError } from '../../src/util/errors';
import { flatPicture } from './pictures';

describe('quantisation', () => {
  test('halves go to the even neighbour, everything else to the nearest', () => {
    const cases = [0.5, 1.5, 2.5, 3.5, 254.5, -0.5, -1.5, 0.49999999999999994, 2.500001, 7];
    expect(cases.map(roundHalfToEven)).toEqual([0, 2, 2, 4, 254, 0, -2, 0, 3, 7]);
  });

  test('every 8-bit and 16-bit value survives the trip through float32', () => {
    const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
    expect(toUint8(fromIntegers(bytes, 16, 16, 1))).toEqual(bytes);
    const words = Uint16Array.from({ length: 65536 }, (_, i) => i);
    expect(toUint16(fromIntegers(words, 256, 256, 1))).toEqual(words);
  });

  test('the product is rounded to float32 before it is rounded to an integer, as in BasicSR', () => {
    // 0.5/255 in float32 lies above the half, times 255 in float64 too; in float32 the product is the half itself.
    const v = Math.fround(0.5 / 255);
    expect(v * 255).toBeGreaterThan(0.5);
    expect(Math.fround(v * 255)).toBe(0.5);
    expect([...toUint8({ width: 1, height: 1, channels: 1, data: Float32Array.of(v) })]).toEqual([0]);
  });

  test('values outside [0,1] are clamped, values that are not finite are refused with their place', () => {
    expect([...toUint8(flatPicture(1, 1, 7))]).toEqual([255, 255, 255]);
    expect([...toUint16(flatPicture(1, 1, -7))]).toEqual([0, 0, 0]);
    const image = flatPicture(3, 2, 0);
    image.data[(1 * 3 + 2) * 3 + 1] = NaN;
    for (const quantise of [toUint8, toUint16]) {
      expect(() => quantise(image)).toThrow(InputError);
      expect(() => quantise(image)).toThrow('NaN at x 2, y 1, channel 1');
    }
  });
});
