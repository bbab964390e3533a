/** The SR networks by name, each with its sizes as presets. */
import { unknownName } from '../util/errors';
import { Dat, DAT_PRESETS } from './dat';
import { RRDBNET_PRESETS, RrdbNet } from './rrdbnet';
import { SEEMORE_PRESETS, SeeMoRe } from './seemore';
import type { SrNetwork } from './sr-network';
import { SwinIr, SWINIR_PRESETS } from './swinir';

interface Family {
  /** The preset that the paper used. */
  readonly paper: string;
  readonly presets: readonly string[];
  create(preset: string): SrNetwork;
}

/** Binds a table of configurations to the class that they configure. */
function family<C>(
  paper: keyof C & string,
  presets: C,
  make: (config: C[keyof C & string]) => SrNetwork,
): Family {
  return {
    paper,
    presets: Object.keys(presets as object),
    create: (preset) => make(presets[preset as keyof C & string]),
  };
}

export const NETWORKS = {
  rrdbnet: family('full', RRDBNET_PRESETS, (config) => new RrdbNet(config)),
  swinir: family('light', SWINIR_PRESETS, (config) => new SwinIr(config)),
  dat: family('light', DAT_PRESETS, (config) => new Dat(config)),
  seemore: family('tiny', SEEMORE_PRESETS, (config) => new SeeMoRe(config)),
} as const satisfies Record<string, Family>;

export type NetworkName = keyof typeof NETWORKS;
export const NETWORK_NAMES = Object.keys(NETWORKS) as NetworkName[];

/**
 * A network without weights: `initialise(seed)` or `loadStateDict(...)` comes next.
 * @param preset one of the family's sizes; by default the paper's
 * @throws InputError for an unknown name or preset
 */
export function createNetwork(name: string, preset?: string): SrNetwork {
  const known: Family | undefined = NETWORKS[name as NetworkName];
  if (known === undefined) throw unknownName('network', name, NETWORK_NAMES);
  const chosen = preset ?? known.paper;
  if (!known.presets.includes(chosen)) throw unknownName(`preset of ${name}`, chosen, known.presets);
  return known.create(chosen);
}
