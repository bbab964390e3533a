/**
 * Upscaling whole pictures, in tiles where they are large.
 *
 * Tiles start at multiples of 32 LR pixels, where the windows of SwinIR and DAT and the pooled context of SeeMoRe fall as in
 * the whole picture. What a network takes from the whole picture (SeeMoRe's choice of expert, DAT's channel attention) is
 * taken from the tile.
 */
import * as tf from '@tensorflow/tfjs-core';
import { cropImage, type Image } from '../image/image';
import { imageTensor, tensorImage } from '../image/tensor';
import { inTiles } from '../image/tiles';
import { InputError } from '../util/errors';
import type { SrNetwork } from './sr-network';

/** LR pixels: tiles and their overlap are multiples of the grid, a tile at least twice the overlap. */
export const TILE_GRID = 32;
export const DEFAULT_TILE = 256;
export const DEFAULT_OVERLAP = 32;

export interface UpscaleOptions {
  /** Side of a tile, LR pixels, overlap included. Pictures that fit are done in one piece. Default: `DEFAULT_TILE`. */
  readonly tile?: number;
  /** LR pixels that neighbouring tiles share. Default: `DEFAULT_OVERLAP`. */
  readonly overlap?: number;
  /** Called after each tile. */
  readonly onTile?: (done: number, total: number) => void;
  /** For messages: the picture's file. */
  readonly label?: string;
}

/**
 * In test mode, also in the middle of a training, which goes on in its own.
 * @param image RGB in [0,1]
 * @returns RGB, `network.scale` times the size, not clamped
 * @throws InputError if the picture is smaller than the network's minimum or the tile too small
 */
export async function upscale(
  network: SrNetwork,
  image: Image,
  options: UpscaleOptions = {},
): Promise<Image> {
  const { tile = DEFAULT_TILE, overlap = DEFAULT_OVERLAP, onTile, label = 'image' } = options;
  const least = network.minimumSize;
  if (image.channels !== 3) throw new InputError(`${label} has ${image.channels} channels, expected 3`);
  if (image.width < least || image.height < least) {
    throw new InputError(
      `${label} is ${image.width}x${image.height}: the network needs at least ${least}x${least}`,
    );
  }
  if (
    tile % TILE_GRID !== 0 ||
    overlap % TILE_GRID !== 0 ||
    overlap < TILE_GRID ||
    tile < Math.max(2 * overlap, least)
  ) {
    throw new InputError(
      `tile ${tile} with overlap ${overlap}: expected multiples of ${TILE_GRID}, the tile at least twice the overlap and ${least}`,
    );
  }
  return network.inTestMode(() =>
    inTiles(
      image.width,
      image.height,
      { tile, overlap, scale: network.scale, onTile },
      ({ left, top, width, height }) => run(network, cropImage(image, left, top, width, height)),
    ),
  );
}

async function run(network: SrNetwork, image: Image): Promise<Image> {
  const y = tf.tidy(() => network.forward(imageTensor(image)));
  try {
    const upscaled = await tensorImage(y);
    if (!upscaled.data.every(Number.isFinite))
      throw new InputError('the network gives values that are not finite: its weights are unusable');
    return upscaled;
  } finally {
    y.dispose();
  }
}
