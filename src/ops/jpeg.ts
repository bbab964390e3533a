/**
 * What a baseline JPEG leaves of a picture, on tensors: the twin of `jpegRoundTrip` in `image/degrade`, without files. Only
 * what loses is done: ITU-T T.81's block transform and its rounding by the tables of Annex K, chroma at half resolution.
 */
import * as tf from '@tensorflow/tfjs-core';
import { noGradient } from './no-gradient';
import { resize, resizeSeparable, type AxisMatrix } from './resize';

const BLOCK = 8;
/** Sides of a picture with chroma at half resolution come in multiples of this. */
export const JPEG_UNIT = 2 * BLOCK;

/** Annex K, tables K.1 and K.2, row by row. */
// prettier-ignore
const LUMA = [
  16, 11, 10, 16,  24,  40,  51,  61,
  12, 12, 14, 19,  26,  58,  60,  55,
  14, 13, 16, 24,  40,  57,  69,  56,
  14, 17, 22, 29,  51,  87,  80,  62,
  18, 22, 37, 56,  68, 109, 103,  77,
  24, 35, 55, 64,  81, 104, 113,  92,
  49, 64, 78, 87, 103, 121, 120, 101,
  72, 92, 95, 98, 112, 100, 103,  99,
];
// prettier-ignore
const CHROMA = [
  17, 18, 24, 47, 99, 99, 99, 99,
  18, 21, 26, 66, 99, 99, 99, 99,
  24, 26, 56, 99, 99, 99, 99, 99,
  47, 66, 99, 99, 99, 99, 99, 99,
  99, 99, 99, 99, 99, 99, 99, 99,
  99, 99, 99, 99, 99, 99, 99, 99,
  99, 99, 99, 99, 99, 99, 99, 99,
  99, 99, 99, 99, 99, 99, 99, 99,
];

/** JFIF: luma and, about 0, blue and red chroma of RGB; [in, out]. */
const TO_YCC = [
  [0.299, -0.168736, 0.5],
  [0.587, -0.331264, -0.418688],
  [0.114, 0.5, -0.081312],
];
const TO_RGB = [
  [1, 1, 1],
  [0, -0.344136, 1.772],
  [1.402, -0.714136, 0],
];

/**
 * @param x [B, h, w, 3], RGB in [0,1], sides multiples of 16; blocks begin at the upper left corner
 * @param qualities of each picture, libjpeg's: whole numbers from 1 to 100
 * @returns of the same shape, in [0,1], whole grey levels; no gradient
 */
export function throughJpeg(x: tf.Tensor4D, qualities: readonly number[]): tf.Tensor4D {
  const [, h, w] = x.shape;
  return noGradient(() =>
    tf.tidy(() => {
      const ycc = throughMatrix(tf.round(tf.mul(tf.clipByValue(x, 0, 1), 255)), TO_YCC);
      const luma = quantised(tf.sub(tf.slice(ycc, [0, 0, 0, 0], [-1, -1, -1, 1]), 128), qualities, LUMA);
      // Half-pixel centres: means of two, and back three parts of the nearer and one of the farther, as libjpeg does.
      const bilinear = { mode: 'bilinear' } as const;
      const small = resize(tf.slice(ycc, [0, 0, 0, 1], [-1, -1, -1, 2]), h / 2, w / 2, bilinear);
      const chroma = resize(quantised(small, qualities, CHROMA), h, w, bilinear);
      const rgb = throughMatrix(tf.concat([tf.add(luma, 128), chroma], 3), TO_RGB);
      return tf.div<tf.Tensor4D>(tf.round(tf.clipByValue(rgb, 0, 255)), 255);
    }),
  );
}

/** What the rounding of every block's frequencies leaves. */
function quantised(
  channels: tf.Tensor4D,
  qualities: readonly number[],
  table: readonly number[],
): tf.Tensor4D {
  const [, h, w] = channels.shape;
  const steps = tf.tile(
    tf.tensor4d(
      qualities.flatMap((quality) => scaled(table, quality)),
      [qualities.length, BLOCK, BLOCK, 1],
    ),
    [1, h / BLOCK, w / BLOCK, 1],
  );
  const frequencies = resizeSeparable(channels, cosines(h, 'there'), cosines(w, 'there'));
  const kept = tf.mul(tf.round(tf.div(frequencies, steps)), steps);
  return resizeSeparable(kept as tf.Tensor4D, cosines(h, 'back'), cosines(w, 'back'));
}

/** A table at one of libjpeg's qualities. */
function scaled(table: readonly number[], quality: number): number[] {
  const percent = quality < 50 ? Math.floor(5000 / quality) : 200 - 2 * quality;
  return table.map((step) => Math.min(Math.max(Math.floor((step * percent + 50) / 100), 1), 255));
}

function throughMatrix(x: tf.Tensor, matrix: readonly (readonly number[])[]): tf.Tensor4D {
  const flat = tf.matMul(tf.reshape<tf.Rank.R2>(x, [-1, 3]), tf.tensor2d(matrix.flat(), [3, 3]));
  return tf.reshape(flat, x.shape as [number, number, number, number]);
}

/** The orthonormal cosine transform of every eight of `n` values, or its inverse, which is its transpose. */
function cosines(n: number, way: 'there' | 'back'): AxisMatrix {
  const data = new Float32Array(n * n);
  for (let row = 0; row < n; row++) {
    const [start, k] = [row - (row % BLOCK), row % BLOCK];
    for (let i = 0; i < BLOCK; i++) {
      const column = start + i;
      data[way === 'there' ? row * n + column : column * n + row] =
        Math.sqrt((k === 0 ? 1 : 2) / BLOCK) * Math.cos(((2 * i + 1) * k * Math.PI) / (2 * BLOCK));
    }
  }
  return { out: n, in: n, data };
}
