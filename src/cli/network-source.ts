/** The network that a command upscales with: a run's, or weights from a file; and its tiles. */
import { existsSync, statSync } from 'node:fs';
import type { Command } from 'commander';
import { NETWORK_NAMES } from '../networks/networks';
import type { SrNetwork } from '../networks/sr-network';
import { DEFAULT_OVERLAP, DEFAULT_TILE, TILE_GRID } from '../networks/upscale';
import { loadNetwork } from '../train/trained-network';
import { InputError } from '../util/errors';
import { count, PRESET_FLAG } from './arguments';

const LEAST_TILE = 2 * DEFAULT_OVERLAP;

export interface NetworkFlags {
  readonly run?: string;
  readonly weights?: string;
  readonly network?: string;
  readonly preset?: string;
  readonly tile?: number;
}

export function addNetworkOptions(command: Command): Command {
  return command
    .option('--run <folder>', 'run folder of mimicsr train')
    .option('--weights <file>', 'weights: .safetensors, .pth or .pt (with --network)')
    .option('--network <name>', `network of the weights: ${NETWORK_NAMES.join(', ')}`)
    .option(...PRESET_FLAG)
    .option(
      '--tile <n>',
      `LR pixels of a tile, a multiple of ${TILE_GRID} and at least ${LEAST_TILE}: larger pictures are upscaled in tiles, which needs less ` +
        'memory and changes the scores of networks with whole-picture context slightly ' +
        `(default: ${DEFAULT_TILE})`,
      tileSide,
    );
}

function tileSide(text: string): number {
  const tile = count('--tile')(text);
  if (tile < LEAST_TILE || tile % TILE_GRID !== 0)
    throw new InputError(`--tile ${text}: expected a multiple of ${TILE_GRID}, at least ${LEAST_TILE}`);
  return tile;
}

/**
 * Builds the network and loads its weights; test mode. An engine must be running.
 * @throws InputError for flags that do not fit together, and for weights that do not fit the network
 */
export function openNetwork({ run, weights, network, preset }: NetworkFlags): SrNetwork {
  if ((run === undefined) === (weights === undefined)) {
    throw new InputError('give either --run FOLDER or --weights FILE with --network NAME');
  }
  if (run !== undefined) {
    if (!existsSync(run)) throw new InputError(`no run folder ${run}`);
    return loadNetwork(run, network, preset);
  }
  if (existsSync(weights!) && statSync(weights!).isDirectory())
    throw new InputError(`--weights ${weights} is a folder: expected a weights file; of a run say --run`);
  if (network === undefined)
    throw new InputError(`--weights needs --network, one of ${NETWORK_NAMES.join(', ')}`);
  return loadNetwork(weights!, network, preset);
}
