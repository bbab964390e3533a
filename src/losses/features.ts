/** What pictures are compared by in the contextual losses: maps of a feature network, and patches of the pictures. */
import { existsSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs-core';
import { findWeights } from '../data/roots';
import { Vgg19, type Vgg19Options } from '../networks/vgg19';
import type { Random } from '../util/random';

const VGG19_FILES = ['vgg19-dcbb9e9d.pth', 'vgg19.pth', 'vgg19.safetensors'];

export const FEATURE_NAMES = ['vgg19', 'random-orthogonal'] as const;
export type FeatureName = (typeof FEATURE_NAMES)[number];

export interface FeatureNetwork {
  /** As configurations and results name it. */
  readonly name: FeatureName;
  /** [B, H, W, 3] RGB in [0,1] to the maps that it was made for, in their order: [B, h, w, C] each. */
  features(image: tf.Tensor4D): tf.Tensor4D[];
  dispose(): void;
}

/**
 * A feature network with its weights.
 * @throws InputError for weights that are missing (saying what brings them) or do not fit
 */
export function loadFeatureNetwork(name: FeatureName, options: Vgg19Options): FeatureNetwork {
  return name === 'vgg19' ? Vgg19.load(findWeights(VGG19_FILES), options) : Vgg19.randomOrthogonal(options);
}

/**
 * What to use where a configuration leaves the choice to the machine: VGG19 if its weights are here, else the random stack,
 * which needs none. Ask once, when the configuration is made, and store the answer.
 */
export function featuresAtHand(): FeatureName {
  return existsSync(findWeights(VGG19_FILES)) ? 'vgg19' : 'random-orthogonal';
}

/** Draws `count` of `size` places without replacement, in random order; all places, in theirs, where there are no more. */
export function samplePlaces(size: number, count: number | null, random: Random): Uint32Array | undefined {
  return count === null || size <= count ? undefined : random.permutation(size).subarray(0, count);
}

/**
 * A map's vectors at some places, all pictures at the same.
 * @param map [B, H, W, C]
 * @param places numbers y W + x; absent: all
 * @returns [B, P, C]
 */
export function mapVectors(map: tf.Tensor4D, places?: Uint32Array): tf.Tensor3D {
  const [b, h, w, c] = map.shape;
  const all = tf.reshape<tf.Rank.R3>(map, [b, h * w, c]);
  return places === undefined ? all : tf.gather(all, indices(places), 1);
}

/** The four quarters of every picture as pictures: [4 B, ceil(H / 2), ceil(W / 2), C]. Odd sides share their middle line. */
export function quarters(map: tf.Tensor4D): tf.Tensor4D {
  const [b, h, w, c] = map.shape;
  const [height, width] = [Math.ceil(h / 2), Math.ceil(w / 2)];
  const corners = [0, h - height].flatMap((y) => [0, w - width].map((x) => [y, x]));
  return tf.concat(corners.map(([y, x]) => tf.slice(map, [0, y, x, 0], [b, height, width, c])));
}

/**
 * Patches of `side` x `side` pixels that touch but do not overlap; what is left at the right and bottom goes unused.
 * @param image [B, H, W, 3]
 * @returns [B, floor(H / side) floor(W / side), 3 side^2]
 */
export function tiledPatches(image: tf.Tensor4D, side: number): tf.Tensor3D {
  const [b, h, w, c] = image.shape;
  const [rows, columns] = [Math.floor(h / side), Math.floor(w / side)];
  const cut = tf.slice(image, [0, 0, 0, 0], [b, rows * side, columns * side, c]);
  const blocks = tf.transpose(tf.reshape(cut, [b * rows, side, columns, side * c]), [0, 2, 1, 3]);
  return tf.reshape(blocks, [b, rows * columns, side * side * c]);
}

/**
 * The `side` x `side` pixels around every place (or some places) of a picture, black beyond its edges.
 * @param image [B, H, W, 3]
 * @param places numbers y W + x of the patches' middles; absent: all
 * @returns [B, P, 3 side^2]
 */
export function slidingPatches(image: tf.Tensor4D, side: number, places?: Uint32Array): tf.Tensor3D {
  const [b, h, w, c] = image.shape;
  const before = Math.floor((side - 1) / 2);
  const around: [number, number] = [before, side - 1 - before];
  const padded = tf.pad(image, [[0, 0], around, around, [0, 0]]);
  const width = w + side - 1;
  const count = places?.length ?? h * w;
  const pixels = new Int32Array(count * side * side);
  for (let i = 0; i < count; i++) {
    const place = places?.[i] ?? i;
    const corner = Math.floor(place / w) * width + (place % w);
    for (let k = 0; k < side * side; k++) {
      pixels[i * side * side + k] = corner + Math.floor(k / side) * width + (k % side);
    }
  }
  const flat = tf.reshape(padded, [b, (h + side - 1) * width, c]);
  return tf.reshape(tf.gather(flat, indices(pixels), 1), [b, count, side * side * c]);
}

function indices(values: ArrayLike<number>): tf.Tensor1D {
  return tf.tensor1d(Int32Array.from(values), 'int32');
}
