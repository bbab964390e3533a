import { z } from 'zod';
import { parseWith } from '../util/schema';

/**
 * What one shot of the simulated camera is made with: plain data that can be stored beside a pair and photographs it
 * again. Lengths are LR pixels (one is four HR pixels), so that settings mean the same for every HR size; strengths
 * that depend on the place are stated at the picture's corner, the point at half a diagonal from its middle.
 */

/** How the content of the HR picture has moved in the LR picture. All zero: not at all. */
export interface CameraGeometry {
  /** Movement to the right, LR pixels. */
  readonly shiftX: number;
  /** Movement downwards, LR pixels. */
  readonly shiftY: number;
  /** Clockwise rotation about the middle: length of the arc at the corner, LR pixels (angle = this / half diagonal). */
  readonly rotation: number;
  /** Enlargement about the middle: outward movement of the corner, LR pixels. */
  readonly zoom: number;
  /** Radial lens distortion, growing as the third power of the radius: outward movement at the corner, LR pixels. */
  readonly distortion: number;
  /** Smooth random movement (parallax and all else local): root mean square of its length, LR pixels. */
  readonly parallax: number;
  /** Spacing of the lattice of that random movement, LR pixels: features are about twice as large. */
  readonly parallaxSpacing: number;
}

/** How the colours of the LR picture differ from the HR picture's. Neutral (`NEUTRAL_COLOUR`): not at all. */
export interface ColourChange {
  /** Gain on linear light, stops (one stop doubles it). */
  readonly exposure: number;
  /** White balance: further gain on red, stops. */
  readonly red: number;
  /** White balance: further gain on blue, stops. */
  readonly blue: number;
  /** Loss of light at the corner, stops, growing as the square of the radius; negative brightens the corner. */
  readonly vignetting: number;
  /** Tone curve: exponent on encoded values; above 1 darkens the middle tones. */
  readonly gamma: number;
  /** Tone curve: S about mid grey, log2 of its slope there; negative flattens. */
  readonly contrast: number;
  /** Factor on the distance of encoded colours from their own grey. */
  readonly saturation: number;
}

/** Anisotropic Gaussian blur of the lens. */
export interface LensBlur {
  /** Standard deviation along the wide axis, LR pixels. */
  readonly major: number;
  /** Standard deviation across it, LR pixels; not above `major`. */
  readonly minor: number;
  /** Direction of the wide axis, degrees clockwise from the x axis. */
  readonly angle: number;
}

/** Sensor noise on linear light in [0,1]: variance = shot * signal + read^2. */
export interface CameraNoise {
  /** Variance per unit of linear signal: the inverse of the electrons at white. */
  readonly shot: number;
  /** Standard deviation at black, as a share of white. */
  readonly read: number;
}

export interface CameraJpeg {
  /** libjpeg quality, 1 to 100. */
  readonly quality: number;
  /** Colour at half the resolution (the default, as in most cameras) or at full. */
  readonly chroma: '4:2:0' | '4:4:4';
}

export interface CameraOptions {
  readonly geometry: CameraGeometry;
  readonly colour: ColourChange;
  readonly blur: LensBlur;
  readonly noise: CameraNoise;
  /** null: the LR picture is not compressed, nor rounded to 8 bits. */
  readonly jpeg: CameraJpeg | null;
}

/** Camera options with neutral settings left out, as a user writes them. */
export interface CameraSettings {
  readonly geometry?: Partial<CameraGeometry>;
  readonly colour?: Partial<ColourChange>;
  readonly blur?: Partial<LensBlur>;
  readonly noise?: Partial<CameraNoise>;
  readonly jpeg?: (Pick<CameraJpeg, 'quality'> & Partial<CameraJpeg>) | null;
}

const number = z.number();
const positive = number.positive();
const share = number.min(0).max(1);

const schema = z.strictObject({
  geometry: z
    .strictObject({
      shiftX: number.default(0),
      shiftY: number.default(0),
      rotation: number.default(0),
      zoom: number.default(0),
      distortion: number.default(0),
      parallax: number.min(0).default(0),
      parallaxSpacing: number.min(4).default(32),
    })
    .prefault({}),
  colour: z
    .strictObject({
      exposure: number.min(-8).max(8).default(0),
      red: number.min(-4).max(4).default(0),
      blue: number.min(-4).max(4).default(0),
      vignetting: number.min(-4).max(4).default(0),
      gamma: positive.max(4).default(1),
      contrast: number.min(-3).max(3).default(0),
      saturation: number.min(0).max(4).default(1),
    })
    .prefault({}),
  blur: z
    .strictObject({
      major: number.min(0).max(4).default(0),
      minor: number.min(0).default(0),
      angle: number.default(0),
    })
    .refine(({ major, minor }) => minor <= major, { path: ['minor'], error: 'expected at most major' })
    .prefault({}),
  noise: z.strictObject({ shot: share.default(0), read: share.default(0) }).prefault({}),
  jpeg: z
    .strictObject({ quality: z.int().min(1).max(100), chroma: z.enum(['4:2:0', '4:4:4']).default('4:2:0') })
    .nullable()
    .default(null),
});

/** The colour change that changes nothing. */
export const NEUTRAL_COLOUR: ColourChange = {
  exposure: 0,
  red: 0,
  blue: 0,
  vignetting: 0,
  gamma: 1,
  contrast: 0,
  saturation: 1,
};

/**
 * Camera options from plain data (JSON, a config file); what is left out is neutral.
 * @throws InputError that names the first key that is unknown or out of range, what was expected and what was found.
 */
export function cameraOptions(settings: CameraSettings): CameraOptions {
  return parseWith(schema, settings, 'camera options');
}
