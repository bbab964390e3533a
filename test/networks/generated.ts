/**
 * The goldens' generator of weights and inputs, so that full-size networks need no stored ones: every value is a hash
 * of its tensor's name and its flat index in PyTorch's layout.
 */
import type { StateDict } from '../../src/nn/module';

/** FNV-1a. */
export function fnv(name: string): number {
  let h = 0x811c9dc5;
  for (const byte of Buffer.from(name, 'utf8')) h = Math.imul(h ^ byte, 0x01000193);
  return h >>> 0;
}

function mix(x: number): number {
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
  return x ^ (x >>> 16);
}

/** 24 bits of value `i` of `name`. */
function bits24(hash: number, i: number): number {
  return mix(mix(i + 1) ^ hash) >>> 8;
}

/** `count` values in [-1, 1). */
export function signed(name: string, count: number): Float64Array {
  const hash = fnv(name);
  return Float64Array.from({ length: count }, (_, i) => bits24(hash, i) / 2 ** 23 - 1);
}

/** `count` values in [0, 1). */
export function unsigned(name: string, count: number): Float64Array {
  const hash = fnv(name);
  return Float64Array.from({ length: count }, (_, i) => bits24(hash, i) / 2 ** 24);
}

/** The value of a state-dict tensor. */
export function generatedTensor(name: string, shape: readonly number[]): Float32Array {
  const size = shape.reduce((a, b) => a * b, 1);
  const { offset, factor } = range(name, shape, size);
  return Float32Array.from(signed(name, size), (u) => offset + factor * u);
}

function range(name: string, shape: readonly number[], size: number): { offset: number; factor: number } {
  if (name.endsWith('running_var')) return { offset: 1, factor: 0.3 };
  if (name.endsWith('running_mean')) return { offset: 0, factor: 0.2 };
  if (name.endsWith('temperature')) return { offset: 1, factor: 0.3 };
  if (name.endsWith('relative_position_bias_table')) return { offset: 0, factor: 0.5 };
  if (shape.length > 1) return { offset: 0, factor: Math.sqrt((3 * shape[0]) / size) };
  return name.endsWith('weight') ? { offset: 1, factor: 0.2 } : { offset: 0, factor: 0.1 };
}

/** A state dict for parameters of these names and shapes. */
export function generatedState(
  parameters: Iterable<[string, { readonly shape: readonly number[] }]>,
): StateDict {
  const state: StateDict = new Map();
  for (const [name, { shape }] of parameters) state.set(name, { shape, data: generatedTensor(name, shape) });
  return state;
}
