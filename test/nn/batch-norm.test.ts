import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { BatchNorm } from '../../src/nn/batch-norm';
import { startTestEngine } from '../engines';

describe('Running statistics', () => {
  beforeAll(startTestEngine);

  it('move a tenth towards those of a batch, and not at all towards what is not finite', async () => {
    const norm = new BatchNorm(2).initialise(1).train();
    const run = (first: number): void =>
      tf.tidy(() => void norm.forward(tf.tensor4d([first, 1, 3, 5], [1, 1, 2, 2])));
    const statistics = async (): Promise<number[]> => {
      const state = await norm.stateDict();
      return ['running_mean', 'running_var'].flatMap((key) => [...state.get(key)!.data]);
    };
    run(1);
    const moved = await statistics();
    [0.2, 0.3, 0.9 + 0.2, 0.9 + 0.8].forEach((value, i) => expect(moved[i]).toBeCloseTo(value, 6));
    run(NaN);
    const [mean, other, variance] = await statistics();
    expect([mean, variance]).toEqual([moved[0], moved[2]]);
    expect(other).toBeCloseTo(0.9 * 0.3 + 0.1 * 3, 6);
    norm.dispose();
  });
});
