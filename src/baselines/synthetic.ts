/**
 * Synthetic Data: the SR network trains on LR made from the HR, which is aligned but not real: mean |S(degraded HR) - HR|.
 * The pair's own LR goes unread. The degradation is MATLAB's bicubic, as for the benchmarks, or `bsrgan-like`, drawn anew
 * for every sample (`data/bsrgan.ts`).
 */
import { z } from 'zod';
import { DEGRADATION_NAMES, DEGRADATIONS } from '../data/degradations';
import type { TrainingProcess } from '../losses/training-process';
import { l1Process } from './l1';

export const syntheticSchema = z.strictObject({
  degradation: z.enum(DEGRADATION_NAMES).default('bicubic'),
});

export type SyntheticConfig = z.infer<typeof syntheticSchema>;

export function syntheticProcess(config: SyntheticConfig): TrainingProcess {
  return { ...l1Process(), name: 'synthetic', degradation: DEGRADATIONS[config.degradation] };
}
