import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { Heap } from '../heap';

/** The tensors that a kernel takes, by name; an optional one may be absent. */
export type Inputs = Record<string, TensorInfo>;

/**
 * A kernel of the kit under a name of TensorFlow.js's or of src/ops. It answers undefined where it does not serve (another
 * dtype, a rare option): the backend's own kernel then runs.
 */
export type KernelFunction = (
  heap: Heap,
  inputs: Inputs,
  attrs: never,
) => TensorInfo | TensorInfo[] | undefined;

export function allFloat(...tensors: TensorInfo[]): boolean {
  return tensors.every(({ dtype }) => dtype === 'float32');
}
