/**
 * Alignment Loss: the SR network trains on the real pair, and the HR is warped to its output (Zhang et al., "Learning
 * RAW-to-sRGB Mappings with Inaccurately Aligned Supervision", ICCV 2021, as the paper's code has it: mode `super_res_ali`
 * of `l1liteisp_loss.py`, omarAlezaby/Mimicked_Ali @ 27a5681):
 *
 *   h    = HR at LR size                                    flow = 4 enlarge(flow(LR -> h), 4)
 *   L    = mean | m S(LR) - m warp(HR, flow) |              m: where the warped HR comes from inside the patch
 *
 * With `gcm` the flow is estimated from the LR recoloured by a network that is trained beside (`gcm.ts`), as the original
 * does and the paper's code does not; its loss is that of the recoloured LR against the warped HR at LR size. The
 * original's VGG and SSIM terms are left out, as in the paper's code.
 */
import * as tf from '@tensorflow/tfjs-core';
import { z } from 'zod';
import type { FlowEstimator } from '../flow/estimator';
import { FLOW_NAMES, flowAtHand, loadFlowEstimator } from '../flow/estimators';
import { recoloured } from '../losses/recoloured';
import { alignedDifference, alignedTarget, type AlignedTarget } from '../losses/flow-aligned';
import {
  networksAmong,
  type LossTerms,
  type PairBatch,
  type TrainingProcess,
} from '../losses/training-process';
import { meanAbsoluteError } from '../ops/mean-absolute-error';
import { noGradient } from '../ops/no-gradient';
import { resize, type ResizeOptions } from '../ops/resize';
import { Gcm, GCM_MINIMUM_SIDE } from './gcm';

/** False: as the official code does it. */
const correctionsSchema = z.strictObject({
  /**
   * HR shrunk by bicubic and flow enlarged by bilinear with half-pixel centres: the grid of the 4x networks. Released:
   * bilinear with aligned corners for both.
   */
  grid: z.boolean().default(false),
  /** Warp by exactly the flow. Released: by W / (W - 1) times the flow. */
  warp: z.boolean().default(false),
  /** Loss averaged over the valid pixels. Released: over all, masked ones counting as zero. */
  mean: z.boolean().default(false),
});

export const alignmentLossSchema = z.strictObject({
  flow: z.enum(FLOW_NAMES).default('pwc-net-rgb'),
  /** Recolour the LR before estimating the flow; `coordinates`: with the pixels' places in the patch as inputs. */
  gcm: z.enum(['none', 'plain', 'coordinates']).default('none'),
  /** The warped HR is given the LR's colours before the network's output is compared with it (`losses/recoloured`). */
  recolour: z.boolean().optional(),
  corrections: correctionsSchema.prefault({}),
});

/** A complete configuration. What a user leaves out takes the official code's value. */
export type AlignmentLossConfig = z.infer<typeof alignmentLossSchema>;
export type AlignmentLossSettings = z.input<typeof alignmentLossSchema>;

/** All slips corrected, with the best flow that this machine has weights for, by name. */
export function alignmentLossCorrected(): AlignmentLossSettings {
  return { flow: flowAtHand(), corrections: { grid: true, warp: true, mean: true } };
}

/** The corrected one, with the LR's colours given to the HR. Ours, not the paper's. */
export function alignmentLossRecoloured(): AlignmentLossSettings {
  return { ...alignmentLossCorrected(), recolour: true };
}

/**
 * @param flow as `config.flow` names it; it stays the caller's
 * @param gcm with weights, where `config.gcm` asks for one
 */
export function alignmentLossProcess(
  config: AlignmentLossConfig,
  flow: FlowEstimator,
  gcm?: Gcm,
): TrainingProcess {
  if (flow.name !== config.flow) {
    throw new Error(`alignment-loss config names flow '${config.flow}', got ${flow.name}`);
  }
  const over = config.corrections.mean ? 'valid' : 'all';
  return {
    name: 'alignment-loss',
    trained: gcm === undefined ? {} : { 'colour mapping': gcm.valueCount() },
    frozen: networksAmong(flow),
    ...(gcm === undefined ? {} : { helper: gcm, minimumPatch: GCM_MINIMUM_SIDE }),
    losses(sr, batch): LossTerms {
      const h = shrunk(batch, config);
      const mapped = gcm?.forward(batch.lr, h);
      const aligned = alignedHr(batch, mapped ?? batch.lr, h, flow, config);
      const target = config.recolour ? recoloured(aligned, batch.lr) : aligned;
      const terms: LossTerms = {
        aligned: { value: alignedDifference(sr.forward(batch.lr), target, over), weight: 1 },
      };
      if (mapped !== undefined) {
        terms.gcm = { value: mappingLoss(mapped, aligned, config), weight: 1 };
      }
      return terms;
    },
  };
}

/** h [B, h, w, 3], what the flow leads to. */
function shrunk({ hr, lr }: PairBatch, config: AlignmentLossConfig): tf.Tensor4D {
  const [, height, width] = lr.shape;
  return resize(hr, height, width, {
    mode: config.corrections.grid ? 'bicubic' : 'bilinear',
    alignCorners: !config.corrections.grid,
  });
}

/**
 * The HR in the LR's geometry, a constant.
 * @param first [B, h, w, 3] the LR, recoloured or not
 * @param h [B, h, w, 3] the HR at LR size
 */
export function alignedHr(
  { hr }: PairBatch,
  first: tf.Tensor4D,
  h: tf.Tensor4D,
  estimator: FlowEstimator,
  config: AlignmentLossConfig,
): AlignedTarget {
  const [, height, width] = hr.shape;
  const small = estimator.estimate(first, h);
  const scale = height / h.shape[1];
  const flow = tf.mul<tf.Tensor4D>(resize(small, height, width, bilinear(config)), scale);
  return alignedTarget(hr, flow, config.corrections.warp ? 'exact' : 'released');
}

/** Mean |m r - warped HR| at LR size, where the mask is an average and may lie between 0 and 1. */
function mappingLoss(
  mapped: tf.Tensor4D,
  { target, mask }: AlignedTarget,
  config: AlignmentLossConfig,
): tf.Scalar {
  const [, h, w] = mapped.shape;
  const atLrSize = (x: tf.Tensor4D): tf.Tensor4D => noGradient(() => resize(x, h, w, bilinear(config)));
  return meanAbsoluteError(tf.mul(mapped, atLrSize(mask!)), atLrSize(target));
}

function bilinear(config: AlignmentLossConfig): ResizeOptions {
  return { mode: 'bilinear', alignCorners: !config.corrections.grid };
}

/**
 * The process with its flow network from its usual file.
 * @param seed of the colour mapping's initial weights
 * @throws InputError where weights are missing, saying which and what brings them
 */
export function createAlignmentLossProcess(config: AlignmentLossConfig, seed: number): TrainingProcess {
  const flow = loadFlowEstimator(config.flow);
  const gcm =
    config.gcm === 'none'
      ? undefined
      : new Gcm({ coordinates: config.gcm === 'coordinates' }).initialise(seed);
  return { ...alignmentLossProcess(config, flow, gcm), dispose: () => flow.dispose() };
}
