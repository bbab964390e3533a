/** Turning one knob of the method, or switching parts of it off, and seeing what it does: grids of one's own. */
import type { VariantOptions } from '../experiments/grid';
import { variantGrid, type Variant } from '../experiments/grids';
import { METHODS } from '../experiments/methods';
import { profile } from '../experiments/profiles';
import type { Table } from '../experiments/table';
import { SWITCH_NAMES, withOption, without, type SwitchName } from '../experiments/variants';
import { mimicCorrected, mimicSchema, type MimicSettings } from '../mimic/config';
import { recipe, type ModeName, type Recipe } from '../train/config';
import { knownName, unknownName } from '../util/errors';
import { reproduce, type ReproduceOptions } from './tables';

/** What is no single value, is an option of the grid, or does not change what is trained. */
const NOT_SWEPT = ['corrections', 'betas', 'seed', 'checkpointEvery', 'logEvery'] as const;

/** What a sweep can turn: weights and parts of the mimicking process, and the recipe. */
export type SweepParameter = Exclude<keyof MimicSettings | keyof Recipe, (typeof NOT_SWEPT)[number]>;

/** The results of trainings on pairs of one's own are kept beside those of the profile. */
export type OwnGridOptions = ReproduceOptions & VariantOptions;

export type SweepOptions = OwnGridOptions & {
  /** The process that is turned. Default: `corrected`, the paper's without the slips of its code. */
  readonly mode?: ModeName;
};

/** The processes that a sweep can turn, as the tables name them. */
const PROCESS_OF = {
  released: METHODS.mimic,
  corrected: METHODS['mimic-corrected'],
  recoloured: METHODS['mimic-recoloured'],
  camera: METHODS['mimic-camera'],
} as const satisfies Record<ModeName, unknown>;

/**
 * The mimicking process with each value of one parameter; a table with a row a value. Values that were trained before come from
 * the results.
 * @param parameter 'lambda', 'flow', … or of the recipe: 'rate', 'batch', …
 * @throws InputError for an unknown parameter or a value that it cannot have
 */
export async function sweep(
  parameter: SweepParameter,
  values: readonly (number | string | boolean)[],
  options: SweepOptions = {},
): Promise<Table> {
  const chosen = profile(options.profile ?? 'mini');
  const { label, process } = PROCESS_OF[options.mode ?? 'corrected'];
  const { options: base = {} } = process(chosen.methods);
  const variants = values.map((value) => variantOf(base, parameter, value));
  const asked = variantGrid(`Sweep over ${parameter}: ${label}`, variants, chosen, options);
  return reproduce({ ...asked, sweep: { name: parameter, values, series: [label] } }, options);
}

function variantOf(base: MimicSettings, parameter: string, value: number | string | boolean): Variant {
  const variant = { label: `${parameter} ${value}`, ours: true };
  const known = [...Object.keys(mimicSchema.shape), ...Object.keys(recipe())].filter(
    (name) => !(NOT_SWEPT as readonly string[]).includes(name),
  );
  if (!known.includes(parameter)) throw unknownName('parameter', parameter, known);
  return parameter in recipe()
    ? { ...variant, process: { name: 'mimic', options: base }, recipe: { [parameter]: value } }
    : { ...variant, process: { name: 'mimic', options: withOption(base, parameter, value) } };
}

/** Which parts of the method are on. */
export type Switches = Readonly<Partial<Record<SwitchName, boolean>>>;

/**
 * L1, the corrected process, and the corrected process without what is switched off: each part by itself, and, where several
 * are, all of them together.
 * @throws InputError for an unknown switch
 */
export async function ablate(switches: Switches, options: OwnGridOptions = {}): Promise<Table> {
  for (const name of Object.keys(switches)) knownName('switch', name, SWITCH_NAMES);
  const off = SWITCH_NAMES.filter((name) => switches[name] === false);
  const lacking = (names: readonly SwitchName[]): Variant => ({
    label: `corrected, ${names.join(', ')} off`,
    process: { name: 'mimic', options: without(mimicCorrected(), names) },
  });
  const variants: Variant[] = [
    { label: 'L1', process: { name: 'l1' } },
    { label: 'Ours, corrected', process: { name: 'mimic', options: mimicCorrected() }, ours: true },
    ...off.map((name) => lacking([name])),
    ...(off.length > 1 ? [lacking(off)] : []),
  ];
  const chosen = profile(options.profile ?? 'mini');
  return reproduce(variantGrid('Parts of the method switched off', variants, chosen, options), options);
}
