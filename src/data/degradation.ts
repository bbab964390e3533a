/** Making LR pictures from HR pictures: the contract, and the bicubic that made the benchmarks' LR. */
import type { Image } from '../image/image';
import { imresize } from '../image/resize';
import type { Random } from '../util/random';

/** How many times smaller the LR is. */
export const DEGRADATION_SCALE = 4;

export interface Degradation {
  /** As configurations and results name it. */
  readonly name: string;
  /** How many LR pixels around a patch the degradation has to see, so that the patch is as if cut from a whole picture. */
  readonly margin: number;
  /**
   * @param hr RGB in [0,1], sides multiples of 4
   * @returns RGB in [0,1], whole grey levels, a quarter of the size
   */
  lrOf(hr: Image, random: Random): Image | Promise<Image>;
}

/** MATLAB's antialiased bicubic, rounded to 8 bits. Its kernel reaches 8 HR pixels to either side. */
export const bicubicDegradation: Degradation = {
  name: 'bicubic',
  margin: 2,
  lrOf: (hr) => imresize(hr, 1 / DEGRADATION_SCALE, { rounding: 'final' }),
};
