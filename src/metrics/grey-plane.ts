/**
 * The plane of whole grey levels (0..255) that the no-reference metrics look at. Programs make it differently, and the
 * scores follow: see image/colour.
 */
import { greyMatlab, greyPyiqa, lumaBasicsr, lumaMatlab, lumaPyiqa } from '../image/colour';
import { cropImage, type Image } from '../image/image';
import { roundHalfToEven, toUint8 } from '../image/quantise';
import { InputError } from '../util/errors';

/** Whose code a metric repeats: pyiqa (the paper's scores), XPixelGroup/BasicSR, or the authors' MATLAB. */
export type Program = 'pyiqa' | 'basicsr' | 'matlab';

/** `grey`: the metric's own default (YIQ luma, MATLAB's rgb2gray). `y`: BT.601 luma of 16..235, as in PI. */
export type GreyPlane = 'grey' | 'y';

export interface Plane {
  readonly width: number;
  readonly height: number;
  /** Row-major, 0..255. */
  readonly data: Uint8Array;
}

const CONVERSIONS: Record<Program, Record<GreyPlane, (rgb: Uint8Array) => Uint8Array>> = {
  pyiqa: { grey: greyPyiqa, y: lumaPyiqa },
  // BasicSR's NIQE knows luma alone.
  basicsr: { grey: lumaBasicsrRounded, y: lumaBasicsrRounded },
  matlab: { grey: greyMatlab, y: lumaMatlab },
};

function lumaBasicsrRounded(rgb: Uint8Array): Uint8Array {
  return Uint8Array.from(lumaBasicsr(rgb), roundHalfToEven);
}

/**
 * The picture, `crop` pixels off each side, as grey levels. A picture of one channel is that plane already.
 * @throws InputError on another number of channels, on values that are not finite, and where less than `least` x `least`
 * pixels remain
 */
export function greyPlane(
  image: Image,
  program: Program,
  plane: GreyPlane,
  crop: number,
  least: number,
): Plane {
  if (!Number.isInteger(crop) || crop < 0) {
    throw new InputError(`crop must be a whole number of pixels, 0 or more, found ${crop}`);
  }
  const [width, height] = [image.width - 2 * crop, image.height - 2 * crop];
  if (width < least || height < least) {
    const after = crop === 0 ? '' : ` after cropping ${crop} on each side`;
    throw new InputError(
      `an image of ${image.width}x${image.height} is too small: expected at least ${least}x${least} pixels${after}`,
    );
  }
  const values = toUint8(cropImage(image, crop, crop, width, height));
  if (image.channels === 1) return { width, height, data: values };
  if (image.channels !== 3)
    throw new InputError(`expected an image of 1 or 3 channels, found ${image.channels}`);
  return { width, height, data: CONVERSIONS[program][plane](values) };
}
