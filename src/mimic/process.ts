/**
 * "Ours": the SR network trains on mimicked LR patches, and the mimicking module beside it (paper, section 3). In every
 * iteration the module makes M from the down-sampled HR (`step.ts`); the SR network's loss is mean |S(M) - HR| and, as M
 * is detached, does not reach the module, whose own losses are L_deg and lambda L_col.
 */
import * as tf from '@tensorflow/tfjs-core';
import type { FlowEstimator } from '../flow/estimator';
import { loadFlowEstimator } from '../flow/estimators';
import type { ColourTerm } from '../losses/colour-difference';
import { loadColourTerm } from '../losses/colour-terms';
import { JPEG_UNIT } from '../ops/jpeg';
import { meanAbsoluteError } from '../ops/mean-absolute-error';
import { noGradient, stopGradient } from '../ops/no-gradient';
import { networksAmong, type LossTerms, type TrainingProcess } from '../losses/training-process';
import { InputError } from '../util/errors';
import { Random } from '../util/random';
import { cameraFinish } from './camera-finish';
import { noiseMode, type MimicConfig } from './config';
import { MIMIC_MINIMUM_SIDE, MimicModule } from './module';
import { degradationLoss, degradationTarget, fitLens, mimic } from './step';
import { loadMimicModule } from './trained-module';

export interface MimicParts {
  /** As `config.flow` names it; needed unless that is `none` or the module is frozen. */
  readonly flow?: FlowEstimator;
  /** As `config.colour` names it; needed unless that is `none` or the module is frozen. */
  readonly colour?: ColourTerm;
}

/**
 * @param module with weights: fresh ones, or trained ones where the phase is `frozen`
 * @param parts made by whoever calls; they stay the caller's
 * @param seed of the noise that `config.finish` adds
 */
export function mimicProcess(
  config: MimicConfig,
  module: MimicModule,
  parts: MimicParts,
  seed = 0,
): TrainingProcess {
  const frozen = config.phase === 'frozen';
  const flow = part('flow', config.flow, parts.flow, frozen);
  const colour = part('colour', config.colour, parts.colour, frozen);
  const noise = noiseMode(config);
  const name = 'mimicking module';
  const input = (mimicked: tf.Tensor4D, step: number): tf.Tensor4D => {
    if (config.finish) return cameraFinish(mimicked, new Random(seed, 'camera', step));
    return config.detach ? stopGradient(mimicked) : mimicked;
  };
  return {
    name: 'mimic',
    trained: frozen ? {} : { [name]: module.parameterCount() },
    frozen: frozen ? { [name]: module } : networksAmong(flow, colour),
    helper: module,
    trainsHelper: !frozen,
    helperSchedule: config.corrections.schedule ? 'cosine' : 'constant',
    ...(noise === undefined ? {} : { noise }),
    trainsNetwork: config.phase !== 'module',
    minimumPatch: Math.max(
      config.guidance ? MIMIC_MINIMUM_SIDE : 1,
      config.finish ? JPEG_UNIT : 1,
      colour?.minimumSide ?? 1,
    ),

    losses(sr, batch, step): LossTerms {
      if (frozen) {
        const constant = noGradient(() => tf.tidy(() => input(mimic(module, batch, config).mimicked, step)));
        return { reconstruction: { value: meanAbsoluteError(sr.forward(constant), batch.hr), weight: 1 } };
      }
      const { h, mimicked } = mimic(module, batch, config);
      const target = degradationTarget(batch, h, flow, config);
      fitLens(module, h, target, config);
      const terms: LossTerms = {
        degradation: { value: degradationLoss(mimicked, target, config), weight: 1 },
      };
      if (colour !== undefined) {
        terms.colour = { value: tf.mean(colour.difference(h, mimicked)), weight: config.lambda };
      }
      if (config.phase === 'joint') {
        terms.reconstruction = {
          value: meanAbsoluteError(sr.forward(input(mimicked, step)), batch.hr),
          weight: 1,
        };
      }
      return terms;
    },
  };
}

/** The part if the configuration asks for it; a run's record must not name another than the one in use. */
function part<T extends { readonly name: string }>(
  key: string,
  name: string,
  given: T | undefined,
  frozen: boolean,
): T | undefined {
  if (frozen || name === 'none') return undefined;
  if (given?.name !== name)
    throw new Error(`mimic config names ${key} '${name}', got ${given?.name ?? 'none'}`);
  return given;
}

/**
 * The process with everything it needs: flow and colour networks from their usual files, the module freshly initialised
 * or, in phase `frozen`, from `config.module`.
 * @param seed of the module's initial weights and of the noise
 * @throws InputError where weights are missing (saying which and what brings them), and for a trained module that makes
 *   another mimicked LR than `config` says
 */
export function createMimicProcess(config: MimicConfig, seed: number): TrainingProcess {
  if (config.module !== undefined)
    return mimicProcess(config, trainedModule(config.module, config), {}, seed);
  const colour = config.colour === 'none' ? undefined : loadColourTerm(config.colour);
  let flow: ReturnType<typeof loadFlowEstimator> | undefined;
  try {
    if (config.flow !== 'none') flow = loadFlowEstimator(config.flow);
  } catch (error) {
    colour?.dispose?.();
    throw error;
  }
  const module = new MimicModule(config).initialise(seed);
  return {
    ...mimicProcess(config, module, { flow, colour }, seed),
    dispose: () => {
      flow?.dispose();
      colour?.dispose?.();
    },
  };
}

/** What the module's output means: it learned to put out what these make of it. */
const MEANING: Readonly<Record<string, (config: MimicConfig) => boolean>> = {
  guidance: (config) => config.guidance,
  residual: ({ residual = false }) => residual,
  lens: ({ lens = false }) => lens,
  antialias: ({ antialias = false }) => antialias,
  noise: (config) => config.noise,
  'corrections.noise': (config) => config.corrections.noise,
  'corrections.grid': (config) => config.corrections.grid,
};

function trainedModule(source: string, config: MimicConfig): MimicModule {
  const { module, file, config: trainedWith } = loadMimicModule(source);
  for (const [key, of] of Object.entries(MEANING)) {
    if (trainedWith === undefined || of(trainedWith) === of(config)) continue;
    module.dispose();
    throw new InputError(
      `mimic config: key '${key}': ${file} was trained with ${of(trainedWith)}, found ${of(config)}`,
    );
  }
  return module;
}
