/**
 * Adam with global-norm clipping, as PyTorch's AdamW with weight decay 0 (the paper's code trains both networks so):
 *
 *   g <- g min(1, clip / (|g| + 1e-6))          |g| over all parameters together
 *   m <- b1 m + (1 - b1) g,   v <- b2 v + (1 - b2) g^2
 *   w <- w - rate (m / (1 - b1^n)) / (sqrt(v / (1 - b2^n)) + epsilon)
 *
 * The moments live in one flat vector each, so a step is a dozen kernels whatever the number of parameters.
 */
import * as tf from '@tensorflow/tfjs-core';
import type { StateDict } from '../nn/module';
import type { Parameter } from '../nn/parameter';
import { hasFused, runFused } from '../ops/fused';
import { InputError } from '../util/errors';

export interface AdamOptions {
  readonly betas: readonly [number, number];
  readonly epsilon: number;
  /** Largest global L2 norm of the gradient; Infinity for none. */
  readonly clip: number;
}

export class Adam {
  private readonly sizes: number[];
  private readonly m: tf.Variable<tf.Rank.R1>;
  private readonly v: tf.Variable<tf.Rank.R1>;
  private steps = 0;

  /** @param parameters in the order in which `step` gets their gradients */
  constructor(
    private readonly parameters: readonly [string, Parameter][],
    private readonly options: AdamOptions,
  ) {
    this.sizes = parameters.map(([, p]) => p.size);
    const total = this.sizes.reduce((a, b) => a + b, 0);
    [this.m, this.v] = tf.tidy(() => [tf.variable(tf.zeros([total]), false), tf.variable(tf.zeros([total]), false)]);
  }

  /**
   * One update of every parameter.
   * @returns the gradient's global norm before clipping, a scalar that the caller disposes
   */
  step(gradients: readonly tf.Tensor[], rate: number): tf.Scalar {
    const [beta1, beta2] = this.options.betas;
    const { epsilon, clip } = this.options;
    this.steps++;
    const correction1 = 1 - beta1 ** this.steps;
    const correction2 = 1 - beta2 ** this.steps;
    if (hasFused('AdamStep')) {
      // In place: weights and moments keep their tensors.
      const lists = [this.parameters.map(([, p]) => p.value()), gradients];
      const inputs: tf.NamedTensorMap = { m: this.m, v: this.v };
      lists[0].forEach((w, i) => (inputs[`w${i}`] = w));
      lists[1].forEach((g, i) => (inputs[`g${i}`] = g));
      const attrs = { count: gradients.length, rate, beta1, beta2, epsilon, clip, correction1, correction2 };
      return runFused<tf.Scalar>('AdamStep', inputs, attrs);
    }
    return tf.tidy(() => {
      const raw = tf.concat1d(gradients.map((g) => tf.reshape(g, [-1]) as tf.Tensor1D));
      const norm = tf.sqrt(tf.sum(tf.square(raw))) as tf.Scalar;
      const factor = tf.minimum(tf.div(clip, tf.add(norm, 1e-6)), 1);
      const g = Number.isFinite(clip) ? tf.mul(raw, factor) : raw;
      this.m.assign(tf.add(tf.mul(this.m, beta1), tf.mul(g, 1 - beta1)));
      this.v.assign(tf.add(tf.mul(this.v, beta2), tf.mul(tf.square(g), 1 - beta2)));
      const spread = tf.add(tf.div(tf.sqrt(this.v), Math.sqrt(correction2)), epsilon);
      const change = tf.mul(tf.div(this.m, spread), rate / correction1);
      const changes = tf.split(change, this.sizes);
      this.parameters.forEach(([, p], i) => {
        const w = p.variable;
        w.assign(tf.sub(w, tf.reshape(changes[i], w.shape)));
      });
      return norm;
    });
  }

  /** Moments by parameter, `m/<key>` and `v/<key>`, each flat in the engine's own layout. */
  async state(): Promise<StateDict> {
    const state: StateDict = new Map();
    for (const [name, moments] of [
      ['m', this.m],
      ['v', this.v],
    ] as const) {
      const flat = (await moments.data()) as Float32Array;
      let at = 0;
      this.parameters.forEach(([key], i) => {
        state.set(`${name}/${key}`, { shape: [this.sizes[i]], data: flat.slice(at, at + this.sizes[i]) });
        at += this.sizes[i];
      });
    }
    return state;
  }

  /**
   * Takes up `state()` after `steps` updates.
   * @throws InputError naming the first moment that is missing or misshapen
   */
  restore(state: StateDict, steps: number, source: string): void {
    for (const [name, moments] of [
      ['m', this.m],
      ['v', this.v],
    ] as const) {
      const flat = new Float32Array(moments.size);
      let at = 0;
      this.parameters.forEach(([key], i) => {
        const part = state.get(`${name}/${key}`);
        if (part?.data.length !== this.sizes[i]) {
          throw new InputError(
            `${source}: optimiser state ${name}/${key} has ${part?.data.length ?? 'no'} values, expected ${this.sizes[i]}`,
          );
        }
        flat.set(part.data, at);
        at += this.sizes[i];
      });
      tf.tidy(() => moments.assign(tf.tensor1d(flat)));
    }
    this.steps = steps;
  }

  dispose(): void {
    this.m.dispose();
    this.v.dispose();
  }
}
