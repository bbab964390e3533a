/** What one training is made of, as plain data: network, process, data and recipe. Unknown keys are errors. */
import { z } from 'zod';
import {
  alignmentLossCorrected,
  alignmentLossRecoloured,
  alignmentLossSchema,
} from '../baselines/alignment-loss';
import { auxiliaryInputSchema } from '../baselines/auxiliary-input';
import { cobiSchema } from '../baselines/cobi';
import { cxSchema } from '../baselines/cx';
import { pseudoGtSchema } from '../baselines/pseudo-gt';
import { syntheticSchema } from '../baselines/synthetic';
import { CAMERA_PRESET_NAMES } from '../data/camera-pairs';
import { mimicCorrected, mimicRecoloured, mimicThroughCamera, mimicSchema } from '../mimic/config';
import { InputError, knownName } from '../util/errors';
import { parseWith } from '../util/schema';

const count = z.int().min(1);

const recipeSchema = z.strictObject({
  /** LR patch side, pixels; the HR patch is 4 times as large. */
  patch: count.default(32),
  batch: count.default(32),
  /** Updates in all; also T_max of the cosine. */
  iterations: count.default(200_000),
  /** Learning rate at the start. */
  rate: z.number().positive().default(1e-3),
  /** Learning rate at the end (not in the paper; the official code's). */
  minimumRate: z.number().min(0).default(1e-7),
  /** Adam's decay of the first and second moments (the official code's; the paper says only Adam). */
  betas: z.tuple([z.number().min(0).lt(1), z.number().min(0).lt(1)]).default([0.9, 0.9]),
  epsilon: z.number().positive().default(1e-8),
  /** Largest global gradient norm (official code: 0.01); null for no clipping. */
  clip: z.number().positive().nullable().default(0.01),
  seed: z.int().default(42),
  /** Where a loss or gradient is not finite: `stop` (default), or `skip` the update, at most ten in a row. */
  onNan: z.enum(['stop', 'skip']).optional(),
  /** Iterations between checkpoints (official code: 10,000). */
  checkpointEvery: count.default(10_000),
  /** Iterations between lines of the log. */
  logEvery: count.default(100),
});

/** Size of the movement in every pair, LR pixels, in place of the preset's range. Beyond that, pictures show other places. */
const misalignment = z.number().min(0).max(32).optional();

const dataSchema = z.discriminatedUnion('kind', [
  /** Real pairs of a folder or of a dataset's name. */
  z.strictObject({
    kind: z.literal('pairs'),
    folder: z.string().min(1),
    /** Misaligns them further, as this camera does; see `data/misaligned-pairs`. */
    misaligned: z.enum(CAMERA_PRESET_NAMES).optional(),
  }),
  /** The simulated camera on a folder of photographs (or a dataset's name). */
  z.strictObject({
    kind: z.literal('camera'),
    preset: z.enum(CAMERA_PRESET_NAMES),
    photos: z.string().min(1),
    seed: z.int().default(0),
    misalignment,
  }),
  /** The simulated camera on drawn scenes: nothing needed. */
  z.strictObject({
    kind: z.literal('scenes'),
    preset: z.enum(CAMERA_PRESET_NAMES),
    count: count.default(64),
    seed: z.int().default(0),
    misalignment,
  }),
]);

const processSchema = z.discriminatedUnion('name', [
  /** The real pair as it is. */
  z.strictObject({ name: z.literal('l1') }),
  /** The HR warped to the SR output by optical flow. */
  z.strictObject({ name: z.literal('alignment-loss'), options: alignmentLossSchema.prefault({}) }),
  /** The contextual loss alone. */
  z.strictObject({ name: z.literal('cx'), options: cxSchema.prefault({}) }),
  /** The contextual bilateral loss alone. */
  z.strictObject({ name: z.literal('cobi'), options: cobiSchema.prefault({}) }),
  /** The LR made from the HR by a generator that learns the real LR's look. */
  z.strictObject({ name: z.literal('auxiliary-input'), options: auxiliaryInputSchema.prefault({}) }),
  /** The HR brought into the LR's geometry before. */
  z.strictObject({ name: z.literal('pseudo-gt'), options: pseudoGtSchema.prefault({}) }),
  /** The LR made from the HR. */
  z.strictObject({ name: z.literal('synthetic'), options: syntheticSchema.prefault({}) }),
  /** "Ours": the mimicking module beside the SR network. */
  z.strictObject({ name: z.literal('mimic'), options: mimicSchema.prefault({}) }),
]);

