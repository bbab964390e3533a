/** What turns a misaligned pair into a loss: the contract of every training process ("Ours" and the baselines). */
import type * as tf from '@tensorflow/tfjs-core';
import type { Degradation } from '../data/degradation';
import type { NoiseMode } from '../data/noise-image';
import type { Module } from '../nn/module';
import type { SrNetwork } from '../networks/sr-network';

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
  /** Trained beside the SR network with an optimiser of its own, dropped at inference. */
  readonly helper?: Module;
  /** How the helper's learning rate moves: along the SR network's cosine (default), or not at all. */
  readonly helperSchedule?: 'cosine' | 'constant';
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
  /** Frees the frozen networks that the process loaded; the helper is freed by whoever trains it. */
  dispose?(): void;
}
