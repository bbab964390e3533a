import sharp from 'sharp';
import type { Image } from './image';
import { blankImage } from './image';
import { fromIntegers, toUint8 } from './quantise';
import { InputError } from '../util/errors';
import type { Random } from '../util/random';

/**
 * What a camera does to a picture after its lens: sensor noise and JPEG, as small pure functions. The simulated
 * camera decides where in its chain each belongs and how strong it is.
 */

export interface SensorNoise {
  /** Variance per unit of signal (photon noise; the gain of a Poisson count), in [0,1] units. */
  readonly shot: number;
  /** Standard deviation at black (read noise), in [0,1] units. */
  readonly read: number;
}

/**
 * Poisson-Gaussian noise in its Gaussian form (Foi et al., "Practical Poissonian-Gaussian noise modeling and fitting
 * for single-image raw-data", 2008): every value gets a normal deviate of variance `shot * max(value, 0) + read^2`,
 * independent over pixels and channels. `shot: 0` is plain additive Gaussian noise. Whether values are linear or
 * encoded light is the caller's affair; the result is not clamped.
 */
export function addNoise(image: Image, random: Random, noise: SensorNoise): Image {
  const { shot, read } = noise;
  if (!(shot >= 0 && read >= 0 && Number.isFinite(shot + read))) {
    throw new InputError(`noise must have shot >= 0 and read >= 0, found shot ${shot} and read ${read}`);
  }
  const out = blankImage(image.width, image.height, image.channels);
  for (let i = 0; i < out.data.length; i++) {
    const value = image.data[i];
    out.data[i] = value + Math.sqrt(shot * Math.max(value, 0) + read * read) * random.normal();
  }
  return out;
}

export interface JpegOptions {
  /** Chroma at half the resolution on both axes (most cameras, and the default of most programs) or at full. */
  readonly chroma?: '4:2:0' | '4:4:4';
}

/**
 * The picture after being saved as a baseline JPEG and read back: quantised to 8 bits by `toUint8`, the standard's
 * Annex K tables scaled by the libjpeg quality 1 to 100, default chroma 4:2:0. One channel or RGB in [0,1]; so is
 * the result.
 */
export async function jpegRoundTrip(
  image: Image,
  quality: number,
  options: JpegOptions = {},
): Promise<Image> {
  const { width, height, channels } = image;
  return fromIntegers(await jpegBytes(toUint8(image), image, quality, options), width, height, channels);
}

/** The same on 8-bit values, row-major, channels last. */
export async function jpegBytes(
  bytes: Uint8Array | Uint8ClampedArray,
  { width, height, channels }: Pick<Image, 'width' | 'height' | 'channels'>,
  quality: number,
  options: JpegOptions = {},
): Promise<Uint8Array> {
  if (!Number.isInteger(quality) || quality < 1 || quality > 100) {
    throw new InputError(`JPEG quality must be a whole number from 1 to 100, found ${quality}`);
  }
  if (channels !== 1 && channels !== 3) {
    throw new InputError(`JPEG takes pictures of 1 or 3 channels, found ${channels}`);
  }
  const jpeg = await sharp(bytes, { raw: { width, height, channels } })
    .jpeg({ quality, chromaSubsampling: options.chroma ?? '4:2:0' })
    .toBuffer();
  const decoded = sharp(jpeg);
  if (channels === 1) decoded.toColourspace('b-w');
  return decoded.raw().toBuffer();
}
