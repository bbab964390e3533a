/** L1: the SR network trains on the real pair as it is, mean |S(lr) - hr|. The paper's plain baseline. */
import { meanAbsoluteError } from '../ops/mean-absolute-error';
import type { TrainingProcess } from '../losses/training-process';

export function l1Process(): TrainingProcess {
  return {
    name: 'l1',
    trained: {},
    frozen: {},
    losses: (sr, { lr, hr }) => ({ l1: { value: meanAbsoluteError(sr.forward(lr), hr), weight: 1 } }),
  };
}
