/**
 * Linear filters that picture degradations are made of: OpenCV's resizes (no antialiasing but in `area`), Gaussian blur,
 * Gaussian sampling, and any small kernel. Beyond its edges a picture is its mirror image. Pictures of any number of
 * channels and any values; nothing is clamped.
 */
import { blankImage, mirror, type Image } from './image';
import { applyAxes, type AxisWeights } from './resize';

export const INTERPOLATIONS = ['linear', 'cubic', 'area'] as const;
export type Interpolation = (typeof INTERPOLATIONS)[number];

/**
 * The picture at another size as OpenCV's `resize` gives it: `linear` and `cubic` (a = -0.75) look at the nearest 2 and 4
 * pixels however much the picture shrinks, `area` is the mean over the area that an output pixel covers.
 */
export function interpolate(image: Image, width: number, height: number, by: Interpolation): Image {
  return applyAxes(
    image,
    interpolationWeights(image.width, width, by),
    interpolationWeights(image.height, height, by),
  );
}

/** The picture blurred by a Gaussian of `sigma` pixels, cut to a square of `side` (odd) pixels or four sigma. */
export function gaussianBlur(image: Image, sigma: number, side: number): Image {
  const reach = Math.min((side - 1) / 2, Math.ceil(4 * sigma));
  const along = (n: number): AxisWeights => gaussianWeights(n, n, 1, sigma, reach);
  return applyAxes(image, along(image.width), along(image.height));
}

/** Every `factor`-th sample, in the middle of its block, of the picture blurred by a Gaussian of `sigma` pixels. */
export function gaussianShrink(image: Image, factor: number, sigma: number): Image {
  const along = (n: number): AxisWeights =>
    gaussianWeights(n, Math.floor(n / factor), factor, sigma, Math.ceil(3 * sigma) + factor / 2);
  return applyAxes(image, along(image.width), along(image.height));
}

/** Correlation with `kernel`, row-major, `side` x `side`, `side` odd. */
export function correlate(image: Image, kernel: Float64Array, side: number): Image {
  const { width, height, channels, data } = image;
  const reach = (side - 1) / 2;
  const out = blankImage(width, height, channels);
  const padded = width + 2 * reach;
  const columns = Int32Array.from({ length: padded }, (_, i) => channels * mirror(i - reach, width));
  const line = new Float64Array(padded * channels);
  const sums = Array.from({ length: height }, () => new Float64Array(width * channels));
  // One input line after another, each added to all output lines that see it.
  for (let y = -reach; y < height + reach; y++) {
    const row = mirror(y, height) * width * channels;
    for (let i = 0; i < padded; i++) {
      for (let c = 0; c < channels; c++) line[i * channels + c] = data[row + columns[i] + c];
    }
    const [first, last] = [Math.max(0, y - reach), Math.min(height - 1, y + reach)];
    for (let to = first; to <= last; to++) {
      const sum = sums[to];
      const at = (y - to + reach) * side;
      for (let k = 0; k < side; k++) {
        const w = kernel[at + k];
        if (w === 0) continue;
        const from = k * channels;
        for (let x = 0; x < sum.length; x++) sum[x] += w * line[from + x];
      }
    }
  }
  sums.forEach((sum, y) => out.data.set(sum, y * width * channels));
  return out;
}

function interpolationWeights(n: number, m: number, by: Interpolation): AxisWeights {
  const step = n / m;
  if (by === 'area') {
    const taps = Math.ceil(step) + 1;
    return axisWeights(n, m, taps, (i) => {
      const [from, to] = [i * step, (i + 1) * step];
      const first = Math.floor(from);
      return [first, (k) => Math.max(0, Math.min(to, first + k + 1) - Math.max(from, first + k)) / step];
    });
  }
  const taps = by === 'linear' ? 2 : 4;
  return axisWeights(n, m, taps, (i) => {
    const centre = (i + 0.5) * step - 0.5;
    const first = Math.floor(centre) - taps / 2 + 1;
    const weight = by === 'linear' ? (d: number) => Math.max(0, 1 - Math.abs(d)) : cubic;
    return [first, (k) => weight(centre - first - k)];
  });
}

/** Output i is centred on the middle of input block i; taps reach `reach` to either side. Weights add up to 1. */
function gaussianWeights(n: number, m: number, factor: number, sigma: number, reach: number): AxisWeights {
  const taps = Math.floor(2 * reach) + 1;
  return axisWeights(n, m, taps, (i) => {
    const centre = i * factor + (factor - 1) / 2;
    const first = Math.ceil(centre - reach);
    // Squared distances relative to the smallest, so that the narrowest Gaussian keeps its nearest pixels.
    const least = (centre - Math.round(centre)) ** 2;
    const value = (k: number): number => Math.exp((least - (centre - first - k) ** 2) / (2 * sigma * sigma));
    let sum = 0;
    for (let k = 0; k < taps; k++) sum += value(k);
    return [first, (k) => value(k) / sum];
  });
}

/** @param at of output i: its first input, and the weight of that and of the `k`-th after it */
function axisWeights(
  n: number,
  m: number,
  taps: number,
  at: (i: number) => [first: number, weight: (k: number) => number],
): AxisWeights {
  const index = new Int32Array(m * taps);
  const weights = new Float64Array(m * taps);
  for (let i = 0; i < m; i++) {
    const [first, weight] = at(i);
    for (let k = 0; k < taps; k++) {
      weights[i * taps + k] = weight(k);
      index[i * taps + k] = mirror(first + k, n);
    }
  }
  return { length: m, taps, index, weight: weights };
}

/** Keys' cubic with OpenCV's a = -0.75 (MATLAB's is -0.5). */
function cubic(t: number): number {
  const a = -0.75;
  const d = Math.abs(t);
  if (d <= 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
  if (d < 2) return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a;
  return 0;
}
