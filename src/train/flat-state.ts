/** One flat vector over all parameters of a network (moments, running means), and its parts by parameter in a file. */
import type { StateDict } from '../nn/module';
import type { Parameter } from '../nn/parameter';
import { InputError } from '../util/errors';

type Named = readonly (readonly [string, Parameter])[];

/** The parts of `flat` as `<prefix><key>`, each flat in the engine's own layout. */
export function splitState(parameters: Named, flat: Float32Array, prefix = ''): StateDict {
  const state: StateDict = new Map();
  let at = 0;
  for (const [key, { size }] of parameters) {
    state.set(prefix + key, { shape: [size], data: flat.slice(at, at + size) });
    at += size;
  }
  return state;
}

/**
 * The vector that `splitState` took apart.
 * @throws InputError naming the file and the first part that is missing or misshapen
 */
export function joinState(parameters: Named, state: StateDict, source: string, prefix = ''): Float32Array {
  const flat = new Float32Array(parameters.reduce((sum, [, p]) => sum + p.size, 0));
  let at = 0;
  for (const [key, { size }] of parameters) {
    const part = state.get(prefix + key);
    if (part?.data.length !== size) {
      throw new InputError(
        `${source}: optimiser state ${prefix}${key} has ${part?.data.length ?? 'no'} values, expected ${size}`,
      );
    }
    flat.set(part.data, at);
    at += size;
  }
  return flat;
}
