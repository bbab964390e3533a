/**
 * The training loop: batch, losses of the process, gradients, clip and Adam for the SR network and (separately) for the
 * process's helper, as the official code does. One iteration leaves no tensor behind.
 */
import * as tf from '@tensorflow/tfjs-core';
import type { PairLoader } from '../data/loader';
import { variableGradients } from '../nn/gradients';
import type { Module } from '../nn/module';
import type { SrNetwork } from '../networks/sr-network';
import { Random } from '../util/random';
import { Adam } from './adam';
import type { Recipe } from './config';
import { DivergedError } from './diverged';
import type { TrainingProcess } from '../losses/training-process';
import { cosineRate } from './schedule';

/** What one iteration reports. */
export interface StepReport {
  readonly step: number;
  /** The weighted sum that was minimised. */
  readonly loss: number;
  /** Each term before its weight. */
  readonly terms: Record<string, number>;
  /** Learning rate of the SR network. */
  readonly rate: number;
  /** Global gradient norm of each trained network before clipping. */
  readonly gradientNorms: Readonly<Partial<Record<'sr' | 'helper', number>>>;
}

interface Trained {
  readonly name: 'sr' | 'helper';
  readonly module: Module;
  readonly parameters: ReturnType<Module['trainable']>;
  readonly optimiser: Adam;
}

export class Trainer {
  /** SR network (unless the process trains only its helper), then the helper where there is one. */
  private readonly trained: Trained[];

  constructor(
    readonly network: SrNetwork,
    readonly process: TrainingProcess,
    private readonly loader: PairLoader,
    private readonly recipe: Recipe,
  ) {
    const { betas, epsilon, clip } = recipe;
    const modules: [Trained['name'], Module][] = [];
    if (process.trainsNetwork ?? true) modules.push(['sr', network]);
    if (process.helper !== undefined) modules.push(['helper', process.helper]);
    this.trained = modules.map(([name, module]) => {
      const parameters = module.trainable();
      const optimiser = new Adam(parameters, { betas, epsilon, clip: clip ?? Infinity });
      return { name, module, parameters, optimiser };
    });
  }

  /** The networks and optimisers whose state a checkpoint holds, by name. */
  parts(): readonly Trained[] {
    return this.trained;
  }

  /**
   * Iteration `step` (1-based).
   * @throws DivergedError naming the term or network whose value is not finite; nothing is updated then
   */
  async step(step: number): Promise<StepReport> {
    const { patch, batch: size, iterations } = this.recipe;
    const patches = await this.loader.batch(step);
    const scale = this.network.scale;
    const batch = {
      lr: tf.tensor4d(patches.lr, [size, patch, patch, 3]),
      hr: tf.tensor4d(patches.hr, [size, patch * scale, patch * scale, 3]),
      ...(patches.noise === undefined ? {} : { noise: tf.tensor4d(patches.noise, [size, patch, patch, 3]) }),
    };
    for (const { name, module } of this.trained) module.train(true, new Random(this.recipe.seed, name, step));
    let terms: Record<string, tf.Scalar> = {};
    const variables = this.trained.flatMap((t) => t.parameters.map(([, p]) => p.variable));
    const { value, grads } = variableGradients(() => {
      const losses = this.process.losses(this.network, batch, step);
      terms = Object.fromEntries(
        Object.entries(losses).map(([name, { value }]) => [name, tf.keep(tf.clone(value))]),
      );
      return tf.addN(Object.values(losses).map(({ value, weight }) => tf.mul(value, weight))) as tf.Scalar;
    }, variables);
    const rate = cosineRate(step, iterations, this.recipe.rate, this.recipe.minimumRate);
    try {
      const loss = (await value.data())[0];
      const read: Record<string, number> = {};
      for (const [name, term] of Object.entries(terms)) read[name] = (await term.data())[0];
      const bad = Object.entries(read).find(([, v]) => !Number.isFinite(v))?.[0];
      if (bad !== undefined || !Number.isFinite(loss)) {
        throw new DivergedError(
          `iteration ${step}: loss term '${bad ?? 'sum'}' is ${bad ? read[bad] : loss}`,
        );
      }
      const norms: Partial<Record<Trained['name'], number>> = {};
      for (const { name, parameters, optimiser } of this.trained) {
        const gradients = parameters.map(([, p]) => grads[p.variable.name]);
        const constant = name === 'helper' && this.process.helperSchedule === 'constant';
        norms[name] = await optimiser.step(gradients, constant ? this.recipe.rate : rate);
      }
      return { step, loss, terms: read, rate, gradientNorms: norms };
    } finally {
      tf.dispose([batch, value, grads, terms]);
    }
  }

  /** Frees the optimisers; the network stays. */
  dispose(): void {
    for (const t of this.trained) t.optimiser.dispose();
  }
}
