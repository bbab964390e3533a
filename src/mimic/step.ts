/**
 * The mimicking half of one training iteration (paper, sections 3.1 and 3.2; `srmimsimp_model.py`, `l1liteisp_loss.py`
 * and `CD_loss.py` of omarAlezaby/Mimicked_Ali @ 27a5681):
 *
 *   h      = down-sampled HR
 *   M      = clamp(module(h, LR) + noise, 0, 1)               the mimicked LR: HR's geometry and colour, LR's degradation
 *   L_deg  = mean | m M - m warp(LR, flow(h -> LR)) |         m: where the warped LR comes from inside the patch
 *   L_col  = mean over the batch of colour difference(h, M)
 *
 * What differs between the official code and its corrections is said at each function.
 */
import * as tf from '@tensorflow/tfjs-core';
import type { FlowEstimator } from '../flow/estimator';
import { alignedDifference, alignedTarget, softened, type AlignedTarget } from '../losses/flow-aligned';
import { noiseAlone, noiseImages } from '../losses/noise-alone';
import { recoloured } from '../losses/recoloured';
import { clamp } from '../ops/clamp';
import { resize, resizeAntialiased } from '../ops/resize';
import { linearToSrgb, srgbToLinear } from '../ops/srgb';
import type { PairBatch } from '../losses/training-process';
import type { MimicConfig } from './config';
import type { MimicModule } from './module';

export interface Mimicked {
  /** [B, h, w, 3] down-sampled HR. */
  readonly h: tf.Tensor4D;
  /** [B, h, w, 3] M before noise and clamp. */
  readonly raw: tf.Tensor4D;
  /** [B, h, w, 3] M, the mimicked LR in [0,1]. */
  readonly mimicked: tf.Tensor4D;
}

/** The mimicked LR of a batch, differentiable in the module. */
export function mimic(module: MimicModule, batch: PairBatch, config: MimicConfig): Mimicked {
  const h = downSampled(batch, config);
  const made = module.forward(h, batch.lr);
  const raw = config.residual ? tf.add<tf.Tensor4D>(throughLens(module, h), made) : made;
  const noise = addedNoise(batch, h, config);
  return { h, raw, mimicked: clamp(noise === undefined ? raw : tf.add<tf.Tensor4D>(raw, noise), 0, 1) };
}

function throughLens({ lens }: MimicModule, h: tf.Tensor4D): tf.Tensor4D {
  return lens === undefined ? h : linearToSrgb(lens.forward(srgbToLinear(h)));
}

/**
 * h, bicubic without antialiasing. Released: with aligned corners, so that pixel i lies at HR position i (4w - 1) / (w - 1).
 * Corrected grid: with half-pixel centres, at 4 i + 1.5, where the 4x networks put LR pixel i; there `antialias` can be asked
 * for, and with `lens` it is of linear light.
 */
function downSampled({ hr, lr }: PairBatch, { corrections, antialias, lens }: MimicConfig): tf.Tensor4D {
  const [, h, w] = lr.shape;
  if (lens) return linearToSrgb(resizeAntialiased(srgbToLinear(hr), h, w));
  if (antialias) return resizeAntialiased(hr, h, w);
  return resize(hr, h, w, { mode: 'bicubic', alignCorners: !corrections.grid });
}

/**
 * What is added to the module's output. Released: noise image - h, so that the output itself must hold h once more.
 * Corrected: noise image - HR shrunk as the noise image was, which is noise alone.
 */
function addedNoise(batch: PairBatch, h: tf.Tensor4D, config: MimicConfig): tf.Tensor4D | undefined {
  if (!config.noise) return undefined;
  return config.corrections.noise ? noiseAlone(batch) : tf.sub<tf.Tensor4D>(noiseImages(batch), h);
}

/** What the mimicked LR is compared with: the real LR in the HR's geometry, a constant. */
export function degradationTarget(
  batch: PairBatch,
  h: tf.Tensor4D,
  estimator: FlowEstimator | undefined,
  config: MimicConfig,
): AlignedTarget {
  const aligned = alignedLr(batch, h, estimator, config);
  return config.recolour ? recoloured(aligned, h) : aligned;
}

/** The real LR in the HR's geometry, with its own colours; without flow as it lies. */
export function alignedLr(
  batch: PairBatch,
  h: tf.Tensor4D,
  estimator: FlowEstimator | undefined,
  config: MimicConfig,
): AlignedTarget {
  if (estimator === undefined) return { target: batch.lr };
  const { hr, lr } = batch;
  const [, height, width] = lr.shape;
  // Released: the flow gets another down-sampled HR than the module, bilinear with aligned corners.
  const first = config.corrections.grid
    ? h
    : resize(hr, height, width, { mode: 'bilinear', alignCorners: true });
  const flow = estimator.estimate(first, lr);
  return alignedTarget(lr, flow, config.corrections.warp ? 'exact' : 'released', config.mask);
}

/** Fits the module's lens blur of h to the target, both in linear light; it acts from the next batch on. */
export function fitLens(
  { lens }: MimicModule,
  h: tf.Tensor4D,
  aligned: AlignedTarget,
  config: MimicConfig,
): void {
  if (lens === undefined) return;
  tf.tidy(() => {
    const [x, target] = [compared(h, aligned, config), aligned.target].map(srgbToLinear);
    lens.fit(x, { ...aligned, target });
  });
}

/** L_deg. Released: the mean runs over all pixels, masked ones counting as zero. Corrected mean: over the valid ones. */
export function degradationLoss(
  mimicked: tf.Tensor4D,
  target: AlignedTarget,
  config: MimicConfig,
): tf.Scalar {
  const over = config.corrections.mean ? 'valid' : 'all';
  return alignedDifference(compared(mimicked, target, config), target, over);
}

/** A picture of the HR's geometry as the target is compared with it. */
function compared(
  picture: tf.Tensor4D,
  { flow }: AlignedTarget,
  { soften = false }: MimicConfig,
): tf.Tensor4D {
  return soften ? softened(picture, flow!) : picture;
}
