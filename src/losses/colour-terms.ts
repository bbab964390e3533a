/** The colour terms by name. */
import { existsSync } from 'node:fs';
import { findWeights } from '../data/roots';
import { CdNet } from '../networks/cdnet';
import { knownName } from '../util/errors';
import { cielabTerm, type ColourTerm } from './colour-difference';

const CDNET_FILES = ['CD-00014.pt', 'cdnet-00014.safetensors'];

type LoadedTerm = ColourTerm & { dispose?(): void };

const LOADERS = {
  /** CDNet with its displaced wide branch, as the paper's code runs it. */
  'cdnet-released': (path = findWeights(CDNET_FILES)): LoadedTerm => CdNet.load(path, 'released'),
  'cdnet-corrected': (path = findWeights(CDNET_FILES)): LoadedTerm => CdNet.load(path, 'corrected'),
  /** Needs no weights. */
  cielab: (): LoadedTerm => cielabTerm,
} as const;

export type ColourName = keyof typeof LOADERS;
export const COLOUR_NAMES = Object.keys(LOADERS) as ColourName[];

/**
 * A colour term with its weights, where it has some.
 * @param path the weights' file; by default under its usual name in a data root's `weights` folder
 * @throws InputError for an unknown name, and for weights that are missing (saying what brings them) or do not fit
 */
export function loadColourTerm(name: string, path?: string): LoadedTerm {
  return LOADERS[knownName('colour term', name, COLOUR_NAMES)](path);
}

/**
 * What to use where a configuration leaves the choice to the machine: CDNet if its weights are here, else CIELAB, which
 * needs none. Ask once, when the configuration is made, and store the answer.
 */
export function colourAtHand(): ColourName {
  return existsSync(findWeights(CDNET_FILES)) ? 'cdnet-corrected' : 'cielab';
}
