/**
 * The practical degradation model of BSRGAN (Zhang et al., "Designing a Practical Degradation Model for Deep Blind Image
 * Super-Resolution", ICCV 2021; `degradation_bsrgan` of cszn/BSRGAN @ 8a3f2e8), for scale 4, drawn anew for every patch:
 *
 *   [a quarter of the patches: halved first]  then, in a random order,
 *   blur, blur                 half isotropic, half anisotropic Gaussians
 *   shrink by a random factor  1 to twice the scale that is left, or Gaussian sampling by that scale
 *   to a quarter of the size   always after the random shrink
 *   noise                      coloured, grey, or correlated between the channels
 *   JPEG                       nine patches in ten
 *   and at last JPEG.
 *
 * "bsrgan-like": left out is the simulated camera pipeline (a quarter of the original's pictures, a trained network).
 */
import { jpegRoundTrip } from '../image/degrade';
import { correlate, gaussianBlur, gaussianShrink, interpolate, INTERPOLATIONS } from '../image/filter';
import { blankImage, cropImage, type Image } from '../image/image';
import { imresize } from '../image/resize';
import type { Random } from '../util/random';
import { DEGRADATION_SCALE, type Degradation } from './degradation';

const HALVED = 0.25;
const FACTOR_SHRINK = 0.75;
const JPEG = 0.9;
/** Grey levels. */
const NOISE_LEVELS = [2, 25] as const;
const QUALITIES = [30, 95] as const;
/** LR pixels between the blocks of a JPEG. */
const JPEG_GRID = 8;

export const bsrganDegradation: Degradation = {
  name: 'bsrgan-like',
  margin: 12,
  /** Every patch begins elsewhere in the grid of the JPEG's blocks: up to 7 lines and columns of the margin stay black. */
  async lrOf(hr, random) {
    const left = random.integer(0, JPEG_GRID - 1);
    const top = random.integer(0, JPEG_GRID - 1);
    const [x, y] = [left * DEGRADATION_SCALE, top * DEGRADATION_SCALE];
    const degraded = await degrade(cropImage(hr, x, y, hr.width - x, hr.height - y), random);
    const lr = blankImage(hr.width / DEGRADATION_SCALE, hr.height / DEGRADATION_SCALE);
    const row = 3 * degraded.width;
    for (let i = 0; i < degraded.height; i++) {
      const to = 3 * ((top + i) * lr.width + left);
      lr.data.set(degraded.data.subarray(i * row, (i + 1) * row), to);
    }
    return lr;
  },
};

/** RGB in [0,1] to a quarter of the size, whole grey levels. */
async function degrade(hr: Image, random: Random): Promise<Image> {
  const target = { width: hr.width / DEGRADATION_SCALE, height: hr.height / DEGRADATION_SCALE };
  let image = hr;
  let scale = DEGRADATION_SCALE;
  if (random.chance(HALVED)) {
    image = clipped(halved(hr, random));
    scale /= 2;
  }
  for (const step of drawOrder(random)) {
    if (step === 'blur') image = blurred(image, scale, random);
    else if (step === 'shrink') image = clipped(shrunk(image, scale, random));
    else if (step === 'fit') {
      image = clipped(interpolate(image, target.width, target.height, random.pick(INTERPOLATIONS)));
    } else if (step === 'noise') image = clipped(noisy(image, random));
    else if (random.chance(JPEG)) image = await saved(image, random);
  }
  return saved(image, random);
}

type Step = 'blur' | 'shrink' | 'fit' | 'noise' | 'jpeg';

/** All steps, in any order but for `shrink` before `fit`. */
function drawOrder(random: Random): Step[] {
  const steps: Step[] = ['blur', 'blur', 'shrink', 'fit', 'noise', 'jpeg'];
  const order = [...random.permutation(steps.length)].map((i) => steps[i]);
  const [shrink, fit] = [order.indexOf('shrink'), order.indexOf('fit')];
  if (shrink > fit) [order[shrink], order[fit]] = ['fit', 'shrink'];
  return order;
}

function halved(image: Image, random: Random): Image {
  if (random.chance(0.5)) return imresize(image, 0.5);
  return interpolate(image, image.width / 2, image.height / 2, random.pick(INTERPOLATIONS));
}

