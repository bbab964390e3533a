import { describe, expect, it } from 'vitest';
import { correlate, gaussianBlur, gaussianShrink, interpolate } from '../../src/image/filter';
import type { Image } from '../../src/image/image';
import { interpolationMatrix } from '../../src/ops/resize';
import { Random } from '../../src/util/random';

function noisePicture(width: number, height: number, channels = 3): Image {
  const random = new Random(1, width, height);
  return {
    width,
    height,
    channels,
    data: Float32Array.from({ length: width * height * channels }, () => random.uniform()),
  };
}

/** Its value is its column. */
function ramp(width: number, height: number): Image {
  return {
    width,
    height,
    channels: 1,
    data: Float32Array.from({ length: width * height }, (_, i) => i % width),
  };
}

function largestDifference(a: Image, b: Image): number {
  expect([a.width, a.height, a.channels]).toEqual([b.width, b.height, b.channels]);
  return a.data.reduce((m, v, i) => Math.max(m, Math.abs(v - b.data[i])), 0);
}

describe("OpenCV's resizes", () => {
  it.each([
    ['linear', 'bilinear', 11, 7],
    ['linear', 'bilinear', 31, 26],
    ['cubic', 'bicubic', 11, 7],
    ['cubic', 'bicubic', 31, 26],
  ] as const)(
    '%s is the half-pixel %s of PyTorch (%i x %i), away from the edges',
    (by, mode, width, height) => {
      const image = noisePicture(20, 17, 1);
      const found = interpolate(image, width, height, by);
      const rows = interpolationMatrix(17, height, { mode });
      const columns = interpolationMatrix(20, width, { mode });
      for (let y = 2; y < height - 2; y++) {
        for (let x = 2; x < width - 2; x++) {
          let sum = 0;
          for (let v = 0; v < 17; v++) {
            for (let u = 0; u < 20; u++)
              sum += rows.data[y * 17 + v] * columns.data[x * 20 + u] * image.data[v * 20 + u];
          }
          expect(Math.abs(found.data[y * width + x] - sum)).toBeLessThan(1e-5);
        }
      }
    },
  );

  it('area is the mean of the covered pixels, whole and in parts', () => {
    const image = ramp(12, 6);
    // 12 to 5: output 0 covers pixels 0, 1 and 0.4 of pixel 2.
    const found = interpolate(image, 5, 3, 'area');
    expect(found.data[0]).toBeCloseTo((0 + 1 + 0.4 * 2) / 2.4, 5);
    // 3 to 4: output 1 covers the last quarter of pixel 0 and the first half of pixel 1.
    expect(interpolate(ramp(3, 2), 4, 2, 'area').data[1]).toBeCloseTo(0.5 / 0.75, 5);
  });
});

describe('Gaussian filters', () => {
  it('a blur is the correlation with its kernel', () => {
    const image = noisePicture(15, 12);
    const sigma = 1.3;
    const side = 9;
    const raw = Float64Array.from({ length: side * side }, (_, i) => {
      const [x, y] = [(i % side) - 4, Math.floor(i / side) - 4];
      return Math.exp(-(x * x + y * y) / (2 * sigma * sigma));
    });
    const sum = raw.reduce((a, b) => a + b, 0);
    const kernel = raw.map((v) => v / sum);
    expect(largestDifference(gaussianBlur(image, sigma, side), correlate(image, kernel, side))).toBeLessThan(
      1e-6,
    );
  });

  it('the narrowest blur leaves a picture as it is', () => {
    const image = noisePicture(9, 8);
    expect(largestDifference(gaussianBlur(image, 1e-6, 25), image)).toBe(0);
  });

  it('sampling looks at the middle of every block', () => {
    for (const sigma of [1e-3, 0.4, 1.7]) {
      const found = gaussianShrink(ramp(48, 8), 4, sigma);
      expect([found.width, found.height]).toEqual([12, 2]);
      for (let x = 3; x < 9; x++) expect(found.data[x]).toBeCloseTo(4 * x + 1.5, 4);
    }
  });

  it('an uneven kernel is not turned: the weight to the right takes from the right', () => {
    const kernel = new Float64Array(9);
    kernel[5] = 1; // right of the centre
    const found = correlate(ramp(6, 3), kernel, 3);
    expect([...found.data.slice(0, 6)]).toEqual([1, 2, 3, 4, 5, 5]);
  });
});
