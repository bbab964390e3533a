/**
 * Pseudo GT: the SR network trains on the LR and on HR pictures that were brought into its geometry before (Feng et al.,
 * "Generating Aligned Pseudo-Supervision from Non-Aligned Data for Image Restoration in Under-Display Camera", CVPR 2023;
 * jnjaby/AlignFormer @ 3ef8a4b, `options/train/AlignFormer`). Two stages come first, both with the contextual loss against
 * the HR alone (CX as `losses/contextual` has it released, on conv4_4):
 *
 *   dam           L = mean CX( DAM(LR enlarged, HR), HR )
 *   alignformer   L = mean CX( GAM(DAM(...), HR, flow), HR )      DAM and flow fixed
 *
 * then every pair's pseudo-GT, made with the running means of both networks' weights, kept in 8 bits on disk and measured; then the
 * SR network trains on L = mean |S(LR) - pseudo-GT|.
 *
 * AlignFormer's stages take 500,000 and 400,000 iterations: 2.5 and 2 times the paper's 200,000 for the SR network, and
 * that is how their lengths are given here. Its flow is that of RAFT's large variant; here it is the estimator that `flow`
 * names. What 4x SR changes is in `aligner.ts`.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { z } from 'zod';
import { madePairs } from '../data/made-pairs';
import type { Pair, PairSet } from '../data/pairs';
import { FLOW_NAMES, loadFlowEstimator } from '../flow/estimators';
import type { Image } from '../image/image';
import { contextualLoss, CX_FORMS } from '../losses/contextual';
import { FEATURE_NAMES, loadFeatureNetwork, mapVectors, type FeatureNetwork } from '../losses/features';
import {
  networksAmong,
  type PreparationOptions,
  type Stage,
  type StageRecipe,
  type TrainingProcess,
} from '../losses/training-process';
import { AlignFormer } from '../networks/alignformer';
import { Dam } from '../networks/dam';
import { Module } from '../nn/module';
import { noGradient } from '../ops/no-gradient';
import { writeFileAtomic } from '../util/write-file';
import { ALIGNER_TILING, alignedPicture, pseudoGt, recoloured, type Aligner } from './aligner';
import { l1Process } from './l1';
import { pseudoGtQuality } from './pseudo-gt-quality';

const count = z.int().min(1);

/** What a user leaves out takes AlignFormer's value, but for the flow. */
export const pseudoGtSchema = z.strictObject({
  /** Optical flow from the recoloured LR to the HR. */
  flow: z.enum(FLOW_NAMES).default('raft-small'),
  /** In which features CX compares: VGG19's, or those of the fixed random stack that needs no weights. */
  features: z.enum(FEATURE_NAMES).default('vgg19'),
  /** Lengths of the stages as multiples of the SR network's iterations. */
  lengths: z
    .strictObject({
      dam: z.number().positive().default(2.5),
      alignformer: z.number().positive().default(2),
    })
    .prefault({}),
  /** LR patch side of the stages, pixels. */
  patch: count.default(64),
  /** Patches an update (4 on each of 2 GPUs). */
  batch: count.default(8),
  rate: z.number().positive().default(2e-4),
  betas: z.tuple([z.number().min(0).lt(1), z.number().min(0).lt(1)]).default([0.9, 0.99]),
  /** Decay of the running mean of the weights. */
  averaging: z.number().min(0).lt(1).default(0.999),
});

export type PseudoGtConfig = z.infer<typeof pseudoGtSchema>;

/** Of how many pairs the pseudo-GT is measured. */
const MEASURED_PAIRS = 20;

/** After which parts of a stage the learning rate is halved. */
const HALVINGS = { dam: [1 / 2, 4 / 5, 9 / 10, 19 / 20], alignformer: [5 / 8, 3 / 4] } as const;

/** Compares two pictures [B, H, W, 3]. */
export type PictureLoss = (prediction: tf.Tensor4D, target: tf.Tensor4D) => tf.Scalar;

/**
 * @param aligner with weights: fresh ones for DAM and GAM; the process frees none of it
 * @param compare loss of both stages
 * @param iterations of the SR network
 */
