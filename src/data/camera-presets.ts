import { InputError } from '../util/errors';
import type { Random } from '../util/random';
import type { CameraOptions } from './camera-options';
import { cameraOptions } from './camera-options';

/**
 * Cameras to draw from: ranges of settings calibrated on real LR/HR pairs, out of which each picture gets its own.
 *
 * A pair has one size of movement and one size of colour change; each size is split at random among its components, so
 * that pairs of equal size differ in kind. The components are scaled so that any one of them alone, at size 1, gives
 * about 1 LR pixel of flow, or about 1 unit of CIE76: the sizes mean what they are named after, whatever the size of
 * the picture. (So photograph whole pictures and cut patches out of the pair: a patch photographed by itself gets the
 * rotation of a whole picture between its own corners.)
 *
 * Left out on purpose: what pairs of a data set have in common (one camera body, one lens, one registration).
 */

/** Lower and upper end, both included. */
export type Range = readonly [low: number, high: number];

/** Relative weights of the components of a movement; 0: never. */
export interface MovementShares {
  readonly shift: number;
  readonly rotation: number;
  readonly zoom: number;
  readonly distortion: number;
  readonly parallax: number;
}

/** Relative weights of the components of a colour change; 0: never. */
export interface ColourShares {
  readonly exposure: number;
  readonly red: number;
  readonly blue: number;
  readonly vignetting: number;
  readonly gamma: number;
  readonly contrast: number;
  readonly saturation: number;
}

export interface CameraPreset {
  /** Size of the movement: about the median length of the flow in a pair, LR pixels. Log-uniform. */
  readonly misalignment: Range;
  readonly movement: MovementShares;
  /** Lattice spacing of the random movement, LR pixels. Uniform. */
  readonly parallaxSpacing: Range;
  /** Size of the colour change: about the mean CIE76 that it alone makes in a picture. Log-uniform. */
  readonly colourGap: Range;
  readonly colour: ColourShares;
  /** Standard deviation of the blur along its wide axis, LR pixels. Uniform. */
  readonly blur: Range;
  /** Standard deviation across that axis as a share of the one along it. Uniform. */
  readonly blurRoundness: Range;
  /** Noise variance per unit of linear signal. Log-uniform. */
  readonly shotNoise: Range;
  /** Noise standard deviation at black, as a share of white. Log-uniform. */
  readonly readNoise: Range;
  /** libjpeg quality, chroma 4:2:0. Uniform over whole numbers. */
  readonly jpegQuality: Range;
}

/**
 * What gives about 1 LR pixel of median flow alone: LR pixels as in `CameraGeometry`. Distortion leaves the middle of
 * a picture where it is, so there the 90th percentile of the flow counts.
 */
const MOVEMENT_UNITS: MovementShares = { shift: 1, rotation: 1.9, zoom: 1.9, distortion: 2, parallax: 1.2 };

/** What gives about 1 unit of CIE76 alone, measured on photographs: stops, and log2 of gamma and of saturation. */
const COLOUR_UNITS: ColourShares = {
  exposure: 0.063,
  red: 0.063,
  blue: 0.053,
  vignetting: 0.2,
  gamma: 0.042,
  contrast: 0.07,
  saturation: 0.085,
};

/**
 * From 100 RealSR crops, each against its HR shrunk by area in linear light. Luminance power of the LR, as a share of
 * the HR's: 1.1 at 0.12 to 0.25 cycles per pixel (median), 0.13 at 0.35 to 0.5 (0.05 to 0.26, 10th to 90th percentile),
 * that is: blurred, then sharpened in the camera. Only the blur is simulated, so its range is a compromise between
 * those two bands. Fine chroma is nearly gone in real LR pictures, as 4:2:0 leaves it. Noise in the smoothest blocks:
 * 0.2 / 0.4 / 1.1 grey levels of 255.
 */
const REALSR_DEGRADATION = {
  blur: [0.25, 0.6],
  blurRoundness: [0.7, 1],
  shotNoise: [2e-6, 5e-5],
  readNoise: [1e-4, 5e-4],
  jpegQuality: [94, 99],
} as const;

const STILL: MovementShares = { shift: 0, rotation: 0, zoom: 0, distortion: 0, parallax: 0 };

const COLOUR_TRUE: ColourShares = {
  exposure: 0,
  red: 0,
  blue: 0,
  vignetting: 0,
  gamma: 0,
  contrast: 0,
  saturation: 0,
};

export type CameraPresetName =
  'realsr-like' | 'srraw-like' | 'srraw-geometry' | 'srraw-colour' | 'srraw-aligned' | 'aligned';

const SRRAW_LIKE: CameraPreset = {
  misalignment: [0.42, 1.75],
  movement: { shift: 2.5, rotation: 1, zoom: 1, distortion: 0.5, parallax: 1.2 },
  parallaxSpacing: [16, 48],
  colourGap: [5.9, 7.3],
  colour: { exposure: 3, red: 0.5, blue: 0.5, vignetting: 0.5, gamma: 0.5, contrast: 0.5, saturation: 0.5 },
  ...REALSR_DEGRADATION,
  shotNoise: [1e-5, 3e-4],
};

