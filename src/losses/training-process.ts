/** What turns a misaligned pair into a loss: the contract of every training process ("Ours" and the baselines). */
import type * as tf from '@tensorflow/tfjs-core';
import type { Degradation } from '../data/degradation';
import type { NoiseMode } from '../data/noise-image';
import type { PairSet } from '../data/pairs';
import { Module } from '../nn/module';
import type { SrNetwork } from '../networks/sr-network';
import type { ProgressFactory } from '../util/progress';

/** A batch of aligned-in-size, not in content, patches: RGB in [0,1]. */
export interface PairBatch {
  /** [B, h, w, 3] */
  readonly lr: tf.Tensor4D;
  /** [B, 4h, 4w, 3] */
  readonly hr: tf.Tensor4D;
  /** [B, h, w, 3] noise image of each HR patch (`data/noise-image`), where the process asks for them. */
  readonly noise?: tf.Tensor4D;
}

/** Scalars whose weighted sum is minimised, by name as they appear in the log. */
export type LossTerms = Record<string, { readonly value: tf.Scalar; readonly weight: number }>;

export interface TrainingProcess {
  readonly name: string;
  /** Networks that it trains beside or before the SR network: their numbers of values, by name. L1 has none: `{}`. */
  readonly trained: Readonly<Record<string, number>>;
  /** Networks that it uses as they are. Their weights decide the outcome as the data do: run records hold their hashes. */
  readonly frozen: Readonly<Record<string, Module>>;
  /** Trainings that come before the SR network's, and the pairs that they make for it. */
  readonly preparation?: Preparation;
  /** Network beside the SR network, with an optimiser of its own; a run keeps its weights, inference drops it. */
  readonly helper?: Module;
  /** False where the helper was trained before and stays as it is. Default true. */
  readonly trainsHelper?: boolean;
  /** How the helper's learning rate moves: along the SR network's cosine (default), or not at all. */
  readonly helperSchedule?: 'cosine' | 'constant';
  /** The helper's learning rate as a multiple of the SR network's. Default 1. */
  readonly helperRate?: number;
  /** False where only the helper is trained and `losses` leaves the SR network alone. Default true. */
  readonly trainsNetwork?: boolean;
  /** Noise images that the loader makes for every batch. Absent: none. */
  readonly noise?: NoiseMode;
  /** Makes every sample's LR from its HR, in place of the pair's own. Absent: the pair's. */
  readonly degradation?: Degradation;
  /** Smallest LR patch side that the losses can be computed on. Absent: any. */
  readonly minimumPatch?: number;
  /** Loss terms of one batch; runs on the tape. @param step 1-based iteration */
  losses(sr: SrNetwork, batch: PairBatch, step: number): LossTerms;
  /** Frees the networks that the process holds; the helper is freed by whoever trains it. */
  dispose?(): void;
}

/** Those parts of a process that are networks, by their names. */
export function networksAmong(
  ...parts: readonly ({ readonly name: string } | undefined)[]
): Record<string, Module> {
  const networks = parts.filter((p): p is Module & { readonly name: string } => p instanceof Module);
  return Object.fromEntries(networks.map((p) => [p.name, p]));
}

/** A frozen network as a record names it. */
export interface FrozenNetwork {
  readonly values: number;
  readonly sha256: string;
}

/** What is to be recorded of a process's frozen networks. */
export async function frozenNetworks({ frozen }: TrainingProcess): Promise<Record<string, FrozenNetwork>> {
  const entries = Object.entries(frozen).map(
    async ([name, network]) =>
      [name, { values: network.valueCount(), sha256: await network.fingerprint() }] as const,
  );
  return Object.fromEntries(await Promise.all(entries));
}

export interface Preparation {
  /** One after the other; each may use the modules of those before it. */
  readonly stages: readonly Stage[];
  /** Everything but data, seed and the stages' recipes that decides what comes out; JSON. */
  readonly settings: unknown;
  /**
   * After the stages: the pairs on which the SR network trains. May be called again on the same folder, and then takes
   * from there what still fits.
   * @returns undefined where the signal stopped it
   */
  pairs(pairs: PairSet, folder: string, options: PreparationOptions): Promise<PairSet | undefined>;
}

export interface PreparationOptions {
  readonly progress: ProgressFactory;
  readonly signal?: AbortSignal;
}

/** One training before the SR network's. When it is done, its module holds the running mean of the weights. */
export interface Stage {
  readonly name: string;
  readonly module: Module;
  readonly recipe: StageRecipe;
  /** Loss terms of one batch; runs on the tape. @param step 1-based iteration */
  losses(batch: PairBatch, step: number): LossTerms;
}

export interface StageRecipe {
  readonly iterations: number;
  /** LR patch side, pixels. */
  readonly patch: number;
  readonly batch: number;
  /** Adam's learning rate at the start; halved after each of these iterations. */
  readonly rate: number;
  readonly halvings: readonly number[];
  readonly betas: readonly [number, number];
  /** Decay of the running mean of the weights, an iteration. */
  readonly averaging: number;
}
