import { afterAll, describe, expect, test } from 'vitest';
import { fftRows, planeOf, spectrumOf } from '../../src/metrics/fourier';
import { MetricKernels } from '../../src/metrics/kernels';
import { Random } from '../../src/util/random';

/** NRQM's kernels against their definitions. */
const kernels = new MetricKernels(2);
afterAll(() => kernels.end());
const random = new Random(3, 'kernels');
const noise = (n: number): Float64Array =>
  kernels.put(Float64Array.from({ length: n }, () => random.normal()));

describe('Fourier transforms', () => {
  // Every radix, products of them, primes as radices, and lengths of Bluestein's algorithm (131, 262, 149).
  test.each([1, 2, 3, 4, 5, 7, 8, 12, 15, 30, 49, 64, 113, 131, 262, 149])(
    'of length %i are the sums that define them',
    (n) => {
      kernels.scope(() => {
        const rows = 5;
        const [re, im] = [noise(rows * n), noise(rows * n)];
        const [x, y] = [re.slice(), im.slice()];
        fftRows(kernels, re, im, rows, n);
        for (let r = 0; r < rows; r++) {
          for (let k = 0; k < n; k++) {
            let [a, b] = [0, 0];
            for (let i = 0; i < n; i++) {
              const angle = (-2 * Math.PI * ((i * k) % n)) / n;
              a += x[r * n + i] * Math.cos(angle) - y[r * n + i] * Math.sin(angle);
              b += x[r * n + i] * Math.sin(angle) + y[r * n + i] * Math.cos(angle);
            }
            expect(Math.abs(re[r * n + k] - a) + Math.abs(im[r * n + k] - b)).toBeLessThan(1e-11);
          }
        }
      });
    },
  );

  test.each([
    [8, 6],
    [7, 5],
    [6, 9],
    [131, 4],
  ])('of a plane of %i x %i: the half that is kept is right, and the plane comes back', (width, height) => {
    kernels.scope(() => {
      const plane = noise(width * height);
      const { re, im } = spectrumOf(kernels, plane, width, height);
      for (let u = 0; u <= width >> 1; u++) {
        for (let v = 0; v < height; v++) {
          let [a, b] = [0, 0];
          for (let i = 0; i < plane.length; i++) {
            const angle = -2 * Math.PI * (((i % width) * u) / width + (Math.floor(i / width) * v) / height);
            a += plane[i] * Math.cos(angle);
            b += plane[i] * Math.sin(angle);
          }
          expect(Math.abs(re[u * height + v] - a) + Math.abs(im[u * height + v] - b)).toBeLessThan(1e-10);
        }
      }
      const back = kernels.float64(plane.length);
      planeOf(kernels, { width, height, re, im }, back);
      back.forEach((v, i) => expect(Math.abs(v - plane[i])).toBeLessThan(1e-12));
    });
  });
});

test.each([3, 14, 15])('second moments and quadratic forms of %i components', (count) => {
  kernels.scope(() => {
    const [rows, columns, stride] = [3, 401, 410];
    const planes = Array.from({ length: count }, () => noise(rows * stride));
    const sources = kernels.int32(planes.map((p) => p.byteOffset));
    const sums = kernels.float64(rows * count * count).fill(0);
    kernels.run('secondMoments', [sources, count, stride, columns, sums], rows, 1);
    const form = noise((count * (count + 1)) / 2);
    const out = kernels.float64(rows * columns);
    kernels.run('quadraticForm', [sources, count, stride, columns, form, out], rows, 1);
    for (let row = 0; row < rows; row++) {
      for (let i = 0; i < count; i++) {
        for (let j = i; j < count; j++) {
          let sum = 0;
          for (let x = 0; x < columns; x++) sum += planes[i][row * stride + x] * planes[j][row * stride + x];
          expect(sums[(row * count + i) * count + j]).toBeCloseTo(sum, 9);
        }
      }
      for (let x = 0; x < columns; x++) {
        let [sum, f] = [0, 0];
        for (let i = 0; i < count; i++) {
          for (let j = i; j < count; j++)
            sum += form[f++] * planes[i][row * stride + x] * planes[j][row * stride + x];
        }
        expect(out[row * columns + x]).toBeCloseTo(sum, 9);
      }
    }
  });
});

test.each([11, 12, 40])('contrast and structure of planes %i wide', (width) => {
  kernels.scope(() => {
    const height = 30;
    const planes = Array.from({ length: 3 }, () => noise(width * height));
    const pairs = [0, 1, 2, 1, 0, 0];
    const half = Float64Array.from({ length: 6 }, (_, k) => Math.exp(-((k - 5) ** 2) / 4.5));
    const total = 2 * half.reduce((a, b) => a + b, 0) - half[5];
    const window = half.map((w) => w / total);
    const at = (k: number): number => window[Math.min(k, 10 - k)];
    const [rows, columns, c2] = [height - 10, width - 10, 0.1];
    for (const least of [-Infinity, 0]) {
      const sums = kernels.float64(rows * 3);
      const scratch = kernels.float64(Math.ceil(rows / 4) * 8 * width);
      const pointers = kernels.int32(planes.map((p) => p.byteOffset));
      const args = [
        pointers,
        3,
        kernels.int32(pairs),
        3,
        width,
        kernels.put(window),
        c2,
        least,
        scratch,
        sums,
        4,
      ];
      kernels.run('contrastStructure', args, rows, 4);
      for (let y = 0; y < rows; y++) {
        for (let pair = 0; pair < 3; pair++) {
          const [a, b] = [planes[pairs[2 * pair]], planes[pairs[2 * pair + 1]]];
          let sum = 0;
          for (let x = 0; x < columns; x++) {
            const mean = (f: (i: number) => number): number => {
              let m = 0;
              for (let k = 0; k < 121; k++) {
                const [dy, dx] = [Math.floor(k / 11), k % 11];
                m += at(dy) * at(dx) * f((y + dy) * width + x + dx);
              }
              return m;
            };
            const [ma, mb] = [mean((i) => a[i]), mean((i) => b[i])];
            const covariance = mean((i) => a[i] * b[i]) - ma * mb;
            const variances = mean((i) => a[i] ** 2) - ma * ma + mean((i) => b[i] ** 2) - mb * mb;
            sum += Math.max((2 * covariance + c2) / (variances + c2), least);
          }
          expect(sums[y * 3 + pair]).toBeCloseTo(sum, 9);
        }
      }
    }
  });
});

test('what a scope allocates is given back', () => {
  const before = kernels.float64(1).byteOffset;
  kernels.scope(() => kernels.float64(1000));
  expect(kernels.float64(1).byteOffset).toBe(before + 64);
});
