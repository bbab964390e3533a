/**
 * Which engines the tests run on: TEST_ENGINE (one name), else wasm. One process, one engine. TEST_LOOPS pins one of the
 * torch engine's sets of loops, or `none`: ATen's kernels alone, the way of a tensor on a GPU.
 */
import * as tf from '@tensorflow/tfjs-core';
import { startEngine } from '../src/engine/engines';
import { loadAddon } from '../src/engine/torch/addon';

export const TEST_ENGINE = process.env.TEST_ENGINE ?? 'wasm';

/** Starts the engine under test. */
export async function startTestEngine(): Promise<void> {
  await startEngine(TEST_ENGINE);
  if (process.env.TEST_LOOPS) loadAddon().pin(process.env.TEST_LOOPS);
}

/** Runs `body` and claims that it left no tensor behind. */
export async function leavesNoTensors<T>(body: () => T | Promise<T>): Promise<T> {
  const before = tf.memory().numTensors;
  const result = await body();
  const left = tf.memory().numTensors - before;
  if (left !== 0) throw new Error(`${left} tensors left behind`);
  return result;
}
