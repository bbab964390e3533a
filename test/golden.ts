/** Goldens: reference arrays (NCHW, PyTorch layouts) as tensors, and the comparison rules of their README. */
import * as tf from '@tensorflow/tfjs-core';
import { expect } from 'vitest';
import { variableGradients } from '../src/nn/gradients';
import type { Module, StateDict } from '../src/nn/module';
import { permute } from '../src/nn/parameter';
import { readSafetensors } from '../src/weights/safetensors';
import { shared } from './shared';

export interface GoldenArray {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

export class Golden {
  private constructor(private readonly arrays: ReadonlyMap<string, GoldenArray>) {}

  static read(...path: string[]): Golden {
    const { tensors } = readSafetensors(shared('goldens', ...path));
    const arrays = new Map<string, GoldenArray>();
    for (const [key, t] of tensors) arrays.set(key, { shape: t.shape, data: t.data as Float32Array });
    return new Golden(arrays);
  }

  get(key: string): GoldenArray {
    const array = this.arrays.get(key);
    if (array === undefined) throw new Error(`golden has no ${key}`);
    return array;
  }

  has(key: string): boolean {
    return this.arrays.has(key);
  }

  /** Everything under `prefix/`, without the prefix. */
  under(prefix: string): StateDict {
    const state: StateDict = new Map();
    for (const [key, array] of this.arrays) {
      if (key.startsWith(`${prefix}/`)) state.set(key.slice(prefix.length + 1), array);
    }
    return state;
  }

  /** An NCHW golden as an NHWC tensor. */
  image(key: string): tf.Tensor4D {
    const { shape, data } = this.get(key);
    const [n, c, h, w] = shape;
    return tf.tensor4d(permute(data, shape, [0, 2, 3, 1]), [n, h, w, c]);
  }

  scalar(key: string): number {
    return this.get(key).data[0];
  }
}

/** max |found - expected| <= tolerance * max |expected|. */
export function expectClose(
  found: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: number,
  what: string,
): void {
  expect(found.length, `${what}: size`).toBe(expected.length);
  let worst = 0;
  let scale = 0;
  for (let i = 0; i < expected.length; i++) {
    worst = Math.max(worst, Number.isFinite(found[i]) ? Math.abs(found[i] - expected[i]) : Infinity);
    scale = Math.max(scale, Math.abs(expected[i]));
  }
  expect(worst, `${what}: largest difference (values up to ${scale})`).toBeLessThanOrEqual(tolerance * scale);
}

/** An NHWC tensor against an NCHW golden, to 2e-5 of its largest value. */
export function expectImage(found: tf.Tensor4D, golden: GoldenArray, what: string): void {
  const [n, c, h, w] = golden.shape;
  expect(found.shape, `${what}: shape`).toEqual([n, h, w, c]);
  expectClose(found.dataSync(), permute(golden.data, golden.shape, [0, 2, 3, 1]), 2e-5, what);
}

/** An NHWC tensor within `tolerance` of the NCHW golden `key`, everywhere. */
export function expectNear(found: tf.Tensor4D, golden: Golden, key: string, tolerance: number): void {
  const { shape, data } = golden.get(key);
  const expected = permute(data, shape, [0, 2, 3, 1]);
  const values = found.dataSync<'float32'>();
  expect(values.length, key).toBe(expected.length);
  const worst = values.reduce((m, v, i) => Math.max(m, Math.abs(v - expected[i])), 0);
  expect(worst, key).toBeLessThanOrEqual(tolerance);
}

/** Every gradient within 5e-4 of its tensor's largest value plus 1e-5 of the largest of all, times `slack`. */
export function expectGradients(found: StateDict, golden: StateDict, slack = 1): void {
  expect([...found.keys()].sort()).toEqual([...golden.keys()].sort());
  const largest = (data: Float32Array): number => data.reduce((m, v) => Math.max(m, Math.abs(v)), 0);
  const all = Math.max(...[...golden.values()].map((g) => largest(g.data)));
  for (const [key, expected] of golden) {
    const { data } = found.get(key)!;
    let worst = 0;
    for (let i = 0; i < data.length; i++) worst = Math.max(worst, Math.abs(data[i] - expected.data[i]) || 0);
    const allowed = slack * (5e-4 * largest(expected.data) + 1e-5 * all);
    expect(worst, `gradient of ${key}`).toBeLessThanOrEqual(allowed);
    expect(data.every(Number.isFinite), `gradient of ${key} is finite`).toBe(true);
  }
}

/** Value of a scalar loss and its gradients for every trained parameter, in PyTorch's names and layouts. */
export async function lossAndGradients(
  module: Module,
  loss: () => tf.Scalar,
): Promise<{ loss: number; gradients: StateDict }> {
  const parameters = module.trainable();
  const { value, grads } = variableGradients(
    loss,
    parameters.map(([, p]) => p.variable),
  );
  const gradients: StateDict = new Map();
  for (const [key, p] of parameters) {
    const data = (await grads[p.variable.name].data()) as Float32Array;
    gradients.set(key, { shape: p.shape, data: p.toPyTorch(data) });
  }
  const result = { loss: value.dataSync()[0], gradients };
  tf.dispose([value, grads]);
  return result;
}
