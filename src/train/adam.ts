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
import { joinState, splitState } from './flat-state';

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
    [this.m, this.v] = tf.tidy(() => [
      tf.variable(tf.zeros([total]), false),
      tf.variable(tf.zeros([total]), false),
    ]);
  }

  /**
   * One update of every parameter.
   * @param gradients in the order of the parameters
   * @returns the gradient's global norm before clipping; where it is not finite, the update was left out as by `skip`
   */
  async step(gradients: readonly tf.Tensor[], rate: number): Promise<number> {
    const norm = hasFused('AdamStep')
      ? await this.fusedStep(gradients, rate)
      : await this.composedStep(gradients, rate);
    this.steps++;
    return norm;
  }

  /** Counts an update that changes nothing: a checkpoint's step is that of its optimisers. */
  skip(): void {
    this.steps++;
  }

  private async composedStep(gradients: readonly tf.Tensor[], rate: number): Promise<number> {
    const { epsilon, clip, betas } = this.options;
    const [beta1, beta2] = betas;
    const [correction1, correction2] = this.corrections();
    const raw = tf.tidy(() => tf.concat1d(gradients.map((g): tf.Tensor1D => tf.reshape(g, [-1]))));
    const normTensor = tf.tidy(() => tf.sqrt(tf.sum(tf.square(raw))));
    const norm = (await normTensor.data())[0];
    if (Number.isFinite(norm)) {
      tf.tidy(() => {
        const g = tf.mul(raw, Math.min(1, clip / (norm + 1e-6)));
        this.m.assign(tf.add(tf.mul(this.m, beta1), tf.mul(g, 1 - beta1)));
        this.v.assign(tf.add(tf.mul(this.v, beta2), tf.mul(tf.square(g), 1 - beta2)));
        const spread = tf.add(tf.div(tf.sqrt(this.v), Math.sqrt(correction2)), epsilon);
        const change = tf.mul(tf.div(this.m, spread), rate / correction1);
        const changes = tf.split(change, this.sizes);
        this.parameters.forEach(([, p], i) => {
          const w = p.variable;
          w.assign(tf.sub(w, tf.reshape(changes[i], w.shape)));
        });
      });
    }
    tf.dispose([raw, normTensor]);
    return norm;
  }

  /**
   * The engine's kernel, in place: weights and moments keep their tensors. Inputs m, v, w0…, g0…; output the norm. Like
   * the composition it changes nothing where the norm is not finite.
   */
  private async fusedStep(gradients: readonly tf.Tensor[], rate: number): Promise<number> {
    const { epsilon, clip, betas } = this.options;
    const [beta1, beta2] = betas;
    const [correction1, correction2] = this.corrections();
    const inputs: tf.NamedTensorMap = { m: this.m, v: this.v };
    this.parameters.forEach(([, p], i) => {
      inputs[`w${i}`] = p.value();
      inputs[`g${i}`] = gradients[i];
    });
    const attrs = { count: gradients.length, rate, beta1, beta2, epsilon, clip, correction1, correction2 };
    const normTensor = runFused('AdamStep', inputs, attrs);
    const norm = (await normTensor.data())[0];
    normTensor.dispose();
    return norm;
  }

  /** 1 - b^n of the update to come. */
  private corrections(): [number, number] {
    const [beta1, beta2] = this.options.betas;
    return [1 - beta1 ** (this.steps + 1), 1 - beta2 ** (this.steps + 1)];
  }

  /** Moments by parameter, `m/<key>` and `v/<key>`, each flat in the engine's own layout. */
  async state(): Promise<StateDict> {
    const [m, v] = [(await this.m.data()) as Float32Array, (await this.v.data()) as Float32Array];
    return new Map([...splitState(this.parameters, m, 'm/'), ...splitState(this.parameters, v, 'v/')]);
  }

  /**
   * Takes up `state()` after `steps` updates.
   * @throws InputError naming the first moment that is missing or misshapen
   */
  restore(state: StateDict, steps: number, source: string): void {
    const m = joinState(this.parameters, state, source, 'm/');
    const v = joinState(this.parameters, state, source, 'v/');
    tf.tidy(() => {
      this.m.assign(tf.tensor1d(m));
      this.v.assign(tf.tensor1d(v));
    });
    this.steps = steps;
  }

  dispose(): void {
    this.m.dispose();
    this.v.dispose();
  }
}
