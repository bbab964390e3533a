/** The training processes as rows of the tables: their labels and configurations. */
import { flowAtHand } from '../flow/estimators';
import { colourAtHand } from '../losses/colour-terms';
import { featuresAtHand } from '../losses/features';
import type { MimicSettings } from '../mimic/config';
import { MODES, type TrainingSettings } from '../train/config';

type ProcessSettings = TrainingSettings['process'];
type PseudoGtSettings = Extract<ProcessSettings, { name: 'pseudo-gt' }>['options'];

/** Where a method's networks come from. */
export interface MethodOptions {
  /**
   * `paper`: the official code's choice, whose weights must be here. `at hand`: the same where its weights are here, else
   * what comes with the kit.
   */
  readonly weights: 'paper' | 'at hand';
  /** The stages of Pseudo GT, where a budget cannot afford AlignFormer's own. */
  readonly pseudoGt?: PseudoGtSettings;
}

interface Method {
  /** As the paper's tables name it, where they do. */
  readonly label: string;
  process(options: MethodOptions): ProcessSettings;
}

/** In the order of the paper's tables. */
export const METHODS = {
  synthetic: { label: 'Synthetic Data', process: () => ({ name: 'synthetic' }) },
  l1: { label: 'L1', process: () => ({ name: 'l1' }) },
  'alignment-loss': {
    label: 'Alignment Loss',
    process: ({ weights }) => ({
      name: 'alignment-loss',
      options: weights === 'paper' ? {} : { flow: flowAtHand() },
    }),
  },
  'alignment-loss-corrected': {
    label: 'Alignment Loss, corrected',
    process: MODES.corrected['alignment-loss'],
  },
  'alignment-loss-recoloured': {
    label: 'Alignment Loss, recoloured',
    process: MODES.recoloured['alignment-loss'],
  },
  cx: { label: 'CXLoss', process: (options) => ({ name: 'cx', options: featuresOf(options) }) },
  cobi: { label: 'CoBi Loss', process: (options) => ({ name: 'cobi', options: featuresOf(options) }) },
  'auxiliary-input': { label: 'Auxiliary Input', process: () => ({ name: 'auxiliary-input' }) },
  'pseudo-gt': {
    label: 'Pseudo GT',
    process: (options) => ({
      name: 'pseudo-gt',
      options: {
        ...(options.weights === 'paper' ? {} : { flow: flowAtHand() }),
        ...featuresOf(options),
        ...options.pseudoGt,
      },
    }),
  },
  mimic: { label: 'Ours', process: (options) => ({ name: 'mimic', options: mimicReleased(options) }) },
  'mimic-corrected': {
    label: 'Ours, corrected',
    process: MODES.corrected.mimic,
  },
  'mimic-recoloured': {
    label: 'Ours, recoloured',
    process: MODES.recoloured.mimic,
  },
  'mimic-camera': {
    label: 'Ours, through a camera',
    process: MODES.camera.mimic,
  },
} as const satisfies Record<string, Method>;

export type MethodName = keyof typeof METHODS;
export const METHOD_NAMES = Object.keys(METHODS) as MethodName[];

/** "Ours" as the official code has it, its slips included. */
export function mimicReleased({ weights }: MethodOptions): MimicSettings {
  if (weights === 'paper') return {};
  const colour = colourAtHand() === 'cielab' ? 'cielab' : 'cdnet-released';
  const flow = flowAtHand();
  return { colour, flow: flow === 'pwc-net-bgr' ? 'pwc-net-rgb' : flow };
}

function featuresOf({ weights }: MethodOptions): { features?: 'vgg19' | 'random-orthogonal' } {
  return weights === 'paper' ? {} : { features: featuresAtHand() };
}
