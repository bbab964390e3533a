/** End-point errors of flow estimators on pairs with known flow. */
import * as tf from '@tensorflow/tfjs-core';
import type { FlowEstimator } from '../../src/flow/estimator';
import type { FlowBatch } from './pairs';

/** Nothing moves. */
export const zeroFlow: FlowEstimator = {
  name: 'zero',
  estimate: ({ shape: [b, h, w] }) => tf.zeros([b, h, w, 2]),
};

/** One patch: mean length of its true flow and mean end-point error, both over the content that `second` still shows. */
export interface PatchError {
  readonly flow: number;
  readonly error: number;
}

/**
 * The end-point error |estimate - truth| of each patch, a mean over the visible pixels. Patches of which less than a tenth is still there are left out.
 */
export function endPointErrors(
  estimator: FlowEstimator,
  { first, second, flow, visible }: FlowBatch,
): PatchError[] {
  const [b, h, w] = flow.shape;
  const estimate = tf.tidy(() => estimator.estimate(first, second).dataSync());
  const [truth, counts] = [flow.dataSync(), visible.dataSync()];
  const errors: PatchError[] = [];
  for (let k = 0, i = 0; k < b; k++) {
    let [count, length, error] = [0, 0, 0];
    for (const end = i + h * w; i < end; i++) {
      if (counts[i] === 0) continue;
      const [u, v] = [truth[2 * i], truth[2 * i + 1]];
      count++;
      length += Math.hypot(u, v);
      error += Math.hypot(estimate[2 * i] - u, estimate[2 * i + 1] - v);
    }
    if (count >= (h * w) / 10) errors.push({ flow: length / count, error: error / count });
  }
  return errors;
}

/** Limits of the classes of true flow in tables, pixels. */
export const FLOW_CLASSES = [0, 0.25, 0.5, 1, 2, 4, 8] as const;

/** Number of patches and mean error for each class of true flow, and over all. */
export function byFlowSize(
  errors: readonly PatchError[],
): { flow: string; patches: number; error: number }[] {
  const mean = (label: string, group: readonly PatchError[]) => ({
    flow: label,
    patches: group.length,
    error: group.reduce((sum, e) => sum + e.error, 0) / group.length,
  });
  const classes = FLOW_CLASSES.slice(1).map((high, i) => {
    const low = FLOW_CLASSES[i];
    return mean(
      `${low} to ${high}`,
      errors.filter(({ flow }) => flow >= low && flow < high),
    );
  });
  return [...classes, mean('all', errors)];
}
