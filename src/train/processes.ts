/** The training processes by configuration, each with the networks and weights that it needs. */
import { createAlignmentLossProcess } from '../baselines/alignment-loss';
import { createAuxiliaryInputProcess } from '../baselines/auxiliary-input';
import { createCobiProcess } from '../baselines/cobi';
import { createCxProcess } from '../baselines/cx';
import { l1Process } from '../baselines/l1';
import { createPseudoGtProcess } from '../baselines/pseudo-gt';
import { syntheticProcess } from '../baselines/synthetic';
import type { TrainingProcess } from '../losses/training-process';
import { createMimicProcess } from '../mimic/process';
import type { ProcessConfig, Recipe } from './config';

/**
 * The training process that a configuration names. The caller disposes it and its helper.
 * @param recipe its seed is also that of what the process draws and of its networks' initial weights
 * @throws InputError where weights are missing, saying which and what brings them
 */
export function createProcess(
  config: ProcessConfig,
  recipe: Pick<Recipe, 'seed' | 'iterations'>,
): TrainingProcess {
  const { seed } = recipe;
  switch (config.name) {
    case 'l1':
      return l1Process();
    case 'alignment-loss':
      return createAlignmentLossProcess(config.options, seed);
    case 'cx':
      return createCxProcess(config.options, seed);
    case 'cobi':
      return createCobiProcess(config.options, seed);
    case 'auxiliary-input':
      return createAuxiliaryInputProcess(config.options, seed);
    case 'pseudo-gt':
      return createPseudoGtProcess(config.options, recipe);
    case 'synthetic':
      return syntheticProcess(config.options);
    case 'mimic':
      return createMimicProcess(config.options, seed);
  }
}
