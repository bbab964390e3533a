/** Weights and inputs of the alignment goldens that are given by a rule instead of stored (their README). */
import { readSafetensors } from '../src/weights/safetensors';
import type { StateDict } from '../src/nn/module';
import { shared } from './shared';

/** u(k, i) in [-1, 1): avalanche of the flat index i in tensor number k. */
export function closedForm(k: number, i: number): number {
  let h = (i + Math.imul(k, 0x9e3779b1)) | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  h ^= h >>> 16;
  return (h >>> 8) * 2 ** -23 - 1;
}

interface RuleEntry {
  readonly name: string;
  readonly shape: readonly number[];
  readonly k: number;
  readonly amp: number | null;
  readonly base?: number;
}

/** The state dict that an alignment golden's metadata `key` describes; entries without a rule are left out. */
export function closedFormState(file: string, key = 'params'): StateDict {
  const { metadata } = readSafetensors(shared('goldens', 'alignment', file));
  const state: StateDict = new Map();
  for (const { name, shape, k, amp, base = 0 } of JSON.parse(metadata[key]) as RuleEntry[]) {
    if (amp === null) continue;
    const size = shape.reduce((a, b) => a * b, 1);
    state.set(name, {
      shape,
      data: Float32Array.from({ length: size }, (_, i) => base + amp * closedForm(k, i)),
    });
  }
  return state;
}
