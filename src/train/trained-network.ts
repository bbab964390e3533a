/** An SR network that was trained before: out of a run's folder, or from a weights file (ours or an official one). */
import { existsSync, statSync } from 'node:fs';
import { requireFit } from '../networks/fit';
import { createNetwork, NETWORK_NAMES } from '../networks/networks';
import type { SrNetwork } from '../networks/sr-network';
import { InputError } from '../util/errors';
import { runFiles } from '../util/run-files';
import { readWeights } from '../weights/load';
import { readRunConfig } from './run-record';

/**
 * Builds the network and loads its weights; test mode. An engine must be running; the caller disposes it.
 * @param source a run folder, which knows its network, or a weights file: .safetensors, .pth or .pt
 * @param network of a weights file: which one it is for
 * @param preset of a weights file: its size. Default: the paper's
 * @throws InputError where there is no such file or run, for an unknown network, and for weights that do not fit it
 */
export function loadNetwork(source: string, network?: string, preset?: string): SrNetwork {
  if (existsSync(source) && statSync(source).isDirectory()) {
    if (network !== undefined || preset !== undefined)
      throw new InputError(
        `${source} is a run folder, which knows its network: leave network and preset out`,
      );
    return networkOfRun(source);
  }
  if (network === undefined)
    throw new InputError(
      `${source} is no run folder: of weights say the network, one of ${NETWORK_NAMES.join(', ')}`,
    );
  const state = readWeights(source);
  requireFit(network, preset, state, source);
  return createNetwork(network, preset).loadStateDict(state, source);
}

function networkOfRun(folder: string): SrNetwork {
  const { config, weights } = runFiles(folder);
  const { name, preset } = readRunConfig(config).network;
  if (!existsSync(weights))
    throw new InputError(`${folder} has no ${weights} yet: the run wrote no checkpoint`);
  return createNetwork(name, preset).loadStateDict(readWeights(weights), weights);
}