export function pseudoGtProcess(
  config: PseudoGtConfig,
  aligner: Aligner,
  compare: PictureLoss,
  iterations: number,
): TrainingProcess {
  const { dam, gam } = aligner;
  const stages: Stage[] = [
    {
      name: 'dam',
      module: dam,
      recipe: stageRecipe(config, 'dam', iterations),
      losses: (batch) => ({ contextual: { value: compare(recoloured(dam, batch), batch.hr), weight: 1 } }),
    },
    {
      name: 'alignformer',
      module: gam,
      recipe: stageRecipe(config, 'alignformer', iterations),
      losses: (batch) => ({ contextual: { value: compare(pseudoGt(aligner, batch), batch.hr), weight: 1 } }),
    },
  ];
  return {
    ...l1Process(),
    name: 'pseudo-gt',
    trained: { DAM: dam.parameterCount(), AlignFormer: gam.parameterCount() },
    frozen: networksAmong(aligner.flow),
    preparation: {
      stages,
      settings: config,
      pairs: (pairs, folder, options) => pseudoGtPairs(aligner, pairs, folder, options),
    },
  };
}

function stageRecipe(
  config: PseudoGtConfig,
  stage: keyof PseudoGtConfig['lengths'],
  iterations: number,
): StageRecipe {
  const { patch, batch, rate, betas, averaging, lengths } = config;
  const length = Math.max(1, Math.round(lengths[stage] * iterations));
  const halvings = HALVINGS[stage].map((part) => Math.round(part * length));
  return { iterations: length, patch, batch, rate, halvings, betas, averaging };
}

async function pseudoGtPairs(
  aligner: Aligner,
  pairs: PairSet,
  folder: string,
  options: PreparationOptions,
): Promise<PairSet | undefined> {
  const { dam, gam, flow } = aligner;
  const identity = JSON.stringify({
    dam: await dam.fingerprint(),
    alignformer: await gam.fingerprint(),
    flow: flow instanceof Module ? [flow.name, await flow.fingerprint()] : [flow.name],
    tiling: ALIGNER_TILING,
  });
  const make = (pair: Pair): Promise<Image> => alignedPicture(aligner, pair);
  const made = await madePairs(pairs, folder, { what: 'pseudo-GT', identity, make }, options);
  if (made !== undefined) await recordQuality(pairs, made, join(folder, 'quality.json'), options);
  return made;
}

/** Measures the pseudo-GT once, says and keeps what came out: a bad one is used all the same, but not unseen. */
async function recordQuality(
  pairs: PairSet,
  made: PairSet,
  path: string,
  { progress }: PreparationOptions,
): Promise<void> {
  if (existsSync(path)) return;
  const shown = progress('measure pseudo-GT', 1);
  try {
    const quality = await pseudoGtQuality(pairs, made, MEASURED_PAIRS);
    if (quality === undefined) return;
    writeFileAtomic(path, `${JSON.stringify(quality, undefined, 2)}\n`);
    const { offBy, hrOffBy, colour, spectrum } = quality;
    shown.update(
      1,
      `off the LR by ${offBy.toFixed(2)} LR pixels (the HR by ${hrOffBy.toFixed(2)}), ` +
        `off the HR by ${colour.toFixed(1)} CIEDE2000 and ${spectrum.toFixed(1)} dB of spectrum`,
    );
  } finally {
    shown.stop();
  }
}

/**
 * The process with its networks: DAM and GAM freshly initialised, flow and features from their usual files.
 * @param recipe of the SR network
 * @throws InputError where weights are missing, saying which and what brings them
 */
export function createPseudoGtProcess(
  config: PseudoGtConfig,
  { seed, iterations }: { readonly seed: number; readonly iterations: number },
): TrainingProcess {
  const flow = loadFlowEstimator(config.flow);
  let features: FeatureNetwork;
  try {
    features = loadFeatureNetwork(config.features, { layers: ['conv4_4'] });
  } catch (error) {
    flow.dispose();
    throw error;
  }
  const aligner = { dam: new Dam().initialise(seed), gam: new AlignFormer().initialise(seed), flow };
  const process = pseudoGtProcess(config, aligner, contextual(features), iterations);
  return {
    ...process,
    frozen: networksAmong(flow, features),
    dispose: () => {
      for (const network of [aligner.dam, aligner.gam, flow, features]) network.dispose();
    },
  };
}

/** CX as released, on one map of each picture. */
function contextual(network: FeatureNetwork): PictureLoss {
  const vectors = (image: tf.Tensor4D): tf.Tensor3D => mapVectors(network.features(image)[0]);
  return (prediction, target) => {
    const expected = noGradient(() => tf.tidy(() => vectors(target)));
    return tf.mean(contextualLoss(vectors(prediction), expected, 'cosine', { ...CX_FORMS.released, h: 0.5 }));
  };
}
