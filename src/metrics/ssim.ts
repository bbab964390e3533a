import { lumaBasicsr } from '../image/colour';
import type { Image } from '../image/image';
import { toUint8 } from '../image/quantise';
import type { FullReferenceProtocol, Metric } from './metric';
import { cropPair, fullReferenceMetric, fullReferenceName, PAPER_PROTOCOL } from './metric';

/**
 * Structural similarity (Wang et al., "Image quality assessment: from error visibility to structural similarity",
 * 2004) as the authors' MATLAB code and BasicSR's `calculate_ssim`: 8-bit pictures, cropped; an 11x11 Gaussian window
 * of sigma 1.5 at every place where it fits; float64; the plain mean of the map, and of the channels.
 *
 * Left out on purpose: the authors' optional downsampling (BasicSR has none), and the 3-D window that NAFNet-flavoured
 * BasicSR slides over RGB, which gives far larger values.
 */

const WINDOW = 11;
const SIGMA = 1.5;
const C1 = (0.01 * 255) ** 2;
const C2 = (0.03 * 255) ** 2;

/**
 * SSIM (1 for equal pictures) of two RGB pictures in [0,1], which are quantised by `toUint8` first.
 * @throws InputError if the sizes differ, less than 11x11 pixels are left after the crop, or a value is not finite.
 */
export function ssim(
  image: Image,
  reference: Image,
  protocol: FullReferenceProtocol = PAPER_PROTOCOL,
): number {
  const [a, b] = cropPair(image, reference, protocol.crop, WINDOW);
  const [x, y] = [toUint8(a), toUint8(b)];
  if (protocol.y) return ssimOfPlane(lumaBasicsr(x), lumaBasicsr(y), a.width, a.height);
  let sum = 0;
  for (let c = 0; c < 3; c++) sum += ssimOfPlane(channel(x, c), channel(y, c), a.width, a.height);
  return sum / 3;
}

/** SSIM as a `Metric`. */
export function ssimMetric(protocol: FullReferenceProtocol = PAPER_PROTOCOL): Metric {
  return fullReferenceMetric(fullReferenceName('SSIM', protocol), (a, b) => ssim(a, b, protocol));
}

/** One axis of `fspecial('gaussian', size, sigma)`: the 2-D window is its outer product with itself. Sums to 1. */
export function gaussianWindow(size: number, sigma: number): Float64Array {
  const window = Float64Array.from({ length: size }, (_, i) =>
    Math.exp(-((i - (size - 1) / 2) ** 2) / (2 * sigma * sigma)),
  );
  const sum = window.reduce((a, b) => a + b, 0);
  return window.map((w) => w / sum);
}

/**
 * Mean of the SSIM map of two planes on the 0..255 scale.
 *
 * With G the window: mu = G*x, variance = G*x^2 - mu^2, covariance = G*xy - mu_x mu_y. Only the sum of the two variances
 * is needed, so four planes go through G: x, y, x^2 + y^2, xy. Each input row is filtered along the row once; the last
 * eleven filtered rows wait in a ring for the filter down the columns. So the working set stays in cache.
 */
function ssimOfPlane(
  x: Float32Array | Uint8Array,
  y: Float32Array | Uint8Array,
  width: number,
  height: number,
): number {
  const window = gaussianWindow(WINDOW, SIGMA);
  const columns = width - WINDOW + 1;
  const rows = height - WINDOW + 1;
  const ring = Array.from({ length: WINDOW }, () => new Float64Array(4 * columns)); // one input row: 4 filtered planes
  const source = Array.from({ length: 4 }, () => new Float64Array(width));
  const filtered = new Float64Array(4 * columns);
  const offsets = Array.from({ length: WINDOW }, (_, k) => k);
  let total = 0;
  for (let r = 0; r < height; r++) {
    for (let i = 0; i < width; i++) {
      const [a, b] = [x[r * width + i], y[r * width + i]];
      source[0][i] = a;
      source[1][i] = b;
      source[2][i] = a * a + b * b;
      source[3][i] = a * b;
    }
    for (let p = 0; p < 4; p++) {
      const shifted = offsets.map((k) => source[p].subarray(k, k + columns));
      filter(shifted, window, ring[r % WINDOW].subarray(p * columns, (p + 1) * columns));
    }
    if (r < WINDOW - 1) continue;

    const lastEleven = offsets.map((k) => ring[(r + 1 + k) % WINDOW]);
    filter(lastEleven, window, filtered);
    for (let i = 0; i < columns; i++) {
      const [mx, my] = [filtered[i], filtered[columns + i]];
      const variances = filtered[2 * columns + i] - mx * mx - my * my;
      const covariance = filtered[3 * columns + i] - mx * my;
      total += ((2 * mx * my + C1) * (2 * covariance + C2)) / ((mx * mx + my * my + C1) * (variances + C2));
    }
  }
  return total / (rows * columns);
}

/** Channel `c` of interleaved RGB. */
function channel(rgb: Uint8Array, c: number): Uint8Array {
  const plane = new Uint8Array(rgb.length / 3);
  for (let i = 0; i < plane.length; i++) plane[i] = rgb[3 * i + c];
  return plane;
}

/**
 * out[i] = sum over k of window[k] rows[k][i]. The window is symmetric, so rows in equal distance from the middle share
 * a product: six instead of eleven, in one sweep.
 */
function filter(rows: readonly Float64Array[], window: Float64Array, out: Float64Array): void {
  const [w0, w1, w2, w3, w4, w5] = window;
  const [a, b, c, d, e, f, g, h, j, k, l] = rows;
  for (let i = 0; i < out.length; i++) {
    out[i] =
      w0 * (a[i] + l[i]) +
      w1 * (b[i] + k[i]) +
      w2 * (c[i] + j[i]) +
      w3 * (d[i] + h[i]) +
      w4 * (e[i] + g[i]) +
      w5 * f[i];
  }
}
