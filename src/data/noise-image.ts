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
import { jpegRoundTrip } from '../image/degrade';
import type { Image } from '../image/image';
import { fromIntegers, roundHalfToEven } from '../image/quantise';
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
  const toInteger = mode === 'released' ? Math.floor : roundHalfToEven;
  let picture: Grey = {
    ...hr,
    data: mode === 'released' ? hr.data : hr.data.map((v) => roundHalfToEven(255 * v)),
    whole: mode === 'repaired',
  };
  for (const step of draw.order) {
    if (step === 'down') picture = shrink(picture);
    else if (step === 'noise') picture = addGaussian(picture, random, draw.level);
    else picture = await throughJpeg(picture, draw.quality);
    const data = picture.data.map((v) => toInteger(Math.min(255, Math.max(0, v))));
    picture = { ...picture, data, whole: true };
  }
  const { width, height } = picture;
  const image = fromIntegers(Uint8Array.from(picture.data), width, height, 3);
  return mode === 'released' ? swapRedAndBlue(image) : image;
}

/** A picture on the scale of grey levels. */
interface Grey extends Image {
  /** All values are whole numbers in 0..255. */
  readonly whole: boolean;
}

/** A whole picture stays whole: OpenCV rounds its 8-bit resize, halves up. */
function shrink({ width, height, data, whole }: Grey): Grey {
  const [w, h] = [width / NOISE_SCALE, height / NOISE_SCALE];
  const out = new Float32Array(w * h * 3);
  for (let y = 0; y < h; y++) {
    for (let x = 0; x < w; x++) {
      const at = ((NOISE_SCALE * y + 1) * width + NOISE_SCALE * x + 1) * 3;
      for (let c = 0; c < 3; c++) {
        const i = at + c;
        const mean = (data[i] + data[i + 3] + data[i + 3 * width] + data[i + 3 * width + 3]) / 4;
        out[(y * w + x) * 3 + c] = whole ? Math.floor(mean + 0.5) : mean;
      }
    }
  }
  return { width: w, height: h, channels: 3, data: out, whole };
}

function addGaussian(picture: Grey, random: Random, level: number): Grey {
  const noise = new Float32Array(picture.data.length);
  random.fillNormal(noise, 0, level);
  return { ...picture, data: noise.map((n, i) => picture.data[i] + n), whole: false };
}

/** A picture that is not whole is rounded first, as OpenCV does on saving. */
async function throughJpeg(picture: Grey, quality: number): Promise<Grey> {
  const unit = { ...picture, data: picture.data.map((v) => v / 255) };
  const saved = await jpegRoundTrip(unit, quality);
  return { ...picture, data: saved.data.map((v) => Math.round(255 * v)), whole: true };
}

function swapRedAndBlue(image: Image): Image {
  const data = image.data.slice();
  for (let i = 0; i < data.length; i += 3) [data[i], data[i + 2]] = [data[i + 2], data[i]];
  return { ...image, data };
}
