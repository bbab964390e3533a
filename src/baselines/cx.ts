/** CX: the SR network trains on the real pair with the contextual loss alone (`baselines/contextual`, `losses/contextual`). */
import { z } from 'zod';
import { CX_FORMS } from '../losses/contextual';
import type { TrainingProcess } from '../losses/training-process';
import {
  completed,
  contextualProcess,
  contextualShape,
  featureNetworkOf,
  refuseNonsense,
  type FormDefaults,
} from './contextual';

const DEFAULTS: FormDefaults = {
  released: { layers: { conv4_4: 1 }, patches: null, samples: null },
  authors: { layers: { relu3_2: 1, relu4_2: 1 }, patches: null, samples: 65 ** 2 },
};

export const cxSchema = z
  .strictObject(contextualShape)
  .transform((settings) => completed(settings, DEFAULTS))
  .superRefine(refuseNonsense);

export type CxConfig = z.infer<typeof cxSchema>;

/**
 * The process with its feature network.
 * @param seed of the places that are drawn
 * @throws InputError where weights are missing, saying which and what brings them
 */
export function createCxProcess(config: CxConfig, seed: number): TrainingProcess {
  const form = { ...CX_FORMS[config.form], h: config.h };
  return contextualProcess('cx', config, form, false, featureNetworkOf(config), seed);
}
