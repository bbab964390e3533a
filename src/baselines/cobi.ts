/**
 * CoBi: the SR network trains on the real pair with the contextual bilateral loss alone (`baselines/contextual`,
 * `losses/contextual`): CX in which the same place counts as similar.
 */
import { z } from 'zod';
import { COBI_FORMS } from '../losses/contextual';
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
  // The released class has touching patches of 10 pixels, weight 0.1, as an option that is off.
  released: { layers: { conv4_4: 1 }, patches: null, samples: null },
  authors: {
    layers: { relu1_2: 1, relu2_2: 1, relu3_2: 0.5 },
    patches: { side: 5, weight: 1 },
    samples: 63 ** 2,
  },
};

export const cobiSchema = z
  .strictObject({
    ...contextualShape,
    /** Share of the same place in the similarity. */
    spatial: z.number().gt(0).lt(1).default(0.1),
  })
  .transform((settings) => completed(settings, DEFAULTS))
  .superRefine(refuseNonsense);

export type CobiConfig = z.infer<typeof cobiSchema>;

/**
 * The process with its feature network.
 * @param seed of the places that are drawn
 * @throws InputError where weights are missing, saying which and what brings them
 */
export function createCobiProcess(config: CobiConfig, seed: number): TrainingProcess {
  const form = { ...COBI_FORMS[config.form], h: config.h, spatial: config.spatial };
  return contextualProcess('cobi', config, form, config.form === 'authors', featureNetworkOf(config), seed);
}
