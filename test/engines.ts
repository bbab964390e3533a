/** Which engines the tests run on: TEST_ENGINE (one name), else wasm. One process, one engine. */
import * as tf from '@tensorflow/tfjs-core';
import { startEngine } from '../src/engine/engines';

export const TEST_ENGINE = process.env.TEST_ENGINE ?? 'wasm';

/** Starts the engine under test. */
export async function startTestEngine(): Promise<void> {
  await startEngine(TEST_ENGINE);
}

/** Runs `body` and claims that it left no tensor behind. */
export async function leavesNoTensors<T>(body: () => T | Promise<T>): Promise<T> {
  const before = tf.memory().numTensors;
  const result = await body();
  const left = tf.memory().numTensors - before;
  if (left !== 0) throw new Error(`${left} tensors left behind`);
  return result;
}
