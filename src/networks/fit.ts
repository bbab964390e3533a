/**
 * Which network a set of weights belongs to. Keys and shapes are compared without building a single tensor: a network
 * knows its parameters before it has values.
 */
import { InputError } from '../util/errors';
import { renameRrdb, rrdbNaming } from '../weights/key-maps';
import { createNetwork, NETWORK_NAMES, NETWORKS, type NetworkName } from './networks';
import type { SrNetwork } from './sr-network';

/** Weights by key; only their shapes matter here. */
export type Shapes = ReadonlyMap<string, { readonly shape: readonly number[] }>;

export interface Preset {
  readonly network: NetworkName;
  readonly preset: string;
}

/** What keeps weights from fitting a network: keys, with shapes in words. */
export interface Misfit {
  readonly missing: readonly string[];
  readonly misshapen: readonly string[];
  readonly unexpected: readonly string[];
}

/** What does not fit; all three lists are empty if everything does. */
export function misfit(network: SrNetwork, weights: Shapes): Misfit {
  const missing: string[] = [];
  const misshapen: string[] = [];
  const known = new Set<string>();
  for (const [key, { shape }] of network.namedParameters()) {
    known.add(key);
    const found = weights.get(key)?.shape;
    if (found === undefined) missing.push(`${key} [${shape.join(', ')}]`);
    else if (String(found) !== String(shape)) {
      misshapen.push(`${key} [${found.join(', ')}] instead of [${shape.join(', ')}]`);
    }
  }
  return { missing, misshapen, unexpected: [...weights.keys()].filter((key) => !known.has(key)) };
}

function fits(network: SrNetwork, weights: Shapes): boolean {
  return Object.values(misfit(network, weights)).every((keys: readonly string[]) => keys.length === 0);
}

/**
 * All presets that the weights fit exactly. More than one where presets differ in nothing that is stored (DAT's window
 * sizes).
 */
export function fittingPresets(weights: Shapes): Preset[] {
  return NETWORK_NAMES.flatMap((network) =>
    NETWORKS[network].presets
      .map((preset) => ({ network, preset }))
      .filter(({ preset }) => fits(createNetwork(network, preset), weights)),
  );
}

/** Keys of each kind that a message shows. */
const SHOWN = 8;

/**
 * @param source what the weights came from, for the message: a file
 * @throws InputError listing what does not fit, with the network that would; or for an unknown network or preset
 */
export function requireFit(
  name: string,
  preset: string | undefined,
  weights: Shapes,
  source = 'weights',
): void {
  const lists = Object.entries(misfit(createNetwork(name, preset), weights)) as [string, string[]][];
  const faults = lists
    .filter(([, keys]) => keys.length > 0)
    .map(([kind, keys]) => {
      const rest = keys.length > SHOWN ? ` and ${keys.length - SHOWN} more` : '';
      return `${keys.length} ${kind}: ${keys.slice(0, SHOWN).join(', ')}${rest}`;
    });
  if (faults.length === 0) return;
  const asked = preset === undefined ? name : `${name} --preset ${preset}`;
  throw new InputError(`${source} does not fit --network ${asked}: ${faults.join('; ')}. ${advice(weights)}`);
}

function advice(weights: Shapes): string {
  const known = fittingPresets(weights);
  if (known.length > 0) return `It fits ${list(known)}`;
  const naming = rrdbNaming(weights.keys());
  if (naming === 'basicsr' || naming === 'esrgan-old') {
    const renamed = fittingPresets(renameRrdb(weights, 'esrgan', 'weights'));
    const which = renamed.length > 0 ? list(renamed) : 'an RRDBNet of a size that is no preset';
    return `Its keys have the names of ${naming === 'basicsr' ? 'BasicSR' : 'old ESRGAN files'}; with 'mimicsr convert IN OUT --keys esrgan' it fits ${which}`;
  }
  return "It fits none of the kit's networks";
}

function list(presets: readonly Preset[]): string {
  return presets.map(({ network, preset }) => `--network ${network} --preset ${preset}`).join(' or ');
}
