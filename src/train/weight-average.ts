/**
 * The running mean of a network's weights over its training, which is used instead of the last weights:
 *
 *   mean <- d mean + (1 - d) w,   d = min(decay, (1 + n) / (10 + n)) after update n
 *
 * BasicSR's moving average with TensorFlow's warm-up, without which the mean of a short training would remember its
 * random start; after ten thousand updates the two are the same.
 */
import * as tf from '@tensorflow/tfjs-core';
import type { Module, StateDict } from '../nn/module';
import type { Parameter } from '../nn/parameter';
import { joinState, splitState } from './flat-state';

export class WeightAverage {
  private readonly parameters: readonly [string, Parameter][];
  private readonly mean: tf.Variable<tf.Rank.R1>;

  /** Starts from the weights as they are. */
  constructor(
    private readonly module: Module,
    private readonly decay: number,
  ) {
    this.parameters = module.trainable();
    this.mean = tf.tidy(() => tf.variable(this.flat(), false));
  }

  /** After update number `step` (1-based). */
  update(step: number): void {
    const d = Math.min(this.decay, (1 + step) / (10 + step));
    tf.tidy(() => this.mean.assign(tf.add(tf.mul(this.mean, d), tf.mul(this.flat(), 1 - d))));
  }

  /** The module's state dict with the means in place of the trained weights. */
  async weights(): Promise<StateDict> {
    const means = splitState(this.parameters, (await this.mean.data()) as Float32Array);
    const state = await this.module.stateDict();
    for (const [key, p] of this.parameters)
      state.set(key, { shape: p.shape, data: p.toPyTorch(means.get(key)!.data) });
    return state;
  }

  /** Means by parameter, each flat in the engine's own layout. */
  async state(): Promise<StateDict> {
    return splitState(this.parameters, (await this.mean.data()) as Float32Array);
  }

  /** @throws InputError naming the first mean that is missing or misshapen */
  restore(state: StateDict, source: string): void {
    const flat = joinState(this.parameters, state, source);
    tf.tidy(() => this.mean.assign(tf.tensor1d(flat)));
  }

  dispose(): void {
    this.mean.dispose();
  }

  private flat(): tf.Tensor1D {
    return tf.concat1d(this.parameters.map(([, p]): tf.Tensor1D => tf.reshape(p.value(), [-1])));
  }
}
