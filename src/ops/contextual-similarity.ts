/**
 * Contextual similarity (Mechrez et al., "The Contextual Loss for Image Transformation with Non-Aligned Data", ECCV 2018):
 * how well each of the vectors of one picture is found among those of another. For vectors a_i ("rows") and b_j
 * ("columns") with distances d_ij,
 *
 *   m_i   = min_j d_ij                                   cx_ij = softmax over j of - d_ij / (h (m_i + epsilon))
 *   c_ij  = (1 - w) cx_ij + w [i = j]                    the best: max over i (or over j) of c_ij
 *
 * (exp((1 - d / (m + epsilon)) / h) normalised over j is that softmax.) The matrix of all pairs, which grows with the
 * fourth power of a picture's side, is never whole in memory: it is made in pieces, once forward and once more for the
 * gradient. Distances are given as d_ij = base_i - a_i . b_j, see `cosineTerms` and `squaredTerms`.
 *
 * Maximum and minimum pass their gradient to the first of equals.
 */
import * as tf from '@tensorflow/tfjs-core';

export interface SimilarityOptions {
  /** Bandwidth h. */
  readonly h: number;
  /** Keeps the relative distance finite where the nearest is equal. */
  readonly epsilon: number;
  /** w, the share of "the same place" in the similarity; needs as many rows as columns. */
  readonly spatial: number;
  /** `rows`: for every column the best row. `columns`: for every row the best column. */
  readonly best: 'rows' | 'columns';
}

export type DistanceTerms = {
  /** [B, P, C] */
  readonly rows: tf.Tensor3D;
  /** [B, Q, C] */
  readonly columns: tf.Tensor3D;
  /** [B, P, 1] */
  readonly base: tf.Tensor3D;
};

/** Elements of the matrix of pairs in one piece: 4 MiB, so that a handful of them stay in a processor's cache. */
const PIECE = 2 ** 20;

/** d = 1 - a . b for vectors of length 1. */
export function cosineTerms(rows: tf.Tensor3D, columns: tf.Tensor3D): DistanceTerms {
  const [b, p] = rows.shape;
  return { rows, columns, base: tf.ones([b, p, 1]) };
}

/** d = |a - b|^2. */
export function squaredTerms(rows: tf.Tensor3D, columns: tf.Tensor3D): DistanceTerms {
  const lengths = (x: tf.Tensor3D): tf.Tensor3D => tf.sum<tf.Tensor3D>(tf.square(x), 2, true);
  return {
    rows: tf.concat([tf.mul<tf.Tensor3D>(rows, 2), tf.onesLike(lengths(rows))], 2),
    columns: tf.concat([columns, tf.neg(lengths(columns))], 2),
    base: lengths(rows),
  };
}

/**
 * The best c_ij of every column ([B, Q]) or row ([B, P]), differentiable in all terms.
 * @param piece elements of the matrix of pairs that are in memory at once
 */
export function bestSimilarity(terms: DistanceTerms, options: SimilarityOptions, piece = PIECE): tf.Tensor2D {
  const op = tf.customGrad((...args) => {
    const [rows, columns, base, save] = args as unknown as [
      tf.Tensor3D,
      tf.Tensor3D,
      tf.Tensor3D,
      tf.GradSaveFunc,
    ];
    const { value, index } = forward({ rows, columns, base }, options, piece);
    save([rows, columns, base, index]);
    return {
      value,
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => {
        const [rows, columns, base, index] = saved as [tf.Tensor3D, tf.Tensor3D, tf.Tensor3D, tf.Tensor2D];
        return backward(dy as tf.Tensor2D, index, { rows, columns, base }, options, piece);
      },
    };
  });
  return op(terms.rows, terms.columns, terms.base);
}

/** Pictures `first` … `first + count - 1`, and of each the rows `row` … `row + height - 1`. */
interface Piece {
  readonly first: number;
  readonly count: number;
  readonly row: number;
  readonly height: number;
}

