/**
 * Whether the tensors given to an op go together. Kernels take one tensor's sizes for all of them and read on behind the
 * end of one that is smaller, on every engine; so each op compares sizes once, before it runs any.
 */
import type * as tf from '@tensorflow/tfjs-core';

/** "op: x [1, 8, 8, 1], filter [3, 3, 3, 16] do not go together": tensors by their shapes, options by their values. */
export function misfit(op: string, given: Readonly<Record<string, tf.Tensor | number>>): Error {
  const list = Object.entries(given).map(([name, value]) =>
    typeof value === 'number' ? `${name} ${value}` : `${name} [${value.shape.join(', ')}]`,
  );
  return new Error(`${op}: ${list.join(', ')} do not go together`);
}

export function isVector(x: tf.Tensor, size: number): boolean {
  return x.shape.length === 1 && x.shape[0] === size;
}

export function sameShape(a: tf.Tensor, b: tf.Tensor): boolean {
  return a.shape.length === b.shape.length && a.shape.every((n, i) => n === b.shape[i]);
}

/** Whether `flow` is [B, H, W, 2] for `map` [B, H, W, C]. */
export function isFlowOf(flow: tf.Tensor, map: tf.Tensor): boolean {
  const [f, m] = [flow.shape, map.shape];
  return f.length === 4 && m.length === 4 && f[0] === m[0] && f[1] === m[1] && f[2] === m[2] && f[3] === 2;
}

/** @throws Error where one of the vectors is not of x's channels, its last axis */
export function requirePerChannel(
  op: string,
  x: tf.Tensor,
  vectors: Readonly<Record<string, tf.Tensor>>,
): void {
  const channels = x.shape[x.shape.length - 1];
  for (const name in vectors) {
    if (!isVector(vectors[name], channels)) throw misfit(op, { x, ...vectors });
  }
}
