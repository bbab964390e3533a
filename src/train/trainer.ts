/**
 * One iteration of a training: batch, losses, gradients, and for each network in training its own clip and Adam, as the
 * official code does. An iteration leaves no tensor behind.
 *
 * Two trainings are made of it: that of the SR network with the helper of its process, and the stages that a process
 * may need before.
 */
import * as tf from '@tensorflow/tfjs-core';
import type { PairLoader } from '../data/loader';
import type { LossTerms, PairBatch, Stage, TrainingProcess } from '../losses/training-process';
import { variableGradients, type Gradients } from '../nn/gradients';
import type { Module } from '../nn/module';
import type { SrNetwork } from '../networks/sr-network';
import { Random } from '../util/random';
import { Adam, type AdamOptions } from './adam';
import type { Recipe } from './config';
import { DivergedError } from './diverged';
import { cosineRate, halvedRate } from './schedule';
import { WeightAverage } from './weight-average';

/** What one iteration reports. */
export interface StepReport {
  readonly step: number;
  /** The weighted sum that was minimised. */
  readonly loss: number;
  /** Each term before its weight. */
  readonly terms: Record<string, number>;
  /** Learning rate of the first network: the SR network's, where it trains. */
  readonly rate: number;
  /** Global gradient norm of each trained network before clipping. */
  readonly gradientNorms: Readonly<Record<string, number>>;
  /** Why nothing was learned from this batch, where that was so. */
  readonly skipped?: string;
}

/** A network in training. */
export interface Trainee {
  /** In logs and checkpoints. */
  readonly name: string;
  readonly module: Module;
  readonly adam: AdamOptions;
  /** Learning rate of the (1-based) iteration. */
  rate(step: number): number;
  /** Decay of the running mean of its weights. Absent: none is kept. */
  readonly averaging?: number;
}

interface Trained extends Trainee {
  readonly parameters: ReturnType<Module['trainable']>;
  readonly optimiser: Adam;
  readonly average?: WeightAverage;
}

/** What the loader's batches are. */
export interface BatchShape {
  /** LR patch side, pixels. */
  readonly patch: number;
  readonly batch: number;
  readonly scale: number;
}

type Batches = Pick<PairLoader, 'batch'> & Partial<Pick<PairLoader, 'names'>>;

/** Updates in a row that may be skipped: a training that has diverged for good is not gone on with. */
const MOST_SKIPPED = 10;

export class Trainer {
  private readonly trained: Trained[];
  private skipped = 0;

  /**
   * @param seed of what the networks draw in training
   * @param onNan what to do where a loss or gradient is not finite
   */
  constructor(
    trainees: readonly Trainee[],
    private readonly losses: (batch: PairBatch, step: number) => LossTerms,
    private readonly loader: Batches,
    private readonly shape: BatchShape,
    private readonly seed: number,
    private readonly onNan: NonNullable<Recipe['onNan']> = 'stop',
  ) {
    this.trained = trainees.map((trainee) => {
      const { module, adam, averaging } = trainee;
      const parameters = module.trainable();
      return {
        ...trainee,
        parameters,
        optimiser: new Adam(parameters, adam),
        ...(averaging === undefined ? {} : { average: new WeightAverage(module, averaging) }),
      };
    });
  }

  /** The networks with their optimisers and running means, whose state a checkpoint holds. */
  parts(): readonly Trained[] {
    return this.trained;
  }

