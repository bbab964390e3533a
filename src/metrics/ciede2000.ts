/**
 * CIEDE2000, the colour difference of CIE 142-2001, after Sharma, Wu and Dalal, "The CIEDE2000 color-difference formula:
 * implementation notes, supplementary test data, and mathematical observations" (2005); symbols are theirs. Pictures are
 * taken as sRGB under D65 (2 degree observer), all pixels count alike.
 */
import type { Image } from '../image/image';
import { rgbToLab } from '../image/colour';
import { cropPair, fullReferenceMetric, type Metric } from './metric';

/** Weights of lightness, chroma and hue; 1, 1, 1 are the reference conditions. */
export interface Ciede2000Weights {
  readonly kL?: number;
  readonly kC?: number;
  readonly kH?: number;
}

type Lab = readonly [l: number, a: number, b: number];

/** Difference of two CIELAB colours; 1 is about just noticeable. */
export function ciede2000(
  first: Lab,
  second: Lab,
  { kL = 1, kC = 1, kH = 1 }: Ciede2000Weights = {},
): number {
  const [l1, a1, b1] = first;
  const [l2, a2, b2] = second;

  // Chroma and hue, with a* stretched near the grey axis.
  const meanC = (Math.hypot(a1, b1) + Math.hypot(a2, b2)) / 2;
  const g = 0.5 * (1 - Math.sqrt(meanC ** 7 / (meanC ** 7 + 25 ** 7)));
  const [c1, h1] = polar((1 + g) * a1, b1);
  const [c2, h2] = polar((1 + g) * a2, b2);
  const grey = c1 * c2 === 0;

  // Hues are angles: the difference goes the short way round, and so does the mean.
  let dh = grey ? 0 : h2 - h1;
  if (dh > 180) dh -= 360;
  else if (dh < -180) dh += 360;
  let meanH = h1 + h2;
  if (!grey) {
    if (Math.abs(h1 - h2) > 180) meanH += meanH < 360 ? 360 : -360;
    meanH /= 2;
  }

  const dL = l2 - l1;
  const dC = c2 - c1;
  const dH = 2 * Math.sqrt(c1 * c2) * sin(dh / 2);
  const meanL = (l1 + l2) / 2;
  const meanCPrime = (c1 + c2) / 2;

  const t =
    1 -
    0.17 * cos(meanH - 30) +
    0.24 * cos(2 * meanH) +
    0.32 * cos(3 * meanH + 6) -
    0.2 * cos(4 * meanH - 63);
  const sL = 1 + (0.015 * (meanL - 50) ** 2) / Math.sqrt(20 + (meanL - 50) ** 2);
  const sC = 1 + 0.045 * meanCPrime;
  const sH = 1 + 0.015 * meanCPrime * t;
  const rC = 2 * Math.sqrt(meanCPrime ** 7 / (meanCPrime ** 7 + 25 ** 7));
  const rT = -rC * sin(60 * Math.exp(-(((meanH - 275) / 25) ** 2)));

  const [l, c, h] = [dL / (kL * sL), dC / (kC * sC), dH / (kH * sH)];
  return Math.sqrt(l * l + c * c + h * h + rT * c * h);
}

/** The difference at every pixel, row-major. Both pictures RGB in [0,1], of the same size. */
export function ciede2000Map(image: Image, reference: Image, weights?: Ciede2000Weights): Float64Array {
  const [x, y] = cropPair(image, reference, 0, 1).map((i) => rgbToLab(i).data);
  const lab = (data: Float32Array, i: number): Lab => [data[i], data[i + 1], data[i + 2]];
  return Float64Array.from({ length: x.length / 3 }, (_, p) =>
    ciede2000(lab(x, 3 * p), lab(y, 3 * p), weights),
  );
}

/** Mean CIEDE2000 over the pixels. */
export function meanCiede2000(image: Image, reference: Image): number {
  const map = ciede2000Map(image, reference);
  return map.reduce((sum, v) => sum + v, 0) / map.length;
}

export const ciede2000Metric: Metric = {
  ...fullReferenceMetric('CIEDE2000', meanCiede2000),
  better: 'lower',
};

/** Length and angle in [0, 360) of (a, b). */
function polar(a: number, b: number): [number, number] {
  const angle = (Math.atan2(b, a) * 180) / Math.PI;
  return [Math.hypot(a, b), angle < 0 ? angle + 360 : angle];
}

function sin(degrees: number): number {
  return Math.sin((degrees * Math.PI) / 180);
}

function cos(degrees: number): number {
  return Math.cos((degrees * Math.PI) / 180);
}