/** @param scale how many times smaller the picture has to become yet; wider blurs where it is more */
function blurred(image: Image, scale: number, random: Random): Image {
  const side = 2 * random.integer(2, 11) + 3;
  // 1 - uniform: never 0.
  const draw = (largest: number): number => largest * (1 - random.uniform());
  if (random.chance(0.5)) return gaussianBlur(image, draw(2 + 0.2 * scale), side);
  const variances = [draw(4 + scale), draw(4 + scale)] as const;
  return correlate(image, gaussianKernel(side, variances, random.uniform(0, Math.PI)), side);
}

function shrunk(image: Image, scale: number, random: Random): Image {
  if (!random.chance(FACTOR_SHRINK)) return gaussianShrink(image, scale, random.uniform(0.1, 0.6 * scale));
  const factor = random.uniform(1, 2 * scale);
  const [width, height] = [image.width, image.height].map((n) => Math.max(1, Math.floor(n / factor)));
  return interpolate(image, width, height, random.pick(INTERPOLATIONS));
}

/** @param variances along the two axes, the first at `angle` (radians), pixels squared */
function gaussianKernel(
  side: number,
  [first, second]: readonly [number, number],
  angle: number,
): Float64Array {
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  const reach = (side - 1) / 2;
  const kernel = Float64Array.from({ length: side * side }, (_, i) => {
    const [x, y] = [(i % side) - reach, Math.floor(i / side) - reach];
    const value = Math.exp(-((cos * x + sin * y) ** 2 / first + (cos * y - sin * x) ** 2 / second) / 2);
    return value < 1e-3 ? 0 : value; // not worth its multiplications
  });
  const sum = kernel.reduce((a, b) => a + b, 0);
  return kernel.map((v) => v / sum);
}

/** Gaussian noise of a drawn level: independent in every channel, the same in all, or correlated at the highest level. */
function noisy(image: Image, random: Random): Image {
  const level = random.integer(...NOISE_LEVELS) / 255;
  const kind = random.uniform();
  const { data } = image;
  const out = new Float32Array(data.length);
  if (kind > 0.6) {
    random.fillNormal(out, 0, level);
  } else if (kind < 0.4) {
    const grey = new Float32Array(data.length / 3);
    random.fillNormal(grey, 0, level);
    for (let i = 0; i < out.length; i++) out[i] = grey[Math.floor(i / 3)];
  } else {
    const [[a], [b, c], [d, e, f]] = correlation(random, NOISE_LEVELS[1] / 255);
    random.fillNormal(out);
    for (let i = 0; i < out.length; i += 3) {
      const [u, v, w] = [out[i], out[i + 1], out[i + 2]];
      out[i] = a * u;
      out[i + 1] = b * u + c * v;
      out[i + 2] = d * u + e * v + f * w;
    }
  }
  for (let i = 0; i < out.length; i++) out[i] += data[i];
  return { ...image, data: out };
}

/**
 * Lower triangle L of a random covariance L L^T = level^2 |U^T D U|, entry by entry: U a random orthonormal basis, D
 * uniform in [0,1). The sizes of a 3x3 covariance's entries are a covariance again.
 */
function correlation(random: Random, level: number): [[number], [number, number], [number, number, number]] {
  const basis = orthonormal([0, 1, 2].map(() => [random.uniform(), random.uniform(), random.uniform()]));
  const spread = [random.uniform(), random.uniform(), random.uniform()];
  const entry = (i: number, j: number): number =>
    level * level * Math.abs(spread.reduce((sum, d, k) => sum + d * basis[k][i] * basis[k][j], 0));
  const root = (x: number): number => Math.sqrt(Math.max(x, 1e-12));
  const a = root(entry(0, 0));
  const [b, d] = [entry(1, 0) / a, entry(2, 0) / a];
  const c = root(entry(1, 1) - b * b);
  const e = (entry(2, 1) - d * b) / c;
  return [[a], [b, c], [d, e, root(entry(2, 2) - d * d - e * e)]];
}

/** Gram-Schmidt over the rows. */
function orthonormal(rows: number[][]): number[][] {
  const done: number[][] = [];
  for (const row of rows) {
    let rest = row;
    for (const q of done) {
      const along = q.reduce((sum, v, i) => sum + v * row[i], 0);
      rest = rest.map((v, i) => v - along * q[i]);
    }
    const length = Math.hypot(...rest);
    done.push(rest.map((v) => v / length));
  }
  return done;
}

function saved(image: Image, random: Random): Promise<Image> {
  return jpegRoundTrip(image, random.integer(...QUALITIES));
}

function clipped(image: Image): Image {
  return { ...image, data: image.data.map((v) => Math.min(1, Math.max(0, v))) };
}
