/**
 * Upscaling whole pictures, in tiles where they are large.
 *
 * Neighbouring tiles overlap and are blended linearly across the overlap, so there is no seam. Tiles start at multiples
 * of 32 LR pixels, where the windows of SwinIR and DAT and the pooled context of SeeMoRe fall as in the whole picture. What a
 * network takes from the whole picture (SeeMoRe's choice of expert, DAT's channel attention) is taken from the tile.
 */
import * as tf from '@tensorflow/tfjs-core';
import { blankImage, cropImage, type Image } from '../image/image';
import { InputError } from '../util/errors';
import type { SrNetwork } from './sr-network';

export interface UpscaleOptions {
  /** Side of a tile, LR pixels, overlap included. Pictures that fit are done in one piece. Default 256. */
  readonly tile?: number;
  /** LR pixels that neighbouring tiles share. Default 32. */
  readonly overlap?: number;
  /** Called after each tile. */
  readonly onTile?: (done: number, total: number) => void;
  /** For messages: the picture's file. */
  readonly label?: string;
}

const GRID = 32;

/**
 * @param image RGB in [0,1]
 * @returns RGB, `network.scale` times the size, not clamped
 * @throws InputError if the picture is smaller than the network's minimum or the tile too small
 */
export async function upscale(
  network: SrNetwork,
  image: Image,
  options: UpscaleOptions = {},
): Promise<Image> {
  const { tile = 256, overlap = 32, onTile, label = 'image' } = options;
  const least = network.minimumSize;
  if (image.channels !== 3) throw new InputError(`${label} has ${image.channels} channels, expected 3`);
  if (image.width < least || image.height < least) {
    throw new InputError(
      `${label} is ${image.width}x${image.height}: the network needs at least ${least}x${least}`,
    );
  }
  if (tile % GRID !== 0 || overlap % GRID !== 0 || overlap < GRID || tile < Math.max(2 * overlap, least)) {
    throw new InputError(
      `tile ${tile} with overlap ${overlap}: expected multiples of ${GRID}, the tile at least twice the overlap and ${least}`,
    );
  }
  const { scale } = network;
  const columns = starts(image.width, tile, overlap);
  const rows = starts(image.height, tile, overlap);
  if (columns.length * rows.length === 1) return run(network, image);
  const out = blankImage(image.width * scale, image.height * scale);
  const total = new Float32Array(out.width * out.height);
  let done = 0;
  for (const top of rows) {
    for (const left of columns) {
      const width = Math.min(tile, image.width - left);
      const height = Math.min(tile, image.height - top);
      const piece = await run(network, cropImage(image, left, top, width, height));
      const wx = ramp(width, left > 0, left + width < image.width, overlap, scale);
      const wy = ramp(height, top > 0, top + height < image.height, overlap, scale);
      addWeighted(out, total, piece, left * scale, top * scale, wx, wy);
      onTile?.(++done, rows.length * columns.length);
    }
  }
  for (let i = 0; i < total.length; i++) for (let c = 0; c < 3; c++) out.data[i * 3 + c] /= total[i];
  return out;
}

async function run(network: SrNetwork, image: Image): Promise<Image> {
  const y = tf.tidy(() => network.forward(tf.tensor4d(image.data, [1, image.height, image.width, 3])));
  try {
    const data = (await y.data()) as Float32Array;
    const bad = data.findIndex((v) => !Number.isFinite(v));
    if (bad >= 0)
      throw new InputError('the network gives values that are not finite: its weights are unusable');
    return { width: y.shape[2], height: y.shape[1], channels: 3, data };
  } finally {
    y.dispose();
  }
}

/** First pixels of the tiles along an axis. The last tile may be smaller than the others, never below the overlap. */
function starts(length: number, tile: number, overlap: number): number[] {
  const all = [0];
  while (all[all.length - 1] + tile < length) all.push(all[all.length - 1] + tile - overlap);
  return all;
}

/**
 * Blending weights along one axis of a tile's output: up over the overlap before it, down over the one after it. The
 * outer quarter of an overlap, which the tile's border has touched most, has no weight.
 */
function ramp(length: number, before: boolean, after: boolean, overlap: number, scale: number): Float32Array {
  const n = length * scale;
  const margin = (overlap * scale) / 4;
  const rise = (i: number): number => Math.min(1, Math.max(0, (i + 0.5 - margin) / (2 * margin)));
  return Float32Array.from({ length: n }, (_, i) =>
    Math.min(before ? rise(i) : 1, after ? rise(n - 1 - i) : 1),
  );
}

function addWeighted(
  out: Image,
  total: Float32Array,
  piece: Image,
  left: number,
  top: number,
  wx: Float32Array,
  wy: Float32Array,
): void {
  for (let y = 0; y < piece.height; y++) {
    for (let x = 0; x < piece.width; x++) {
      const weight = wx[x] * wy[y];
      const to = (top + y) * out.width + left + x;
      const from = (y * piece.width + x) * 3;
      total[to] += weight;
      for (let c = 0; c < 3; c++) out.data[to * 3 + c] += weight * piece.data[from + c];
    }
  }
}
