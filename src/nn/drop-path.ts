/**
 * Stochastic depth (Huang et al., ECCV 2016), as SwinIR and DAT train: a residual branch is dropped for a whole image
 * with probability `rate`, and divided by 1 - rate where it is kept. Nothing happens at test time.
 */
import * as tf from '@tensorflow/tfjs-core';
import { Module } from './module';

export class DropPath extends Module {
  constructor(private readonly rate: number) {
    super();
  }

  /** The branch [B, ...]. In training it draws once an image from the randomness given to `train`. */
  forward<R extends tf.Rank>(branch: tf.Tensor<R>): tf.Tensor<R> {
    if (!this.training || this.rate === 0) return branch;
    const { random } = this;
    if (random === undefined) throw new Error('stochastic depth draws in training: call train(true, random)');
    const keep = 1 - this.rate;
    const kept = Float32Array.from({ length: branch.shape[0] }, () => (random.chance(keep) ? 1 / keep : 0));
    return tf.mul(branch, tf.tensor(kept, [kept.length, ...branch.shape.slice(1).map(() => 1)]));
  }
}

/** The official schedule: block `index` of `count` drops with a probability that grows linearly from 0 to `last`. */
export function dropRate(last: number, index: number, count: number): number {
  return count > 1 ? (last * index) / (count - 1) : 0;
}
