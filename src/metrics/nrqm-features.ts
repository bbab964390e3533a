/**
 * The three feature vectors of NRQM (Ma et al. 2017). The first and the third are taken at three scales, each a 3x3
 * Gaussian (sigma 0.5, 0 beyond the edge) and every second pixel of the one before.
 */
import { InputError } from '../util/errors';
import type { Plane } from './grey-plane';
import type { MetricKernels } from './kernels';
import { frequencyFeatures } from './nrqm-frequency';
import { hasAllSingularValues, singularValues } from './nrqm-spatial';
import { LEAST_SIDE, waveletFeatures } from './nrqm-wavelet';
import { gaussianWindow } from './ssim';

/** 18, 45 and 75 numbers. */
export type NrqmFeatures = readonly [readonly number[], readonly number[], readonly number[]];

interface Field {
  readonly width: number;
  readonly height: number;
  readonly data: Float64Array;
}

/**
 * @param plane grey levels
 * @param pyiqa as pyiqa computes them, not as the authors' MATLAB code
 * @throws InputError for a plane that is too small, and for a constant one
 */
export function nrqmFeatures(kernels: MetricKernels, plane: Plane, pyiqa: boolean): NrqmFeatures {
  const { width, height } = plane;
  const smallest = [Math.floor(Math.floor(width / 2) / 2), Math.floor(Math.floor(height / 2) / 2)] as const;
  if (Math.min(width, height) < LEAST_SIDE || !hasAllSingularValues(...smallest)) {
    throw new InputError(
      `an image of ${width}x${height} is too small for NRQM: expected at least 84x84 pixels, or that area with no side below ${LEAST_SIDE}`,
    );
  }
  if (plane.data.every((v) => v === plane.data[0])) {
    throw new InputError('NRQM has no value: the picture is constant');
  }
  const scales: Field[] = [{ width, height, data: Float64Array.from(plane.data, (v) => v / 255) }];
  while (scales.length < 3) scales.push(halved(scales[scales.length - 1], pyiqa));
  return [
    scales.flatMap(({ data, width: w, height: h }) => frequencyFeatures(data, w, h, pyiqa)),
    waveletFeatures(kernels, plane.data, width, height, pyiqa),
    scales.flatMap(({ data, width: w, height: h }) => singularValues(data, w, h)),
  ];
}

/** Filtered, then rows and columns 1, 3, 5, … (from 0). */
function halved({ width: w, height: h, data }: Field, pyiqa: boolean): Field {
  const g = gaussianWindow(3, 0.5);
  const [corner, edge, middle] = [g[0] * g[0], g[0] * g[1], g[1] * g[1]].map((v) =>
    pyiqa ? Math.fround(v) : v,
  );
  const [width, height] = [Math.floor(w / 2), Math.floor(h / 2)];
  const out = new Float64Array(width * height);
  const at = (x: number, y: number): number => (x < w && y < h ? data[y * w + x] : 0);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [u, v] = [2 * x + 1, 2 * y + 1];
      out[y * width + x] =
        corner * (at(u - 1, v - 1) + at(u + 1, v - 1) + at(u - 1, v + 1) + at(u + 1, v + 1)) +
        edge * (at(u, v - 1) + at(u - 1, v) + at(u + 1, v) + at(u, v + 1)) +
        middle * at(u, v);
    }
  }
  return { width, height, data: out };
}
