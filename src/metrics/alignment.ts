/**
 * How well an LR picture of a training pair lies on its HR picture: geometry, colour, and the error of every pixel (the
 * paper's Figure 5). With the simulated camera there is a truth for each; for a real pair the shrunk HR picture stands in.
 */
import { gaussianBlur } from '../image/filter';
import type { Image } from '../image/image';
import { InputError } from '../util/errors';
import { ciede2000Map } from './ciede2000';
import { register } from './registration';

/** [h, w, 1] of 0 and 1: which pixels count. */
export type Mask = Image;

/**
 * Mean length of the difference of two flows [h, w, 2], pixels: the end-point error.
 * @param mask pixels that count; absent: all whose content the true flow leaves inside the picture
 * @returns NaN where no pixel counts
 */
export function endPointError(flow: Image, truth: Image, mask: Mask = staysInside(truth)): number {
  requireSameSize(flow, truth);
  return maskedMean(
    (i) => Math.hypot(flow.data[2 * i] - truth.data[2 * i], flow.data[2 * i + 1] - truth.data[2 * i + 1]),
    mask,
  );
}

/**
 * How far the content of an LR picture lies from where the HR picture has it, LR pixels: measured by registration on
 * textured pixels, so also for pictures that come with no flow (a mimicked LR).
 * @param reference the shrunk HR picture
 */
export function shownMisalignment(image: Image, reference: Image, mask?: Mask): number {
  const { flow, textured } = register(reference, image);
  const still = { ...flow, data: new Float32Array(flow.data.length) };
  const both =
    mask === undefined ? textured : { ...mask, data: mask.data.map((v, i) => v * textured.data[i]) };
  return endPointError(flow, still, both);
}

/** 1 where a pixel moved by `flow` is still inside the picture. */
export function staysInside(flow: Image): Mask {
  const { width, height } = flow;
  const data = new Float32Array(width * height);
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      const [u, v] = [x + flow.data[2 * i], y + flow.data[2 * i + 1]];
      data[i] = u >= 0 && v >= 0 && u <= width - 1 && v <= height - 1 ? 1 : 0;
    }
  }
  return { width, height, channels: 1, data };
}

/** Colour is looked at through a blur, so that noise and fine misalignment are not taken for it. LR pixels. */
const COLOUR_SIGMA = 2;

/** Mean CIEDE2000 between two pictures (RGB in [0,1]) that were blurred a little. */
export function colourError(image: Image, truth: Image, mask?: Mask): number {
  const [a, b] = [image, truth].map((i) => gaussianBlur(i, COLOUR_SIGMA, 8 * COLOUR_SIGMA + 1));
  const map = ciede2000Map(a, b);
  return maskedMean((i) => map[i], mask ?? everywhere(image));
}

/** Figure 5: what each pixel of an LR picture is off by. */
export interface PixelError {
  /** [h, w, 1]: mean over the channels of the absolute difference, in [0,1]; 0 where a pixel does not count. */
  readonly map: Image;
  /** Mean of the map over the pixels that count, in grey levels of 255. */
  readonly absolute: number;
  /** Mean of the squared difference over them, in squared grey levels. */
  readonly squared: number;
}

/**
 * @param image RGB in [0,1]
 * @param reference what it should be: the shrunk HR picture, or a true LR picture
 */
export function pixelError(image: Image, reference: Image, mask: Mask = everywhere(image)): PixelError {
  requireSameSize(image, reference);
  const { width, height } = image;
  const map = { width, height, channels: 1, data: new Float32Array(width * height) };
  const difference = (i: number, c: number): number => image.data[3 * i + c] - reference.data[3 * i + c];
  const over = (f: (d: number) => number, i: number): number =>
    (f(difference(i, 0)) + f(difference(i, 1)) + f(difference(i, 2))) / 3;
  for (let i = 0; i < map.data.length; i++) map.data[i] = mask.data[i] === 0 ? 0 : over(Math.abs, i);
  return {
    map,
    absolute: 255 * maskedMean((i) => map.data[i], mask),
    squared: 255 ** 2 * maskedMean((i) => over((d) => d * d, i), mask),
  };
}

/** By how many percent an error is smaller than another. */
export function reduction(error: number, than: number): number {
  return 100 * (1 - error / than);
}

function maskedMean(of: (pixel: number) => number, { data }: Mask): number {
  let [sum, count] = [0, 0];
  for (let i = 0; i < data.length; i++) {
    if (data[i] === 0) continue;
    sum += of(i);
    count++;
  }
  return sum / count;
}

function everywhere({ width, height }: Image): Mask {
  return { width, height, channels: 1, data: new Float32Array(width * height).fill(1) };
}

function requireSameSize(a: Image, b: Image): void {
  if (a.width === b.width && a.height === b.height && a.channels === b.channels) return;
  const size = (i: Image): string => `${i.width}x${i.height}x${i.channels}`;
  throw new InputError(`cannot compare ${size(a)} with ${size(b)}: expected equal sizes`);
}