const trainingSchema = z.strictObject({
  network: z.strictObject({
    name: z.string(),
    /** One of the family's official sizes; absent: the paper's. */
    preset: z.string().optional(),
  }),
  process: processSchema,
  data: dataSchema,
  recipe: recipeSchema.prefault({}),
});

/** What a file may have of a configuration that others complete. */
const partSchema = trainingSchema.extend({ network: trainingSchema.shape.network.partial() }).partial();

export const PROCESS_NAMES = [
  'l1',
  'alignment-loss',
  'cx',
  'cobi',
  'auxiliary-input',
  'pseudo-gt',
  'synthetic',
  'mimic',
] as const satisfies readonly ProcessConfig['name'][];

type ProcessSettings = TrainingSettings['process'];

/**
 * How the processes whose official code has slips can be run; options depend on the weights at hand. `released`: to the letter.
 * `corrected`: without the slips. `recoloured`: beyond the paper, corrected and with aligned colours.
 * `camera`: further, with the lens, noise and JPEG of a camera.
 */
export const MODES = {
  released: {
    mimic: () => ({ name: 'mimic' }),
    'alignment-loss': () => ({ name: 'alignment-loss' }),
  },
  corrected: {
    mimic: () => ({ name: 'mimic', options: mimicCorrected() }),
    'alignment-loss': () => ({ name: 'alignment-loss', options: alignmentLossCorrected() }),
  },
  recoloured: {
    mimic: () => ({ name: 'mimic', options: mimicRecoloured() }),
    'alignment-loss': () => ({ name: 'alignment-loss', options: alignmentLossRecoloured() }),
  },
  camera: {
    mimic: () => ({ name: 'mimic', options: mimicThroughCamera() }),
  },
} as const satisfies Record<string, Readonly<Record<string, () => ProcessSettings>>>;

export type ModeName = keyof typeof MODES;
export const MODE_NAMES = Object.keys(MODES) as ModeName[];

/** @throws InputError for an unknown mode, and for a process that has none */
export function processInMode(process: string | undefined, mode: string): ProcessSettings {
  const modes: Readonly<Record<string, () => ProcessSettings>> = MODES[knownName('mode', mode, MODE_NAMES)];
  if (process === undefined || !Object.hasOwn(modes, process))
    throw new InputError(`--mode ${mode} is for --process ${Object.keys(modes).join(' or ')}`);
  return modes[process]();
}

/** Every hyper-parameter of one training; the defaults are the paper's (official code's where the paper is silent). */
export type Recipe = z.infer<typeof recipeSchema>;
export type ProcessConfig = z.infer<typeof processSchema>;
export type DataConfig = z.infer<typeof dataSchema>;
export type TrainingConfig = z.infer<typeof trainingSchema>;
export type TrainingSettings = z.input<typeof trainingSchema>;
export type PartialSettings = z.input<typeof partSchema>;

/**
 * A complete, checked configuration; what is left out takes the paper's value.
 * @throws InputError naming the key, what was expected and what was found
 */
export function trainingConfig(settings: unknown, source = 'training config'): TrainingConfig {
  return parseWith<TrainingConfig>(trainingSchema, settings, source);
}

/** Checks what a file has of a configuration; nothing is filled in. Errors as `trainingConfig`. */
export function checkPart(settings: unknown, source: string): PartialSettings {
  parseWith(partSchema, settings, source);
  return settings as PartialSettings;
}

/** A complete, checked configuration of a training process; errors as `trainingConfig`. */
export function processConfig(settings: unknown): ProcessConfig {
  return parseWith<ProcessConfig>(processSchema, settings, 'process');
}

export function recipe(settings: unknown = {}): Recipe {
  return parseWith<Recipe>(recipeSchema, settings, 'recipe');
}
