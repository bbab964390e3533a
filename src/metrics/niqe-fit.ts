/**
 * Fitting an own pristine model, as the authors' `estimatemodelparam` does: of every picture the blocks whose mean local
 * deviation exceeds 0.75 of the sharpest block's; mean and covariance of their features over all pictures.
 *
 * Scores with such a model are comparable with each other, and with nobody else's.
 */
import type { Image } from '../image/image';
import { InputError } from '../util/errors';
import { greyPlane, type Program } from './grey-plane';
import { blockMoments } from './niqe';
import { BLOCK, FEATURES, niqeFeatures } from './niqe-features';
import type { NiqeModel } from './niqe-model';

const SHARP = 0.75;

export interface NiqeFit extends NiqeModel {
  readonly images: number;
  readonly blocks: number;
}

/**
 * The model of some photographs (RGB in [0,1]); at least 37 sharp blocks are needed, or the covariance is singular.
 * @throws InputError with fewer, and on pictures that hold no 96x96 block
 */
export async function fitNiqeModel(
  photographs: AsyncIterable<Image> | Iterable<Image>,
  program: Program = 'pyiqa',
): Promise<NiqeFit> {
  const sharp: Float64Array[] = [];
  let images = 0;
  for await (const image of photographs) {
    const { features, sharpness } = niqeFeatures(greyPlane(image, program, 'grey', 0, BLOCK), program);
    const least = SHARP * Math.max(...sharpness);
    sharp.push(...features.filter((_, i) => sharpness[i] > least));
    images++;
  }
  const blocks = sharp.filter((f) => !f.some(Number.isNaN)).length;
  if (blocks <= FEATURES) {
    throw new InputError(
      `a pristine model needs more than ${FEATURES} sharp blocks, found ${blocks} in ${images} images`,
    );
  }
  const source = `fitted with mimicsr as ${program}: ${blocks} blocks of ${images} images`;
  return { ...blockMoments(sharp), images, blocks, source };
}
