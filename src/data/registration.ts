/**
 * Registration of two grey pictures by the enhanced correlation coefficient (ECC; Evangelidis and Psarakis, "Parametric
 * image alignment using enhanced correlation coefficient maximization", TPAMI 2008; OpenCV's findTransformECC), from coarse
 * to fine. The paper states a Euclidean motion for SR-RAW; its authors' source (zoom-learn-zoom @ 1e5ac31) uses an affine
 * one. A Euclidean motion cannot scale: where the focal lengths of the EXIF are a few percent off, it leaves pixels behind.
 */
import { interpolate } from '../image/filter';
import type { Image } from '../image/image';
import { matOf, openCv, withMats } from '../image/opencv';
import { InputError } from '../util/errors';

export const MOTIONS = ['euclidean', 'affine'] as const;
export type Motion = (typeof MOTIONS)[number];

/**
 * [a, b, c, d, e, f]: the point (x, y) of the reference shows what (a x + b y + c, d x + e y + f) of the moving picture
 * does; pixels, (0, 0) the centre of the first.
 */
export type Affine = readonly [number, number, number, number, number, number];

export const IDENTITY: Affine = [1, 0, 0, 0, 1, 0];

export interface Registration {
  readonly transform: Affine;
  /** Correlation coefficient of what was registered, at most 1. */
  readonly correlation: number;
}

export interface EccOptions {
  readonly motion: Motion;
  /** Pictures are halved until their shorter side is below this. Default: as they are. */
  readonly coarsest?: number;
  /** Most iterations at each size, and the gain in correlation below which they end. */
  readonly iterations: number;
  readonly epsilon: number;
  /** Side of the Gaussian filter before the gradients, pixels; odd. */
  readonly gaussian: number;
}

/**
 * @param reference one channel
 * @param moving one channel, of any size
 * @param name of the pair, for the error
 * @throws InputError where the pictures do not correlate: the iteration has no way to go
 */
export async function registerEcc(
  reference: Image,
  moving: Image,
  options: EccOptions,
  name: string,
): Promise<Registration> {
  const { cv } = await openCv();
  const { motion, coarsest = Infinity, iterations, epsilon, gaussian } = options;
  const sizes = [1];
  while (Math.min(reference.width, reference.height) / sizes[0] > coarsest) sizes.unshift(2 * sizes[0]);
  const warp = matOf(cv, { width: 3, height: 2, channels: 1, data: Float32Array.from(IDENTITY) });
  const criteria = new cv.TermCriteria(3, iterations, epsilon); // 3: whichever of the two ends it
  return withMats([warp], () => {
    let correlation = 0;
    for (const [i, times] of sizes.entries()) {
      const steps = i === 0 ? 1 : sizes[i - 1] / times;
      // Pixel centres: x at half the size is 2 x + 1/2 at the full one.
      warp.data32F.set(rescaled([...warp.data32F] as unknown as Affine, steps));
      const mats = [reference, moving].map((image) => matOf(cv, centred(shrunk(image, times))));
      const mask = new cv.Mat();
      correlation = withMats([...mats, mask], () => {
        try {
          return cv.findTransformECC(mats[0], mats[1], warp, motionCode(), criteria, mask, gaussian);
        } catch (error) {
          const reason = typeof error === 'number' ? cv.exceptionFromPtr(error).msg : String(error);
          throw new InputError(
            `${name}: its pictures cannot be registered (${reason.trim().split('\n')[0]})`,
          );
        }
      });
    }
    return { transform: [...warp.data32F] as unknown as Affine, correlation };
  });

  function motionCode(): number {
    return motion === 'affine' ? cv.MOTION_AFFINE : cv.MOTION_EUCLIDEAN;
  }
}

function shrunk(image: Image, times: number): Image {
  if (times === 1) return image;
  const side = (n: number): number => Math.max(1, Math.floor(n / times));
  return interpolate(image, side(image.width), side(image.height), 'area');
}

/** Less its mean: beyond its edges OpenCV takes a picture for 0, which would be an edge of its own. */
function centred(image: Image): Image {
  const mean = image.data.reduce((sum, v) => sum + v, 0) / image.data.length;
  return { ...image, data: image.data.map((v) => v - mean) };
}

/** The transform between pictures that are `times` larger, both of them. */
export function rescaled([a, b, c, d, e, f]: Affine, times: number): Affine {
  const shift = (times - 1) / 2;
  return [a, b, times * c + shift * (1 - a - b), d, e, times * f + shift * (1 - d - e)];
}

/** Largest distance that the transform moves a corner of a picture. */
export function cornerShift([a, b, c, d, e, f]: Affine, width: number, height: number): number {
  const corners = [0, width - 1].flatMap((x) => [0, height - 1].map((y) => [x, y] as const));
  return Math.max(...corners.map(([x, y]) => Math.hypot(a * x + b * y + c - x, d * x + e * y + f - y)));
}
