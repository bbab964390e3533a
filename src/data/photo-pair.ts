/**
 * A x4 pair from two photographs of one scene, a short and a long focal length of one camera: the preparation of SR-RAW
 * (Zhang et al., "Zoom to Learn, Learn to Zoom", CVPR 2019; zoom-learn-zoom @ 1e5ac31) with the developed RGB picture as LR.
 *
 * 1. field of view: the middle of the short photo, 1/ratio of each side, ratio from the focal lengths;
 * 2. the long photo, shrunk to that size, is registered to it (registration.ts);
 * 3. the largest rectangle of LR pixels that the long photo covers; the LR is cut to it and never resampled;
 * 4. the HR, 4 x that rectangle, is sampled from the long photo.
 *
 * In place of the published three resamplings of the HR (enlarged, warped, shrunk) there is one, by cubic convolution.
 */
import { lumaPlane } from '../image/colour';
import { interpolate } from '../image/filter';
import { blankImage, cropImage, mirror, type Image } from '../image/image';
import { keysWeights } from '../image/keys';
import { InputError } from '../util/errors';
import { measureMisalignment, type Misalignment } from './misalignment';
import { registerEcc, type Affine, type Motion } from './registration';

const SCALE = 4;
/** zoom-learn-zoom's limits of the ECC. */
const ECC = { iterations: 500, epsilon: 1e-6, gaussian: 5 };
/** Short side of the coarsest picture, pixels. */
const COARSEST = 150;
/** A registration that moves by more than this share of the short side is wrong (zoom-learn-zoom). */
const FURTHEST = 0.3;
/** Smallest LR side of use. */
const LEAST_SIDE = 32;

export interface PhotoPair {
  readonly lr: Image;
  readonly hr: Image;
  readonly transform: Affine;
  readonly correlation: number;
  /** By focal lengths alone, and as prepared. */
  readonly before: Misalignment;
  readonly after: Misalignment;
}

/**
 * @param short RGB, the LR's photograph
 * @param long RGB, the HR's photograph
 * @param ratio focal length of the long one over that of the short one
 * @throws InputError where the two cannot be registered, or share too little
 */
export async function pairOfPhotos(
  short: Image,
  long: Image,
  ratio: number,
  motion: Motion,
  name: string,
): Promise<PhotoPair> {
  if (!(ratio >= 1))
    throw new InputError(`${name}: expected a focal length ratio of 1 or more, found ${ratio}`);
  const view = centre(short, ratio);
  const small = interpolate(long, view.width, view.height, 'area');
  const before = await measureMisalignment(view, small, name);
  const { transform, correlation } = await registerEcc(
    lumaPlane(view, 255),
    lumaPlane(small, 255),
    { ...ECC, motion, coarsest: COARSEST },
    name,
  );
  const movement = transform.reduce((sum, v, i) => sum + Math.abs(v - (i === 0 || i === 4 ? 1 : 0)), 0);
  if (!(movement < FURTHEST * Math.min(view.width, view.height))) {
    throw new InputError(
      `${name}: registration moves by ${movement.toFixed(0)} LR pixels, which no hand does: wrong`,
    );
  }
  const { left, top, width, height } = covered(view, transform, name);
  const lr = cropImage(view, left, top, width, height);
  const hr = sampled(long, view, transform, left, top, width, height);
  return { lr, hr, transform, correlation, before, after: await measureMisalignment(lr, hr, name) };
}

/** The middle of the picture, 1/ratio of each side. */
function centre(image: Image, ratio: number): Image {
  const inner = (n: number): [number, number] => {
    const margin = (n - n / ratio) / 2;
    const from = Math.ceil(margin);
    return [from, Math.floor(n - margin) - from];
  };
  const [left, width] = inner(image.width);
  const [top, height] = inner(image.height);
  return cropImage(image, left, top, width, height);
}

interface Rectangle {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** A rectangle that the moved picture covers: sides come in from the full size, the worst first, until all corners do. */
function covered({ width, height }: Image, [a, b, c, d, e, f]: Affine, name: string): Rectangle {
  const edge = { left: 0, top: 0, right: width - 1, bottom: height - 1 };
  for (;;) {
    const lack = { left: 0, top: 0, right: 0, bottom: 0 };
    for (const x of [edge.left, edge.right]) {
      for (const y of [edge.top, edge.bottom]) {
        const [u, v] = [a * x + b * y + c, d * x + e * y + f];
        const side = x === edge.left ? 'left' : 'right';
        const end = y === edge.top ? 'top' : 'bottom';
        lack[side] = Math.max(lack[side], side === 'left' ? -u : u - (width - 1));
        lack[end] = Math.max(lack[end], end === 'top' ? -v : v - (height - 1));
      }
    }
    const sides = Object.entries(lack) as [keyof typeof lack, number][];
    const [worst, by] = sides.reduce((most, side) => (side[1] > most[1] ? side : most));
    if (by <= 0) break;
    edge[worst] += (worst === 'left' || worst === 'top' ? 1 : -1) * Math.max(1, Math.floor(by));
    if (edge.right - edge.left < LEAST_SIDE || edge.bottom - edge.top < LEAST_SIDE) {
      throw new InputError(`${name}: the two photographs share less than ${LEAST_SIDE} LR pixels`);
    }
  }
  const { left, top, right, bottom } = edge;
  return { left, top, width: right - left + 1, height: bottom - top + 1 };
}

/** The long photo at the HR pixels over a rectangle of LR pixels, by cubic convolution (Keys 1981, a = -1/2), in [0,1]. */
function sampled(
  long: Image,
  view: Image,
  [a, b, c, d, e, f]: Affine,
  left: number,
  top: number,
  width: number,
  height: number,
): Image {
  const out = blankImage(SCALE * width, SCALE * height);
  const [across, down] = [long.width / view.width, long.height / view.height];
  const [wx, wy] = [new Float64Array(4), new Float64Array(4)];
  for (let y = 0, to = 0; y < out.height; y++) {
    const lrY = top + (y + 0.5) / SCALE - 0.5;
    for (let x = 0; x < out.width; x++, to += 3) {
      const lrX = left + (x + 0.5) / SCALE - 0.5;
      const u = (a * lrX + b * lrY + c + 0.5) * across - 0.5;
      const v = (d * lrX + e * lrY + f + 0.5) * down - 0.5;
      const [u0, v0] = [Math.floor(u), Math.floor(v)];
      keysWeights(u - u0, wx);
      keysWeights(v - v0, wy);
      for (let j = 0; j < 4; j++) {
        const row = 3 * long.width * mirror(v0 - 1 + j, long.height);
        for (let i = 0; i < 4; i++) {
          const at = row + 3 * mirror(u0 - 1 + i, long.width);
          const w = wy[j] * wx[i];
          for (let channel = 0; channel < 3; channel++) out.data[to + channel] += w * long.data[at + channel];
        }
      }
    }
  }
  for (let i = 0; i < out.data.length; i++) out.data[i] = Math.min(1, Math.max(0, out.data[i]));
  return out;
}