/** Whole pictures where some fit into a piece, else bands of rows of one picture. */
function piecesOf([b, p]: readonly number[], q: number, limit: number): Piece[][] {
  const count = Math.min(b, Math.max(1, Math.floor(limit / (p * q))));
  const height = count > 1 ? p : Math.min(p, Math.max(1, Math.floor(limit / q)));
  const steps = (n: number, by: number): number[] =>
    Array.from({ length: Math.ceil(n / by) }, (_, i) => i * by);
  return steps(b, count).map((first) =>
    steps(p, height).map((row) => ({
      first,
      count: Math.min(count, b - first),
      row,
      height: Math.min(height, p - row),
    })),
  );
}

function cut(x: tf.Tensor3D, { first, count, row, height }: Piece): tf.Tensor3D {
  return tf.slice(x, [first, row, 0], [count, height, -1]);
}

function whole(x: tf.Tensor3D, { first, count }: Piece): tf.Tensor3D {
  return tf.slice(x, [first, 0, 0], [count, -1, -1]);
}

interface Band {
  /** [n, height, C] */
  readonly a: tf.Tensor3D;
  /** [n, Q, C] */
  readonly b: tf.Tensor3D;
  /** [n, height, Q] a . b */
  readonly product: tf.Tensor3D;
  /** [n, height, 1] m, before rounding errors below 0 are cut. */
  readonly gap: tf.Tensor3D;
  /** [n, height, 1] 1 / (h (m + epsilon)) */
  readonly sharpness: tf.Tensor3D;
  /** [n, height, Q] */
  readonly cx: tf.Tensor3D;
}

function band(terms: DistanceTerms, piece: Piece, { h, epsilon }: SimilarityOptions): Band {
  const [a, b] = [cut(terms.rows, piece), whole(terms.columns, piece)];
  const product = tf.matMul<tf.Tensor3D>(a, b, false, true);
  const gap = tf.sub<tf.Tensor3D>(cut(terms.base, piece), tf.max<tf.Tensor3D>(product, 2, true));
  const sharpness = tf.div<tf.Tensor3D>(1 / h, tf.add<tf.Tensor3D>(tf.relu(gap), epsilon));
  return { a, b, product, gap, sharpness, cx: tf.softmax(tf.mul<tf.Tensor3D>(product, sharpness)) };
}

/** 1 where `index` names the row ([n, 1, Q]) or the column ([n, height, 1]), else 0. */
function marked(index: tf.Tensor3D, axis: 1 | 2, from: number, count: number): tf.Tensor3D {
  const shape: [number, number, number] = axis === 1 ? [1, count, 1] : [1, 1, count];
  const names = tf.reshape<tf.Rank.R3>(tf.range(from, from + count, 1, 'int32'), shape);
  return tf.cast(tf.equal<tf.Tensor3D>(index, names), 'float32');
}

type Found = {
  /** [n, Q] or [n, P] */
  readonly value: tf.Tensor2D;
  /** int32: row or column of the value. */
  readonly index: tf.Tensor2D;
};

function forward(terms: DistanceTerms, options: SimilarityOptions, limit: number): Found {
  return tf.tidy(() => {
    const groups = piecesOf(terms.rows.shape, terms.columns.shape[1], limit).map((bands) => {
      const found = bands.map((piece) => tf.tidy(() => bestOfBand(terms, piece, options)));
      // A band holds all columns, so the best of a row is final; that of a column is the best of all bands.
      return options.best === 'columns' ? sideBySide(found, 1) : found.reduce(better);
    });
    return sideBySide(groups, 0);
  });
}

function bestOfBand(terms: DistanceTerms, piece: Piece, options: SimilarityOptions): Found {
  const { spatial, best } = options;
  const { row, height } = piece;
  let c = band(terms, piece, options).cx;
  if (spatial > 0) {
    const own = tf.reshape<tf.Rank.R3>(tf.range(row, row + height, 1, 'int32'), [1, height, 1]);
    const same = marked(own, 2, 0, terms.columns.shape[1]);
    c = tf.add(tf.mul(c, 1 - spatial), tf.mul(same, spatial));
  }
  const axis = best === 'rows' ? 1 : 2;
  const index = tf.argMax<tf.Tensor2D>(c, axis);
  return {
    value: tf.max<tf.Tensor2D>(c, axis),
    index: best === 'rows' ? tf.add<tf.Tensor2D>(index, tf.scalar(row, 'int32')) : index,
  };
}

