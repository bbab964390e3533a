/** Turning one knob of the method, or switching parts of it off, and seeing what it does: grids of one's own. */
import { variantGrid, type Variant } from '../experiments/grids';
import { METHODS } from '../experiments/methods';
import { profile } from '../experiments/profiles';
import type { Table } from '../experiments/table';
import { correctedWith, correctedWithout, SWITCH_NAMES, type SwitchName } from '../experiments/variants';
import { mimicCorrected, mimicSchema, type MimicSettings } from '../mimic/config';
import { recipe, type Recipe } from '../train/config';
import { knownName, unknownName } from '../util/errors';
import { reproduce, type ReproduceOptions } from './tables';

/** What a sweep can turn: weights and parts of the mimicking process, and the recipe. */
export type SweepParameter = keyof MimicSettings | keyof Omit<Recipe, 'seed'>;

/**
 * The corrected process ("Ours") with each value of one parameter; a table with a row a value. Values that were trained
 * before come from the results.
 * @param parameter 'lambda', 'flow', … or of the recipe: 'rate', 'iterations', …
 * @throws InputError for an unknown parameter or a value that it cannot have
 */
export async function sweep(
  parameter: SweepParameter,
  values: readonly (number | string | boolean)[],
  options: ReproduceOptions = {},
): Promise<Table> {
  const variants = values.map((value) => variantOf(parameter, value));
  const chosen = profile(options.profile ?? 'mini');
  const asked = variantGrid(`Sweep over ${parameter}`, variants, chosen, options);
  const series = [METHODS['mimic-corrected'].label];
  return reproduce({ ...asked, sweep: { name: parameter, values, series } }, options);
}

function variantOf(parameter: string, value: number | string | boolean): Variant {
  const label = `${parameter} ${value}`;
  if (parameter in recipe()) {
    return {
      label,
      process: { name: 'mimic', options: mimicCorrected() },
      recipe: { [parameter]: value },
      ours: true,
    };
  }
  const known = Object.keys(mimicSchema.shape);
  if (!known.includes(parameter)) {
    throw unknownName('parameter', parameter, [...known, ...Object.keys(recipe())]);
  }
  return { label, process: { name: 'mimic', options: correctedWith(parameter, value) }, ours: true };
}

/** Which parts of the method are on. */
export type Switches = Readonly<Partial<Record<SwitchName, boolean>>>;

/**
 * L1, the corrected process, and the corrected process without what is switched off: each part by itself, and, where several
 * are, all of them together.
 * @throws InputError for an unknown switch
 */
export async function ablate(switches: Switches, options: ReproduceOptions = {}): Promise<Table> {
  for (const name of Object.keys(switches)) knownName('switch', name, SWITCH_NAMES);
  const off = SWITCH_NAMES.filter((name) => switches[name] === false);
  const without = (names: readonly SwitchName[]): Variant => ({
    label: `corrected, ${names.join(', ')} off`,
    process: { name: 'mimic', options: correctedWithout(names) },
  });
  const variants: Variant[] = [
    { label: 'L1', process: { name: 'l1' } },
    { label: 'Ours, corrected', process: { name: 'mimic', options: mimicCorrected() }, ours: true },
    ...off.map((name) => without([name])),
    ...(off.length > 1 ? [without(off)] : []),
  ];
  const chosen = profile(options.profile ?? 'mini');
  return reproduce(variantGrid('Parts of the method switched off', variants, chosen, options), options);
}
