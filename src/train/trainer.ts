/**
 * The training loop: batch, losses of the process, gradients, clip and Adam for the SR network and (separately) for the
 * process's helper, as the official code does. One iteration leaves no tensor behind.
 */
import * as tf from '@tensorflow/tfjs-core';
import type { PairLoader } from '../data/loader';
import type { Module } from '../nn/module';
import type { SrNetwork } from '../networks/sr-network';
import { Adam } from './adam';
import type { Recipe } from './config';
import { DivergedError } from './diverged';
import type { TrainingProcess } from './process';
import { cosineRate } from './schedule';

/** What one iteration reports. */
export interface StepReport {
  readonly step: number;
  /** The weighted sum that was minimised. */
  readonly loss: number;
  /** Each term before its weight. */
  readonly terms: Record<string, number>;
  readonly rate: number;
  /** Global gradient norm of the SR network before clipping; of the helper too where there is one. */
  readonly gradientNorm: number;
  readonly helperGradientNorm?: number;
}

interface Trained {
  readonly module: Module;
  readonly parameters: ReturnType<Module['trainable']>;
  readonly optimiser: Adam;
}

export class Trainer {
  /** SR network first, then the helper where the process has one. */
  private readonly trained: Trained[];

  constructor(
    readonly network: SrNetwork,
    readonly process: TrainingProcess,
    private readonly loader: PairLoader,
    private readonly recipe: Recipe,
  ) {
    const { betas, epsilon, clip } = recipe;
    const modules = process.helper === undefined ? [network] : [network, process.helper];
    this.trained = modules.map((module) => {
      module.train();
      const parameters = module.trainable();
      return {
        module,
        parameters,
        optimiser: new Adam(parameters, { betas, epsilon, clip: clip ?? Infinity }),
      };
    });
  }

  /** The networks and optimisers whose state a checkpoint holds, by name. */
  parts(): { name: 'sr' | 'helper'; module: Module; optimiser: Adam }[] {
    return this.trained.map((t, i) => ({ ...t, name: i === 0 ? 'sr' : 'helper' }));
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
    };
    let terms: Record<string, tf.Scalar> = {};
    const variables = this.trained.flatMap((t) => t.parameters.map(([, p]) => p.variable));
    const { value, grads } = tf.variableGrads(() => {
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
      const norms: number[] = [];
      for (const t of this.trained) {
        norms.push(
          await t.optimiser.step(
            t.parameters.map(([, p]) => grads[p.variable.name]),
            rate,
          ),
        );
      }
      const [gradientNorm, helperGradientNorm] = norms;
      return {
        step,
        loss,
        terms: read,
        rate,
        gradientNorm,
        ...(norms.length > 1 ? { helperGradientNorm } : {}),
      };
    } finally {
      tf.dispose([batch.lr, batch.hr, value, grads, terms]);
    }
  }

  /** Frees the optimisers; the network stays. */
  dispose(): void {
    for (const t of this.trained) t.optimiser.dispose();
  }
}