function better(a: Found, b: Found): Found {
  const second = tf.greater(b.value, a.value);
  return { value: tf.where(second, b.value, a.value), index: tf.where(second, b.index, a.index) };
}

function sideBySide(parts: readonly Found[], axis: number): Found {
  return {
    value: tf.concat(
      parts.map((f) => f.value),
      axis,
    ),
    index: tf.concat(
      parts.map((f) => f.index),
      axis,
    ),
  };
}

/** Gradients for rows [B, P, C], columns [B, Q, C] and base [B, P, 1]. */
function backward(
  dy: tf.Tensor2D,
  index: tf.Tensor2D,
  terms: DistanceTerms,
  options: SimilarityOptions,
  limit: number,
): tf.Tensor[] {
  return tf.tidy(() => {
    const groups = piecesOf(terms.rows.shape, terms.columns.shape[1], limit).map((bands) => {
      const found = bands.map((piece) => tf.tidy(() => gradientOfBand(dy, index, terms, piece, options)));
      return {
        rows: tf.concat(
          found.map((g) => g.rows),
          1,
        ),
        columns: tf.addN(found.map((g) => g.columns)),
        base: tf.concat(
          found.map((g) => g.base),
          1,
        ),
      };
    });
    return [
      tf.concat(
        groups.map((g) => g.rows),
        0,
      ),
      tf.concat(
        groups.map((g) => g.columns),
        0,
      ),
      tf.concat(
        groups.map((g) => g.base),
        0,
      ),
    ];
  });
}

function gradientOfBand(
  dy: tf.Tensor2D,
  index: tf.Tensor2D,
  terms: DistanceTerms,
  piece: Piece,
  options: SimilarityOptions,
): DistanceTerms {
  const { a, b, product, gap, sharpness, cx } = band(terms, piece, options);
  const { first, count, row, height } = piece;
  const q = terms.columns.shape[1];
  // dy reaches one entry of every column (or row).
  const byRows = options.best === 'rows';
  const mine = (x: tf.Tensor2D): tf.Tensor3D =>
    byRows
      ? tf.reshape(tf.slice(x, [first, 0], [count, q]), [count, 1, q])
      : tf.reshape(tf.slice(x, [first, row], [count, height]), [count, height, 1]);
  const chosen = byRows ? marked(mine(index), 1, row, height) : marked(mine(index), 2, 0, q);
  const dcx = tf.mul(chosen, tf.mul(mine(dy), 1 - options.spatial)); // [n, height, Q]
  // Softmax: dz = cx (dcx - sum_j cx dcx), z = sharpness product.
  const weighed = tf.mul(dcx, cx);
  const dz = tf.sub<tf.Tensor3D>(weighed, tf.mul(cx, tf.sum(weighed, 2, true)));
  // sharpness = 1 / (h (m + epsilon)): its own derivative by m is - h sharpness^2.
  const dsharpness = tf.sum<tf.Tensor3D>(tf.mul(product, dz), 2, true);
  const slope = tf.mul(tf.mul(tf.square(sharpness), -options.h), tf.step(gap));
  const dgap = tf.mul<tf.Tensor3D>(dsharpness, slope); // [n, height, 1]
  const nearest = tf.reshape<tf.Rank.R3>(tf.argMax(product, 2), [count, height, 1]);
  const dproduct = tf.sub<tf.Tensor3D>(tf.mul(dz, sharpness), tf.mul(marked(nearest, 2, 0, q), dgap));
  return {
    rows: tf.matMul<tf.Tensor3D>(dproduct, b),
    columns: tf.matMul<tf.Tensor3D>(dproduct, a, true, false),
    base: dgap,
  };
}
