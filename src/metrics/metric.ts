import type { Image } from '../image/image';
import { cropImage } from '../image/image';
import { InputError } from '../util/errors';

/** One number that says how good a picture is. */
export interface Metric {
  /** As a table's column names it. */
  readonly name: string;
  readonly better: 'higher' | 'lower';
  /**
   * Score of one picture (RGB in [0,1]). A full-reference metric needs `reference`, of the same size; a no-reference
   * one leaves it unread.
   * @throws InputError where the picture cannot be scored; never an invented number.
   */
  score(image: Image, reference?: Image): Promise<number>;
}

/** How a full-reference metric looks at its pair. Tables of other protocols are not comparable, so it is always said. */
export interface FullReferenceProtocol {
  /** Pixels left out on each of the four sides. */
  readonly crop: number;
  /** Score BT.601 luma (BasicSR's, not rounded) instead of RGB. */
  readonly y: boolean;
}

/** The protocol behind the paper's Tables 1 and 2, that of zhengchen1999/DAT's x4 tests: luma, 4 pixels off each side. */
export const PAPER_PROTOCOL: FullReferenceProtocol = { crop: 4, y: true };

/** "PSNR-Y" or "PSNR-RGB", with the crop where it is not the paper's. */
export function fullReferenceName(metric: string, protocol: FullReferenceProtocol): string {
  const border = protocol.crop === PAPER_PROTOCOL.crop ? '' : ` crop ${protocol.crop}`;
  return `${metric}-${protocol.y ? 'Y' : 'RGB'}${border}`;
}

/** @throws InputError for a crop that is not a whole number of pixels */
export function requireCrop(crop: number): void {
  if (!Number.isInteger(crop) || crop < 0)
    throw new InputError(`crop must be a whole number of pixels, 0 or more, found ${crop}`);
}

/** No reference in [0,1] has such a value, nor bicubic's overshoots; nearly every one in 0 to 255 has. */
const ABOVE_WHITE = 4;

/** A plain loop: `some` would take a third of a PSNR's time. */
function isFarAboveWhite({ data }: Image): boolean {
  for (let i = 0; i < data.length; i++) if (data[i] > ABOVE_WHITE) return true;
  return false;
}

/**
 * The part of a pair that is scored, cropped on all sides.
 * @throws InputError unless both are RGB of the same size and at least `least` pixels remain on each axis, and for a
 * reference on the scale of 0 to 255 (of the image a network may have made anything).
 */
export function cropPair(image: Image, reference: Image, crop: number, least: number): [Image, Image] {
  const size = (i: Image): string => `${i.width}x${i.height}x${i.channels}`;
  if (size(image) !== size(reference) || image.channels !== 3) {
    throw new InputError(
      `cannot compare an image of ${size(image)} with a reference of ${size(reference)}: expected RGB of equal size`,
    );
  }
  requireCrop(crop);
  if (isFarAboveWhite(reference))
    throw new InputError('the reference has values far above 1: expected pictures in [0,1], not 0 to 255');
  const [width, height] = [image.width - 2 * crop, image.height - 2 * crop];
  if (width < least || height < least) {
    throw new InputError(
      `an image of ${size(image)} is too small: expected at least ${least}x${least} pixels ` +
        `after cropping ${crop} on each side`,
    );
  }
  return [cropImage(image, crop, crop, width, height), cropImage(reference, crop, crop, width, height)];
}

/** A full-reference score as a `Metric`. */
export function fullReferenceMetric(name: string, score: (image: Image, reference: Image) => number): Metric {
  return {
    name,
    better: 'higher',
    score(image, reference): Promise<number> {
      if (reference === undefined) {
        return Promise.reject(new InputError(`${name} needs a reference image of the same size`));
      }
      return Promise.resolve().then(() => score(image, reference));
    },
  };
}
