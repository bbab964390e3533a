import { rgbToLab } from '../../src/image/colour';
import type { Image } from '../../src/image/image';
import { blankImage } from '../../src/image/image';

/** Measures that the tests of scenes and camera apply to pictures; each by its plain definition. */

export function quantile(values: ArrayLike<number>, q: number): number {
  const sorted = Float64Array.from(values).sort();
  const at = q * (sorted.length - 1);
  const k = Math.floor(at);
  return sorted[k] + (at - k) * ((sorted[k + 1] ?? sorted[k]) - sorted[k]);
}

/** True if two pictures are equal bit for bit. */
export function same(a: Image, b: Image): boolean {
  return a.width === b.width && Buffer.compare(Buffer.from(a.data.buffer), Buffer.from(b.data.buffer)) === 0;
}

/** PSNR in dB of two pictures in [0,1] over the pixels that lie `border` or more inside. */
export function psnr(a: Image, b: Image, border = 0): number {
  let sum = 0;
  let n = 0;
  for (let y = border; y < a.height - border; y++) {
    for (let x = border; x < a.width - border; x++) {
      for (let c = 0; c < a.channels; c++, n++) {
        const i = (y * a.width + x) * a.channels + c;
        sum += (a.data[i] - b.data[i]) ** 2;
      }
    }
  }
  return -10 * Math.log10(sum / n);
}

/** Mean over 4 x 4 pixels of encoded values: how the published measurements shrink HR. */
export function shrinkEncoded(hr: Image): Image {
  const out = blankImage(hr.width / 4, hr.height / 4);
  for (let y = 0; y < hr.height; y++) {
    for (let x = 0; x < hr.width; x++) {
      for (let c = 0; c < 3; c++) {
        out.data[3 * ((y >> 2) * out.width + (x >> 2)) + c] += hr.data[3 * (y * hr.width + x) + c] / 16;
      }
    }
  }
  return out;
}

/** Mean CIE76 difference after a Gaussian blur of sigma min(h, w) / 64 (the real pairs' measure of colour gap). */
export function colourGap(a: Image, b: Image): number {
  const sigma = Math.min(a.width, a.height) / 64;
  const la = rgbToLab(blurred(a, sigma)).data;
  const lb = rgbToLab(blurred(b, sigma)).data;
  let sum = 0;
  for (let i = 0; i < la.length; i += 3) {
    sum += Math.hypot(la[i] - lb[i], la[i + 1] - lb[i + 1], la[i + 2] - lb[i + 2]);
  }
  return sum / (la.length / 3);
}

function blurred(image: Image, sigma: number): Image {
  const reach = Math.ceil(4 * sigma);
  const kernel = Array.from({ length: 2 * reach + 1 }, (_, i) => Math.exp(-(((i - reach) / sigma) ** 2) / 2));
  const total = kernel.reduce((a, b) => a + b);
  const pass = (from: Image, dx: number, dy: number): Image => {
    const out = blankImage(from.width, from.height);
    for (let y = 0; y < from.height; y++) {
      for (let x = 0; x < from.width; x++) {
        for (let i = -reach; i <= reach; i++) {
          const sx = reflect(x + dx * i, from.width);
          const sy = reflect(y + dy * i, from.height);
          const w = kernel[i + reach] / total;
          for (let c = 0; c < 3; c++) {
            out.data[3 * (y * from.width + x) + c] += w * from.data[3 * (sy * from.width + sx) + c];
          }
        }
      }
    }
    return out;
  };
  return pass(pass(image, 1, 0), 0, 1);
}

function reflect(i: number, n: number): number {
  return i < 0 ? -i : i >= n ? 2 * n - 2 - i : i;
}

/** `image` read at x + flow(x) by cubic convolution, borders repeated: LR warped onto the shrunk HR. */
export function warped(image: Image, flow: Image): Image {
  const { width, height, channels } = image;
  const out = blankImage(width, height, channels);
  const clamp = (i: number, n: number): number => Math.min(n - 1, Math.max(0, i));
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const sx = x + flow.data[2 * (y * width + x)];
      const sy = y + flow.data[2 * (y * width + x) + 1];
      for (let j = -1; j <= 2; j++) {
        for (let k = -1; k <= 2; k++) {
          const [qx, qy] = [Math.floor(sx) + k, Math.floor(sy) + j];
          const w = cubic(sx - qx) * cubic(sy - qy);
          const from = channels * (clamp(qy, height) * width + clamp(qx, width));
          for (let c = 0; c < channels; c++)
            out.data[channels * (y * width + x) + c] += w * image.data[from + c];
        }
      }
    }
  }
  return out;
}

