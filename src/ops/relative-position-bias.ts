/**
 * The relative position bias of window attention: one value per head for every offset between two tokens of a window.
 * For tokens i and j (row-major) of a wh x ww window,
 *
 *   bias[head, i, j] = table[(row_i - row_j + wh - 1) (2 ww - 1) + (col_i - col_j + ww - 1), head].
 *
 * The gradient of a table row is the sum over all pairs at that offset. It is written as sums along diagonals, which every
 * engine has fast; a gather's own gradient would add N^2 rows of a few heads each, one by one.
 */
import * as tf from '@tensorflow/tfjs-core';
import type { Size2 } from './window-attention';

/**
 * @param table [(2 wh - 1) (2 ww - 1), heads]
 * @returns [heads, N, N] with N = wh ww
 */
export function relativePositionBias(table: tf.Tensor2D, window: Size2): tf.Tensor3D {
  const op = tf.customGrad((table) => ({
    value: expand(table as tf.Tensor2D, window),
    gradFunc: (dy: tf.Tensor) => sumByOffset(dy as tf.Tensor3D, window),
  }));
  return op(table) as tf.Tensor3D;
}

function expand(table: tf.Tensor2D, window: Size2): tf.Tensor3D {
  const n = window[0] * window[1];
  return tf.tidy(() => {
    const pairs = tf.gather(table, tf.tensor1d(offsetIndex(window), 'int32')); // [N N, heads]
    return tf.reshape(tf.transpose(pairs), [table.shape[1], n, n]);
  });
}

/** [heads, N, N] to [(2 wh - 1) (2 ww - 1), heads]. */
function sumByOffset(dy: tf.Tensor3D, [wh, ww]: Size2): tf.Tensor2D {
  const heads = dy.shape[0];
  return tf.tidy(() => {
    // With the keys in reverse order, an offset is a sum of two coordinates: row_i + row_j' and col_i + col_j'.
    const pairs = tf.reshape(tf.reverse(dy, 2), [heads * wh, ww, wh, ww]); // [heads row_i, col_i, row_j', col_j']
    const columns = tf.transpose(pairs, [0, 2, 1, 3]); // [heads row_i, row_j', col_i, col_j']
    const byColumn = sumAntiDiagonals(tf.reshape<tf.Rank.R4>(columns, [heads * wh * wh, ww, ww, 1]));
    const byOffset = sumAntiDiagonals(tf.reshape<tf.Rank.R4>(byColumn, [heads, wh, wh, 2 * ww - 1]));
    return tf.transpose(tf.reshape(byOffset, [heads, -1]));
  });
}

/** out[a, s, l] = sum over i + j = s of x[a, i, j, l]: [A, n, n, L] to [A, 2n - 1, L]. */
function sumAntiDiagonals(x: tf.Tensor4D): tf.Tensor {
  const [a, n, , l] = x.shape;
  // Rows of 2n read as rows of 2n - 1: row i moves right by i, and the diagonals stand above each other.
  const rows = tf.pad(x, [
    [0, 0],
    [0, 0],
    [0, n],
    [0, 0],
  ]);
  const skewed = tf.slice(tf.reshape(rows, [a, n * 2 * n * l]), [0, 0], [a, n * (2 * n - 1) * l]);
  return tf.sum(tf.reshape(skewed, [a, n, 2 * n - 1, l]), 1);
}

const indices = new Map<string, Int32Array>();

/** The table row of every pair (i, j), row-major [N, N]. */
export function offsetIndex([wh, ww]: Size2): Int32Array {
  const key = `${wh}x${ww}`;
  let index = indices.get(key);
  if (index === undefined) {
    const n = wh * ww;
    index = new Int32Array(n * n);
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < n; j++) {
        const rows = Math.floor(i / ww) - Math.floor(j / ww) + wh - 1;
        const columns = (i % ww) - (j % ww) + ww - 1;
        index[i * n + j] = rows * (2 * ww - 1) + columns;
      }
    }
    indices.set(key, index);
  }
  return index;
}
