/**
 * NRQM's second features, of global frequencies (Ma et al. 2017, section 3.2; facts from chaoma99/sr-metric and
 * chaofengc/IQA-PyTorch): the bands of a steerable pyramid, divisively normalised, described by the shapes of their
 * distributions and by how alike they are, as SSIM's contrast-structure term measures it; 45 numbers.
 *
 * Two slips of the authors' code are kept where it is repeated (`matlab`): the sixth orientation of the first level has no
 * parent, and the parent is enlarged to twice its size and cut, where pyiqa enlarges it to the size of the band.
 */
import { cubicWeights } from '../image/resize';
import { normalise } from './divisive-normalisation';
import { ggdTable } from './generalised-gaussian';
import type { MetricKernels } from './kernels';
import { gaussianWindow } from './ssim';
import { ORIENTATIONS, steerablePyramid, type Band } from './steerable-pyramid';

/** Pixels left out on each side of a normalised band, beside the one without neighbours. */
const GUARDS = [16, 8] as const;
const C2 = (0.03 * 255) ** 2;
const GRAIN = 16;

/** The smallest side at which a map of contrast-structure terms fits into the normalised bands. */
export const LEAST_SIDE = 2 * (GUARDS[0] + 1) + 11;

/**
 * 12 shapes of the normalised bands, 6 of both levels of an orientation together, 12 likenesses of a band with the
 * high-pass rest, 15 of normalised bands of the first level with each other.
 * @param plane grey levels 0..255, row-major
 */
export function waveletFeatures(
  kernels: MetricKernels,
  plane: ArrayLike<number>,
  width: number,
  height: number,
  pyiqa: boolean,
): number[] {
  return kernels.scope(() => {
    const { highpass, levels } = steerablePyramid(kernels, plane, width, height, pyiqa);
    const enlarged = levels[1].map((band) => enlarge(kernels, band, { width, height }));
    const parents = pyiqa ? enlarged : officialParents(kernels, levels[1], { width, height });
    const normalised = levels.map((bands, level) =>
      bands.map((band, o) => {
        const others = bands.filter((other) => other !== band);
        const parent = level === 0 ? parents[o] : undefined;
        const neighbourhood = parent === undefined ? { others } : { others, parent };
        return normalise(kernels, band, neighbourhood, GUARDS[level], pyiqa);
      }),
    );
    const own = normalised.flat().map(({ data }) => shape([data], pyiqa));
    const pooled = normalised[0].map(({ data }, o) => shape([data, normalised[1][o].data], pyiqa));

    const raw = [...levels[0].map((band) => band.data), ...enlarged];
    const withHighpass = raw.map((_, i): [number, number] => [i, raw.length]);
    const pairs = normalised[0].flatMap((_, j) =>
      Array.from({ length: j }, (_, i): [number, number] => [i, j]),
    );
    pairs.sort(([a, b], [c, d]) => a - c || b - d);
    return [
      ...own,
      ...pooled,
      ...contrastStructure(kernels, [...raw, highpass.data], withHighpass, width, height, pyiqa),
      ...contrastStructure(
        kernels,
        normalised[0].map(({ data }) => data),
        pairs,
        normalised[0][0].width,
        normalised[0][0].height,
        pyiqa,
      ),
    ];
  });
}

/** A band of the second level at the size of the first: MATLAB's bicubic imresize. */
function enlarge(kernels: MetricKernels, band: Band, size: Size): Float64Array {
  return resample(kernels, band, size, { width: size.width / band.width, height: size.height / band.height });
}

/** Parents as the authors' code has them: twice the size, then cut; none for the last orientation. */
function officialParents(kernels: MetricKernels, bands: readonly Band[], size: Size): Float64Array[] {
  return bands
    .slice(0, ORIENTATIONS - 1)
    .map((band) => resample(kernels, band, size, { width: 2, height: 2 }));
}

interface Size {
  readonly width: number;
  readonly height: number;
}

/** The top left part, of `size`, of a band enlarged by `scale`. */
function resample(kernels: MetricKernels, band: Band, size: Size, scale: Size): Float64Array {
  const out = kernels.float64(size.width * size.height);
  kernels.scope(() => {
    const axis = (length: number, outLength: number, s: number): [Int32Array, Float64Array, number] => {
      const { taps, index, weight } = cubicWeights(length, outLength, s, 'symmetric');
      return [kernels.int32(index), kernels.put(weight), taps];
    };
    const args = [
      band.data,
      band.width,
      ...axis(band.height, size.height, scale.height),
      ...axis(band.width, size.width, scale.width),
      size.width,
      kernels.float64(Math.ceil(size.height / GRAIN) * band.width),
      out,
      GRAIN,
    ];
    kernels.run('resample', args, size.height, GRAIN);
  });
  return out;
}

/** GGD shape of all values together. */
function shape(parts: readonly Float64Array[], pyiqa: boolean): number {
  let [n, sum] = [0, 0];
  for (const values of parts) {
    n += values.length;
    for (let i = 0; i < values.length; i++) sum += values[i];
  }
  const mean = sum / n;
  let [squares, absolute] = [0, 0];
  for (const values of parts) {
    for (let i = 0; i < values.length; i++) {
      const d = values[i] - mean;
      squares += d * d;
      absolute += Math.abs(d);
    }
  }
  return ggdTable(pyiqa).find(squares / (n - 1) / ((absolute / n) ** 2 + 1e-7));
}

/** The mean term of each pair of planes; terms below 0 count as 0 in pyiqa. */
function contrastStructure(
  kernels: MetricKernels,
  planes: readonly Float64Array[],
  pairs: readonly (readonly [number, number])[],
  width: number,
  height: number,
  pyiqa: boolean,
): number[] {
  return kernels.scope(() => {
    const rows = height - 10;
    const window = kernels.put(gaussianWindow(11, 1.5).subarray(0, 6));
    const sums = kernels.float64(rows * pairs.length);
    const scratch = kernels.float64(Math.ceil(rows / GRAIN) * (2 * planes.length + 2) * width);
    const args = [
      kernels.int32(planes.map((plane) => plane.byteOffset)),
      planes.length,
      kernels.int32(pairs.flat()),
      pairs.length,
      width,
      window,
      C2,
      pyiqa ? 0 : -Infinity,
      scratch,
      sums,
      GRAIN,
    ];
    kernels.run('contrastStructure', args, rows, GRAIN);
    return pairs.map((_, k) => {
      let sum = 0;
      for (let row = 0; row < rows; row++) sum += sums[row * pairs.length + k];
      return sum / (rows * (width - 10));
    });
  });
}