/**
 * Presets, each beside what it was calibrated on: median / 90th percentile over pairs. Real: flow estimated on textured
 * pixels, and mean CIE76 between LR and the HR shrunk, both blurred by sigma min(h, w) / 64. Simulated: the median of
 * the true flow over 400 cameras, and the same CIE76 on the 199 BSDS500 train photographs and on 100 drawn scenes of
 * 512 x 512.
 *
 *                                   flow, LR px      CIE76, photographs   CIE76, scenes
 *   100 RealSR x4 test crops       0.090 / 0.168       2.09 / 3.72
 *   realsr-like                    0.087 / 0.181       2.18 / 4.13         2.00 / 3.30
 *   10 patches of a DCSR scene     0.848 / 1.443       7.57 / 9.02
 *   srraw-like                     0.808 / 1.456       6.66 / 9.54         7.07 / 9.38
 *
 * `realsr-like`: the movement is mostly local, as there, where the data set's authors had already registered each pair
 * and matched its mean colour; so little exposure and no single dominant colour component.
 *
 * `srraw-like`: no SR-RAW pair was at hand. Its stand-in is a dual-camera phone scene after affine registration (largest
 * median flow of a patch 2.3, here 2.2), whose LR is about 0.4 stops brighter; the one published training patch of the
 * paper (flow 0.81, CIE76 3.4) has the same flow and less colour. So this is SR-RAW *after* its published
 * pre-alignment. Unregistered pairs of that kind are off by 6 to 11 LR pixels, mostly by shift and zoom: for those,
 * raise `misalignment`. Of the CIE76, about 1.5 in all presets is not colour at all but blur, sampling in linear
 * light and JPEG chroma.
 *
 * `srraw-geometry`, `srraw-colour`, `srraw-aligned`: `srraw-like` with its movement alone, its colour change alone, and
 * neither of them.
 *
 * `aligned`: the degradations of `realsr-like`, no movement and no colour change: what every method is up against.
 */
export const CAMERA_PRESETS: Readonly<Record<CameraPresetName, CameraPreset>> = {
  'realsr-like': {
    misalignment: [0.04, 0.22],
    movement: { shift: 1, rotation: 0.7, zoom: 0.7, distortion: 0.5, parallax: 3 },
    parallaxSpacing: [12, 32],
    colourGap: [0.4, 4.6],
    colour: {
      exposure: 0.7,
      red: 1.2,
      blue: 1.2,
      vignetting: 0.6,
      gamma: 0.7,
      contrast: 1.2,
      saturation: 1.5,
    },
    ...REALSR_DEGRADATION,
  },
  'srraw-like': SRRAW_LIKE,
  'srraw-geometry': { ...SRRAW_LIKE, colourGap: [0, 0], colour: COLOUR_TRUE },
  'srraw-colour': { ...SRRAW_LIKE, misalignment: [0, 0], movement: STILL },
  'srraw-aligned': {
    ...SRRAW_LIKE,
    misalignment: [0, 0],
    movement: STILL,
    colourGap: [0, 0],
    colour: COLOUR_TRUE,
  },
  aligned: {
    misalignment: [0, 0],
    movement: STILL,
    parallaxSpacing: [32, 32],
    colourGap: [0, 0],
    colour: COLOUR_TRUE,
    ...REALSR_DEGRADATION,
  },
};

/**
 * A preset by name, with one size of movement in place of its range where one is given.
 * @param misalignment LR pixels: about the median length of the flow in every pair
 * @throws InputError where the preset has no movement to give that size to
 */
export function cameraPreset(name: CameraPresetName, misalignment?: number): CameraPreset {
  const preset = CAMERA_PRESETS[name];
  if (misalignment === undefined) return preset;
  if (preset.movement === STILL)
    throw new InputError(`camera '${name}' is held still: it has no movement of ${misalignment} LR pixels`);
  return { ...preset, misalignment: [misalignment, misalignment] };
}

/** One camera of a preset: settings for one picture. */
export function drawCamera(preset: CameraPreset, random: Random): CameraOptions {
  const movement = split(random, random.logUniform(...preset.misalignment), MOVEMENT_UNITS, preset.movement);
  const heading = random.uniform(0, 2 * Math.PI);
  const colour = split(random, random.logUniform(...preset.colourGap), COLOUR_UNITS, preset.colour);
  const major = random.uniform(...preset.blur);
  return cameraOptions({
    geometry: {
      shiftX: movement.shift * Math.cos(heading),
      shiftY: movement.shift * Math.sin(heading),
      rotation: movement.rotation,
      zoom: movement.zoom,
      distortion: movement.distortion,
      parallax: Math.abs(movement.parallax),
      parallaxSpacing: random.uniform(...preset.parallaxSpacing),
    },
    colour: { ...colour, gamma: 2 ** colour.gamma, saturation: 2 ** colour.saturation },
    blur: { major, minor: major * random.uniform(...preset.blurRoundness), angle: random.uniform(0, 180) },
    noise: { shot: random.logUniform(...preset.shotNoise), read: random.logUniform(...preset.readNoise) },
    jpeg: { quality: random.integer(...preset.jpegQuality), chroma: '4:2:0' },
  });
}

/**
 * `size` split among components: a random direction, each axis stretched by its share, of length `size`, times the
 * unit of each component. So their sum of squares, in units, is size^2.
 */
function split<K extends string>(
  random: Random,
  size: number,
  units: Readonly<Record<K, number>>,
  shares: Readonly<Record<K, number>>,
): Record<K, number> {
  const keys = Object.keys(units) as K[];
  const parts = keys.map((key) => shares[key] * random.normal());
  const length = Math.hypot(...parts);
  const amounts = keys.map((key, i) => [key, length === 0 ? 0 : (size * units[key] * parts[i]) / length]);
  return Object.fromEntries(amounts) as Record<K, number>;
}
