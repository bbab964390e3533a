/** What turns a misaligned pair into a loss: the contract of every training process ("Ours" and the baselines). */
import type * as tf from '@tensorflow/tfjs-core';
import type { Module } from '../nn/module';
import type { SrNetwork } from '../networks/sr-network';

/** A batch of aligned-in-size, not in content, patches: RGB in [0,1]. */
export interface PairBatch {
  /** [B, h, w, 3] */
  readonly lr: tf.Tensor4D;
  /** [B, 4h, 4w, 3] */
  readonly hr: tf.Tensor4D;
}

/** Scalars whose weighted sum is minimised, by name as they appear in the log. */
export type LossTerms = Record<string, { readonly value: tf.Scalar; readonly weight: number }>;

export interface TrainingProcess {
  readonly name: string;
  /** Trained beside the SR network with an optimiser of its own, dropped at inference. */
  readonly helper?: Module;
  /** Loss terms of one batch; runs on the tape. @param step 1-based iteration */
  losses(sr: SrNetwork, batch: PairBatch, step: number): LossTerms;
}
