/**
 * Whether a mimicked LR picture is degraded as the real one: its spectrum (blur, sharpening, JPEG) and its noise level,
 * both on luma, both without a reference, so that the two pictures need not show the same at the same place.
 */
import { lumaPlane } from '../image/colour';
import { gaussianBlur } from '../image/filter';
import type { Image } from '../image/image';
import { InputError } from '../util/errors';

/** Side of the blocks of the spectrum (Welch's method: Hann windows, overlapping by half), pixels. */
const BLOCK = 32;
/** Rings of spatial frequency, cycles per pixel; the lowest is left to the picture's content. */
export const SPECTRUM_RINGS = [
  [0.06, 0.125],
  [0.125, 0.25],
  [0.25, 0.35],
  [0.35, 0.5],
] as const;

/**
 * Mean power of luma (grey levels of 255, squared, a frequency) in each of `SPECTRUM_RINGS`.
 * @throws InputError for pictures below 32 pixels a side
 */
export function spectrum(image: Image): number[] {
  const { width, height } = image;
  if (width < BLOCK || height < BLOCK) {
    throw new InputError(`a spectrum needs at least ${BLOCK}x${BLOCK} pixels, found ${width}x${height}`);
  }
  const plane = lumaPlane(image, 255);
  const power = new Float64Array(SPECTRUM_RINGS.length);
  let blocks = 0;
  for (let top = 0; top + BLOCK <= height; top += BLOCK / 2) {
    for (let left = 0; left + BLOCK <= width; left += BLOCK / 2) {
      addBlock(plane, left, top, power);
      blocks++;
    }
  }
  return Array.from(power, (p) => p / blocks);
}

/** Mean over the rings of the absolute ratio of power, dB: 0 for equal spectra. */
export function spectrumDistance(image: Image, reference: Image): number {
  const [a, b] = [spectrum(image), spectrum(reference)];
  return a.reduce((sum, p, i) => sum + Math.abs(10 * Math.log10(p / b[i])), 0) / a.length;
}

const FREQUENCIES = Array.from({ length: BLOCK }, (_, k) => Math.min(k, BLOCK - k) / BLOCK);
const HANN = Array.from({ length: BLOCK }, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * (i + 0.5)) / BLOCK));
/** Sum of the squared two-dimensional window: what white noise of variance 1 has at every frequency. */
const HANN_POWER = HANN.reduce((sum, w) => sum + w * w, 0) ** 2;
const RING_OF = FREQUENCIES.map((fy) =>
  FREQUENCIES.map((fx) =>
    SPECTRUM_RINGS.findIndex(([low, high]) => Math.hypot(fx, fy) >= low && Math.hypot(fx, fy) < high),
  ),
);
const RING_COUNT = SPECTRUM_RINGS.map((_, ring) => RING_OF.flat().filter((r) => r === ring).length);
const [COS, SIN] = [Math.cos, Math.sin].map((f) =>
  Float64Array.from({ length: BLOCK }, (_, k) => f((2 * Math.PI * k) / BLOCK)),
);

/** Adds the mean power of one windowed block in each ring: the discrete Fourier transform by its definition, axis by axis. */
function addBlock(plane: Image, left: number, top: number, power: Float64Array): void {
  const n = BLOCK;
  let mean = 0;
  const value = (x: number, y: number): number => plane.data[(top + y) * plane.width + left + x];
  for (let y = 0; y < n; y++) for (let x = 0; x < n; x++) mean += value(x, y) / (n * n);
  const [re, im] = [new Float64Array(n * n), new Float64Array(n * n)]; // [y, fx]
  for (let y = 0; y < n; y++) {
    for (let x = 0; x < n; x++) {
      const v = (value(x, y) - mean) * HANN[y] * HANN[x];
      for (let k = 0; k < n; k++) {
        re[y * n + k] += v * COS[(k * x) % n];
        im[y * n + k] -= v * SIN[(k * x) % n];
      }
    }
  }
  for (let j = 0; j < n; j++) {
    for (let k = 0; k < n; k++) {
      const ring = RING_OF[j][k];
      if (ring < 0) continue;
      let [a, b] = [0, 0];
      for (let y = 0; y < n; y++) {
        const [c, s] = [COS[(j * y) % n], SIN[(j * y) % n]];
        a += re[y * n + k] * c + im[y * n + k] * s;
        b += im[y * n + k] * c - re[y * n + k] * s;
      }
      power[ring] += (a * a + b * b) / HANN_POWER / RING_COUNT[ring];
    }
  }
}

/** Side of the blocks among which the smooth ones are looked for, pixels. */
const NOISE_BLOCK = 8;
const SMOOTH_SHARE = 0.2;
const SMOOTHING_SIGMA = 2;

/**
 * Standard deviation of the noise, grey levels of 255: Immerkaer's estimate ("Fast noise variance estimation", 1996) on
 * the fifth of the 8x8 blocks that vary least once they are smoothed, so that texture is not taken for noise.
 * @throws InputError for pictures below 26 pixels a side
 */
export function noiseLevel(image: Image): number {
  const plane = lumaPlane(image, 255);
  const { width, height } = plane;
  const least = 3 * NOISE_BLOCK + 2;
  if (width < least || height < least) {
    throw new InputError(`a noise level needs at least ${least}x${least} pixels, found ${width}x${height}`);
  }
  const smooth = gaussianBlur(plane, SMOOTHING_SIGMA, 8 * SMOOTHING_SIGMA + 1);
  const blocks: { variation: number; response: number }[] = [];
  for (let top = 1; top + NOISE_BLOCK < height; top += NOISE_BLOCK) {
    for (let left = 1; left + NOISE_BLOCK < width; left += NOISE_BLOCK) {
      blocks.push(noiseBlock(plane.data, smooth.data, width, left, top));
    }
  }
  blocks.sort((a, b) => a.variation - b.variation);
  const chosen = blocks.slice(0, Math.max(1, Math.round(blocks.length * SMOOTH_SHARE)));
  // White noise comes out of the mask with 6 times its deviation; sqrt(pi / 2) turns a mean modulus into one.
  const mean = chosen.reduce((sum, b) => sum + b.response, 0) / chosen.length;
  return (Math.sqrt(Math.PI / 2) / 6) * mean;
}

/** Range of the smoothed block, and the mean modulus of Immerkaer's mask (a difference of two Laplacians) on the block. */
function noiseBlock(
  data: Float32Array,
  smooth: Float32Array,
  width: number,
  left: number,
  top: number,
): { variation: number; response: number } {
  let [low, high, sum] = [Infinity, -Infinity, 0];
  for (let y = top; y < top + NOISE_BLOCK; y++) {
    for (let x = left; x < left + NOISE_BLOCK; x++) {
      const i = y * width + x;
      low = Math.min(low, smooth[i]);
      high = Math.max(high, smooth[i]);
      const sides = data[i - 1] + data[i + 1] + data[i - width] + data[i + width];
      const corners = data[i - width - 1] + data[i - width + 1] + data[i + width - 1] + data[i + width + 1];
      sum += Math.abs(4 * data[i] - 2 * sides + corners);
    }
  }
  return { variation: high - low, response: sum / NOISE_BLOCK ** 2 };
}
