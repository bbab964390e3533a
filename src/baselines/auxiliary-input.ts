/**
 * Auxiliary Input: the SR network trains on LR patches that a generator makes from the HR ones (Zhang et al., "Self-
 * Supervised Learning for Real-World Super-Resolution from Dual Zoomed Observations", ECCV 2022; `refsr_model.py` of
 * cszhilu1998/SelfDZSR @ 9ff05ad), and at test on the real LR:
 *
 *   A       = generator(HR, LR)                               the auxiliary LR
 *   L_aux   = mean |A - LR| + 100 L_pos                       L_pos: filters keep their weight in the middle
 *   L_sr    = mean |S(clamp(A + noise, 0, 1)) - HR|           A detached
 *
 * LR and A are compared as they lie: only the generator's form keeps A on the HR.
 *
 * As in the paper's comparison, and unlike SelfDZSR, A replaces the LR (there it guides the alignment of the LR to a
 * reference), and the SR network's loss is L1 alone. SelfDZSR's generator was trained 400 epochs before, by a script that is
 * not released: `start` takes its weights, or random ones. Its noise is made of the same three operations; it is added as
 * its difference from the HR shrunk on the same grid, where SelfDZSR takes the difference from a bicubic shrink on another
 * one, which leaves edges.
 */
import * as tf from '@tensorflow/tfjs-core';
import { z } from 'zod';
import { findWeights } from '../data/roots';
import { noiseAlone } from '../losses/noise-alone';
import type { LossTerms, TrainingProcess } from '../losses/training-process';
import { GUIDED_MINIMUM_SIDE } from '../networks/guided-transfer';
import { KernelGen } from '../networks/kernel-gen';
import { clamp } from '../ops/clamp';
import { meanAbsoluteError } from '../ops/mean-absolute-error';
import { stopGradient } from '../ops/no-gradient';

const NIKON_FILES = ['KernelGen_model_400.pth', 'selfdzsr-kernelgen-nikon-x4.safetensors'];

export const auxiliaryInputSchema = z.strictObject({
  /** The generator's first weights: drawn, or SelfDZSR's for its Nikon camera. */
  start: z.enum(['random', 'selfdzsr-nikon']).default('random'),
  /** Weight of L_pos (SelfDZSR's). */
  position: z.number().min(0).default(100),
  /** The generator's learning rate as a multiple of the SR network's (SelfDZSR: 5e-5 beside 1e-4). */
  generatorRate: z.number().positive().default(0.5),
  /** Add noise to A before the SR network sees it. */
  noise: z.boolean().default(true),
});

export type AuxiliaryInputConfig = z.infer<typeof auxiliaryInputSchema>;

/** @param generator with weights; whoever trains frees it */
export function auxiliaryInputProcess(config: AuxiliaryInputConfig, generator: KernelGen): TrainingProcess {
  return {
    name: 'auxiliary-input',
    trained: { 'auxiliary-LR generator': generator.parameterCount() },
    frozen: {},
    helper: generator,
    helperRate: config.generatorRate,
    minimumPatch: GUIDED_MINIMUM_SIDE,
    ...(config.noise ? { noise: 'repaired' } : {}),

    losses(sr, batch): LossTerms {
      const auxiliary = generator.forward(batch.hr, batch.lr);
      const detached = stopGradient(auxiliary);
      const input = clamp(config.noise ? tf.add<tf.Tensor4D>(detached, noiseAlone(batch)) : detached, 0, 1);
      return {
        auxiliary: { value: meanAbsoluteError(auxiliary, batch.lr), weight: 1 },
        position: { value: generator.positionLoss(), weight: config.position },
        reconstruction: { value: meanAbsoluteError(sr.forward(input), batch.hr), weight: 1 },
      };
    },
  };
}

/**
 * The process with its generator.
 * @param seed of the generator's first weights, where they are drawn
 * @throws InputError where SelfDZSR's weights are asked for and missing, saying what brings them
 */
export function createAuxiliaryInputProcess(config: AuxiliaryInputConfig, seed: number): TrainingProcess {
  const generator =
    config.start === 'random' ? new KernelGen().initialise(seed) : KernelGen.load(findWeights(NIKON_FILES));
  return auxiliaryInputProcess(config, generator);
}
