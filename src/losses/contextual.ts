/**
 * The contextual losses: CX (Mechrez et al., ECCV 2018) and CoBi (Zhang et al., "Zoom to Learn, Learn to Zoom", CVPR 2019).
 * Pictures are compared as bags of feature vectors, so they need not be aligned:
 *
 *   CX     - log( mean_j max_i cx_ij )                       cx: `ops/contextual-similarity`
 *   CoBi   the same of (1 - w) cx_ij + w sp_ij, where sp is the similarity of the places themselves
 *
 * sp, as both codes compute it, is the identity: the distance from a place to itself is 0, so that every other is
 * infinitely farther in relation (exactly in float32 for maps up to 32 x 32; below 1e-20 at 64 x 64, at h = 0.5).
 *
 * Two families of forms exist, which differ in nearly everything but the idea. `released` is the paper's code
 * (omarAlezaby/Mimicked_Ali @ 27a5681, `losses.py`, the same as AlignFormer's, from S-aiueo32/contextual_loss_pytorch),
 * `authors` that of each loss's own authors (roimehrez/contextualLoss @ 863af53; ceciliavision/zoom-learn-zoom @ 1e5ac31).
 * What is left out: the released `l1` and `l2`, which are off by default and no distances (`l1` sums before it takes the
 * modulus, `l2` exchanges the lengths of a_i and b_j for those of a_j and b_i).
 */
import * as tf from '@tensorflow/tfjs-core';
import { bestSimilarity, cosineTerms, squaredTerms } from '../ops/contextual-similarity';

export type FeatureDistance = 'cosine' | 'squared';

export interface ContextualForm {
  /** Bandwidth h. */
  readonly h: number;
  /** In the relative distance d / (min d + epsilon). */
  readonly epsilon: number;
  /** The cosine distance is (1 - cos) / this. */
  readonly cosineDivisor: 1 | 2;
  /** In the logarithm. */
  readonly logEpsilon: number;
  /** w of CoBi; 0 for CX. */
  readonly spatial: number;
  /** Whose vectors are the rows i. The columns j, over which cx is normalised, are the other picture's. */
  readonly rows: 'prediction' | 'target';
  /** For every column the best row, or for every row the best column. */
  readonly best: 'rows' | 'columns';
}

export const CX_FORMS = {
  released: { epsilon: 1e-5, cosineDivisor: 1, logEpsilon: 1e-5, spatial: 0, rows: 'target', best: 'rows' },
  authors: { epsilon: 1e-5, cosineDivisor: 2, logEpsilon: 0, spatial: 0, rows: 'prediction', best: 'rows' },
} as const satisfies Record<string, Omit<ContextualForm, 'h'>>;

export const COBI_FORMS = {
  // The maximum runs along the axis that cx is normalised over.
  released: { epsilon: 1e-5, cosineDivisor: 1, logEpsilon: 1e-5, rows: 'prediction', best: 'columns' },
  // Their loss function calls the prediction T and the target I.
  authors: { epsilon: 1e-3, cosineDivisor: 2, logEpsilon: 0, rows: 'target', best: 'rows' },
} as const satisfies Record<string, Omit<ContextualForm, 'h' | 'spatial'>>;

/**
 * The loss of every picture, differentiable in both.
 * @param prediction [B, P, C] feature vectors
 * @param target [B, P, C]
 * @returns [B]
 */
export function contextualLoss(
  prediction: tf.Tensor3D,
  target: tf.Tensor3D,
  distance: FeatureDistance,
  form: ContextualForm,
): tf.Tensor1D {
  const [rows, columns] = form.rows === 'prediction' ? [prediction, target] : [target, prediction];
  const squared = distance === 'squared';
  const terms = squared ? squaredTerms(rows, columns) : cosineTerms(...centred(rows, columns));
  // The terms are those of 1 - cos: in a distance half as large the epsilon weighs twice as much.
  const epsilon = form.epsilon * (squared ? 1 : form.cosineDivisor);
  const best = bestSimilarity(terms, { ...form, epsilon }); // [B, P]
  return tf.neg(tf.log(tf.add<tf.Tensor1D>(tf.mean(best, 1), form.logEpsilon)));
}

/** Both less the mean of the columns over the batch, and brought to length 1. */
function centred(rows: tf.Tensor3D, columns: tf.Tensor3D): [tf.Tensor3D, tf.Tensor3D] {
  const mean = tf.mean(columns, [0, 1]); // [C]
  return [unit(tf.sub(rows, mean)), unit(tf.sub(columns, mean))];
}

/** x / max(|x|, 1e-12) along the last axis. */
function unit(x: tf.Tensor3D): tf.Tensor3D {
  const squared = tf.sum(tf.square(x), 2, true);
  return tf.mul(x, tf.rsqrt(tf.maximum(squared, 1e-24)));
}