function cubic(t: number): number {
  const d = Math.abs(t);
  if (d < 1) return (1.5 * d - 2.5) * d * d + 1;
  return d < 2 ? ((-0.5 * d + 2.5) * d - 4) * d + 2 : 0;
}

/** Lengths of the vectors of a flow [h, w, 2]. */
export function lengths(flow: Image): Float64Array {
  return Float64Array.from({ length: flow.width * flow.height }, (_, i) =>
    Math.hypot(flow.data[2 * i], flow.data[2 * i + 1]),
  );
}

/**
 * Slope of log power over log frequency of the luminance of the middle 256 x 256 pixels (Hann window), fitted over 15
 * logarithmic rings between 4 periods a side and 0.35 cycles per pixel.
 */
export function spectralSlope(image: Image): number {
  const n = 256;
  const [left, top] = [(image.width - n) >> 1, (image.height - n) >> 1];
  const re = new Float64Array(n * n);
  const im = new Float64Array(n * n);
  for (let i = 0; i < n * n; i++) {
    const at = 3 * ((top + Math.floor(i / n)) * image.width + left + (i % n));
    re[i] = 0.299 * image.data[at] + 0.587 * image.data[at + 1] + 0.114 * image.data[at + 2];
  }
  const mean = re.reduce((a, b) => a + b) / re.length;
  const hann = (k: number): number => 0.5 - 0.5 * Math.cos((2 * Math.PI * (k + 0.5)) / n);
  for (let i = 0; i < n * n; i++) re[i] = (re[i] - mean) * hann(Math.floor(i / n)) * hann(i % n);
  for (let line = 0; line < n; line++) fft(re, im, line * n, 1, n);
  for (let line = 0; line < n; line++) fft(re, im, line, n, n);
  const rings = 15;
  const [low, high] = [Math.log(4 / n), Math.log(0.35)];
  const power = new Float64Array(rings);
  const count = new Float64Array(rings);
  for (let y = 0; y < n; y++) {
    for (let x = 0; x < n; x++) {
      const f = Math.hypot(Math.min(x, n - x), Math.min(y, n - y)) / n;
      const ring = Math.floor(((Math.log(f) - low) / (high - low)) * rings);
      if (ring < 0 || ring >= rings) continue;
      power[ring] += re[y * n + x] ** 2 + im[y * n + x] ** 2;
      count[ring]++;
    }
  }
  const fx = Array.from({ length: rings }, (_, i) => low + ((i + 0.5) / rings) * (high - low));
  const fy = fx.map((_, i) => Math.log(power[i] / count[i]));
  const mx = fx.reduce((a, b) => a + b) / rings;
  const my = fy.reduce((a, b) => a + b) / rings;
  const slope = fx.reduce((s, x, i) => s + (x - mx) * (fy[i] - my), 0);
  return slope / fx.reduce((s, x) => s + (x - mx) ** 2, 0);
}

/** In-place Fourier transform (radix 2) of `n` values at `start`, `stride` apart. */
function fft(re: Float64Array, im: Float64Array, start: number, stride: number, n: number): void {
  for (let i = 1, j = 0; i < n; i++) {
    let bit = n >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i >= j) continue;
    const [a, b] = [start + i * stride, start + j * stride];
    [re[a], re[b]] = [re[b], re[a]];
    [im[a], im[b]] = [im[b], im[a]];
  }
  for (let half = 1; half < n; half *= 2) {
    for (let k = 0; k < half; k++) {
      const [cos, sin] = [Math.cos((Math.PI * k) / half), -Math.sin((Math.PI * k) / half)];
      for (let i = k; i < n; i += 2 * half) {
        const [a, b] = [start + i * stride, start + (i + half) * stride];
        const [tr, ti] = [cos * re[b] - sin * im[b], cos * im[b] + sin * re[b]];
        [re[b], im[b]] = [re[a] - tr, im[a] - ti];
        [re[a], im[a]] = [re[a] + tr, im[a] + ti];
      }
    }
  }
}
