/**
 * The "noise image" of a training sample: the HR patch through a random degradation to LR size, from which the mimicked
 * LR gets its noise (paper, section 3.1: "a mix of Gaussian and JPEG noise"; `degrade_kernel` of omarAlezaby/Mimicked_Ali
 * @ 27a5681). Three operations, each on an 8-bit picture, in a random order:
 *
 * - down: to a quarter of the size, the mean of the middle 2x2 pixels of each 4x4 (OpenCV's bilinear, no antialiasing);
 * - noise: Gaussian, independent over pixels and channels, one standard deviation from 5 to 30 grey levels;
 * - JPEG: one quality from 60 to 95, chroma at half resolution.
 *
 * `released` does what the official code does: the patch enters with values in [0,1], so that the first truncation to
 * whole grey levels wipes the picture and what comes out is the noise's positive half on black, with red and blue
 * swapped. `repaired` lets the picture in as 0..255, keeps the channels, and rounds instead of truncating (three
 * truncations darken by more than a grey level).
 */
import { jpegBytes } from '../image/degrade';
import type { Image } from '../image/image';
import { fromIntegers, toUint8 } from '../image/quantise';
import { InputError } from '../util/errors';
import type { Random } from '../util/random';

export const NOISE_MODES = ['released', 'repaired'] as const;
export type NoiseMode = (typeof NOISE_MODES)[number];

/** How many times smaller the noise image is. */
export const NOISE_SCALE = 4;
/** Standard deviation of the noise, in grey levels: a whole number, both ends included. */
const LEVELS = [5, 30] as const;
const QUALITIES = [60, 95] as const;

export type NoiseStep = 'down' | 'noise' | 'jpeg';
export const NOISE_ORDERS: readonly (readonly [NoiseStep, NoiseStep, NoiseStep])[] = [
  ['down', 'jpeg', 'noise'],
  ['jpeg', 'down', 'noise'],
  ['jpeg', 'noise', 'down'],
  ['noise', 'jpeg', 'down'],
  ['down', 'noise', 'jpeg'],
  ['noise', 'down', 'jpeg'],
];

/** What is drawn for one noise image, but for the noise itself. */
export interface NoiseDraw {
  readonly order: (typeof NOISE_ORDERS)[number];
  /** Grey levels. */
  readonly level: number;
  readonly quality: number;
}

export function drawNoise(random: Random): NoiseDraw {
  return {
    order: random.pick(NOISE_ORDERS),
    level: random.integer(...LEVELS),
    quality: random.integer(...QUALITIES),
  };
}

/**
 * @param hr RGB in [0,1], sides multiples of 4
 * @param random gives the noise, and what is to be drawn where `draw` is absent
 * @returns RGB in [0,1] (whole grey levels), a quarter of the size; BGR in mode `released`
 * @throws InputError for a picture that is not RGB or whose sides are not multiples of 4
 */
export async function noiseImage(
  hr: Image,
  random: Random,
  mode: NoiseMode,
  draw: NoiseDraw = drawNoise(random),
): Promise<Image> {
  if (hr.channels !== 3 || hr.width % NOISE_SCALE !== 0 || hr.height % NOISE_SCALE !== 0) {
    throw new InputError(
      `a noise image needs an RGB picture with sides that are multiples of ${NOISE_SCALE}, ` +
        `found ${hr.width}x${hr.height}x${hr.channels}`,
    );
  }
  const whole = mode === 'released' ? truncated : rounded;
  const { width, height } = hr;
  let picture: Grey = { width, height, levels: mode === 'released' ? hr.data : toUint8(hr) };
  for (const step of draw.order) {
    if (step === 'down') picture = shrink(picture);
    else if (step === 'noise') picture = addGaussian(picture, random, draw.level);
    else picture = await throughJpeg(picture, draw.quality);
    picture = { ...picture, levels: whole(picture.levels) };
  }
  const bytes = whole(picture.levels);
  if (mode === 'released') swapRedAndBlue(bytes);
  return fromIntegers(bytes, picture.width, picture.height, 3);
}

/** RGB on the scale of grey levels; bytes where all levels are whole. */
interface Grey {
  readonly width: number;
  readonly height: number;
  readonly levels: Float32Array | Uint8Array;
}

/** Cut to 0..255, fractions dropped. */
function truncated(levels: Grey['levels']): Uint8Array {
  if (levels instanceof Uint8Array) return levels;
  const bytes = new Uint8Array(levels.length);
  for (let i = 0; i < bytes.length; i++) {
    const v = levels[i];
    bytes[i] = v <= 0 ? 0 : v >= 255 ? 255 : v;
  }
  return bytes;
}

/** Cut to 0..255, rounded half to even: the rule by which a Uint8ClampedArray takes numbers. */
function rounded(levels: Grey['levels']): Uint8Array {
  return levels instanceof Uint8Array ? levels : new Uint8Array(new Uint8ClampedArray(levels).buffer);
}

/** A whole picture stays whole: OpenCV rounds its 8-bit resize, halves up. */
function shrink({ width, height, levels }: Grey): Grey {
  const [w, h] = [width / NOISE_SCALE, height / NOISE_SCALE];
  const whole = levels instanceof Uint8Array;
  const out = whole ? new Uint8Array(w * h * 3) : new Float32Array(w * h * 3);
  const row = 3 * width;
  for (let y = 0, to = 0; y < h; y++) {
    for (let x = 0; x < w; x++) {
      const at = ((NOISE_SCALE * y + 1) * width + NOISE_SCALE * x + 1) * 3;
      for (let i = at; i < at + 3; i++) {
        const mean = (levels[i] + levels[i + 3] + levels[i + row] + levels[i + row + 3]) / 4;
        out[to++] = whole ? Math.floor(mean + 0.5) : mean;
      }
    }
  }
  return { width: w, height: h, levels: out };
}

function addGaussian(picture: Grey, random: Random, level: number): Grey {
  const levels = new Float32Array(picture.levels.length);
  random.fillNormal(levels, 0, level);
  for (let i = 0; i < levels.length; i++) levels[i] += picture.levels[i];
  return { ...picture, levels };
}

/** A picture that is not whole is rounded first, as OpenCV does on saving. */
async function throughJpeg({ width, height, levels }: Grey, quality: number): Promise<Grey> {
  return { width, height, levels: await jpegBytes(rounded(levels), { width, height, channels: 3 }, quality) };
}

function swapRedAndBlue(bytes: Uint8Array): void {
  for (let i = 0; i < bytes.length; i += 3) [bytes[i], bytes[i + 2]] = [bytes[i + 2], bytes[i]];
}
