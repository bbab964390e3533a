/** The training processes by configuration, each with the networks and weights that it needs. */
import { createAlignmentLossProcess } from '../baselines/alignment-loss';
import { createCobiProcess } from '../baselines/cobi';
import { createCxProcess } from '../baselines/cx';
import { createAuxiliaryInputProcess } from '../baselines/auxiliary-input';
import { l1Process } from '../baselines/l1';
import { syntheticProcess } from '../baselines/synthetic';
import type { TrainingProcess } from '../losses/training-process';
import { createMimicProcess } from '../mimic/process';
import type { ProcessConfig } from './config';

/**
 * The training process that a configuration names. The caller disposes it and its helper.
 * @param seed of what the process draws, and of its helper's initial weights
 * @throws InputError where weights are missing, saying which and what brings them
 */
export function createProcess(config: ProcessConfig, seed: number): TrainingProcess {
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
    case 'synthetic':
      return syntheticProcess(config.options);
    case 'mimic':
      return createMimicProcess(config.options, seed);
  }
}