  /**
   * Iteration `step` (1-based).
   * @throws DivergedError where a loss or gradient is not finite, naming the term or network, the seed and the batch's pairs.
   *   No network is updated whose gradient, or a loss, is not finite.
   */
  async step(step: number): Promise<StepReport> {
    const { patch, batch: size, scale } = this.shape;
    const patches = await this.loader.batch(step);
    const batch = tf.tidy(() => ({
      lr: tf.tensor4d(patches.lr, [size, patch, patch, 3]),
      hr: tf.tensor4d(patches.hr, [size, patch * scale, patch * scale, 3]),
      ...(patches.noise === undefined ? {} : { noise: tf.tensor4d(patches.noise, [size, patch, patch, 3]) }),
    }));
    for (const { name, module } of this.trained) module.train(true, new Random(this.seed, name, step));
    const variables = this.trained.flatMap((t) => t.parameters.map(([, p]) => p.variable));
    const terms: Record<string, tf.Scalar> = {};
    let made: Gradients | undefined;
    try {
      made = variableGradients(() => {
        const losses = this.losses(batch, step);
        for (const [name, { value }] of Object.entries(losses)) terms[name] = tf.keep(tf.clone(value));
        return tf.addN(Object.values(losses).map(({ value, weight }) => tf.mul(value, weight))) as tf.Scalar;
      }, variables);
      const { value, grads } = made;
      const loss = (await value.data())[0];
      const read: Record<string, number> = {};
      for (const [name, term] of Object.entries(terms)) read[name] = (await term.data())[0];
      const norms: Record<string, number> = {};
      const report = { step, loss, terms: read, rate: this.trained[0].rate(step), gradientNorms: norms };
      const bad = Object.entries({ ...read, sum: loss }).find(([, v]) => !Number.isFinite(v));
      const faults = bad === undefined ? [] : [`loss term '${bad[0]}' is ${bad[1]}`];
      for (const trained of this.trained) {
        const gradients = trained.parameters.map(([, p]) => grads[p.variable.name]);
        if (bad !== undefined) trained.optimiser.skip();
        else {
          norms[trained.name] = await trained.optimiser.step(gradients, trained.rate(step));
          if (!Number.isFinite(norms[trained.name]))
            faults.push(`the gradient's norm of '${trained.name}' is ${norms[trained.name]}`);
        }
        trained.average?.update(step);
      }
      if (faults.length === 0) {
        this.skipped = 0;
        return report;
      }
      const pairs = await this.loader.names?.(step);
      const where = `seed ${this.seed}${pairs === undefined ? '' : `, pairs ${pairs.join(', ')}`}`;
      const skipped = `iteration ${step}: ${faults.join(', ')} (${where})`;
      if (this.onNan === 'stop') throw new DivergedError(skipped);
      if (++this.skipped > MOST_SKIPPED)
        throw new DivergedError(`${skipped}, after ${MOST_SKIPPED} skipped updates in a row`);
      return { ...report, skipped };
    } finally {
      tf.dispose([batch, terms, { ...made }]);
    }
  }

  /** Frees optimisers and running means; the networks stay. */
  dispose(): void {
    for (const { optimiser, average } of this.trained) {
      optimiser.dispose();
      average?.dispose();
    }
  }
}

/** The SR network (unless the process trains only its helper), then the process's helper where there is one. */
export function processTrainer(
  network: SrNetwork,
  process: TrainingProcess,
  loader: Batches,
  recipe: Recipe,
): Trainer {
  const { betas, epsilon, clip, iterations, rate, minimumRate, patch, batch, seed, onNan } = recipe;
  const adam = { betas, epsilon, clip: clip ?? Infinity };
  const cosine = (step: number): number => cosineRate(step, iterations, rate, minimumRate);
  const trainees: Trainee[] = [];
  if (process.trainsNetwork ?? true) trainees.push({ name: 'sr', module: network, adam, rate: cosine });
  if (process.helper !== undefined && (process.trainsHelper ?? true)) {
    const { helperSchedule = 'cosine', helperRate = 1 } = process;
    trainees.push({
      name: 'helper',
      module: process.helper,
      adam,
      rate: (step) => helperRate * (helperSchedule === 'constant' ? rate : cosine(step)),
    });
  }
  const losses = (patches: PairBatch, step: number): LossTerms => process.losses(network, patches, step);
  return new Trainer(trainees, losses, loader, { patch, batch, scale: network.scale }, seed, onNan);
}

/** A stage's module alone, with the running mean of its weights; Adam with PyTorch's epsilon and without a clip. */
export function stageTrainer(
  stage: Stage,
  loader: Batches,
  scale: number,
  { seed, onNan }: Pick<Recipe, 'seed' | 'onNan'>,
): Trainer {
  const { rate, halvings, betas, averaging, patch, batch } = stage.recipe;
  const trainee: Trainee = {
    name: stage.name,
    module: stage.module,
    adam: { betas, epsilon: 1e-8, clip: Infinity },
    rate: (step) => halvedRate(step, rate, halvings),
    averaging,
  };
  const losses = (patches: PairBatch, step: number): LossTerms => stage.losses(patches, step);
  return new Trainer([trainee], losses, loader, { patch, batch, scale }, seed, onNan);
}
