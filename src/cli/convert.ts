import { existsSync, statSync } from 'node:fs';
import { extname } from 'node:path';
import { Command } from 'commander';
import { startEngine } from '../engine/engines';
import { requireFit } from '../networks/fit';
import { convertMetricModel } from '../metrics/metrics';
import { createNetwork, NETWORK_NAMES, NETWORKS, type NetworkName } from '../networks/networks';
import { readRunConfig, runFiles } from '../train/run';
import { InputError, knownName } from '../util/errors';
import { renameRrdb, type RrdbNaming } from '../weights/key-maps';
import { parseStored, parseWeights } from '../weights/load';
import { writeOnnx } from '../weights/onnx/export';
import { writePyTorch } from '../weights/pytorch-write';
import { looksLikeSafetensors, writeSafetensors } from '../weights/safetensors';
import { elementCount, readWeightFile, type StoredTensor, type TensorRecord } from '../weights/tensor-file';
import { PRESET_FLAG } from './arguments';
import { print } from './output';

interface Flags {
  readonly key?: string;
  readonly under?: string;
  readonly keys?: string;
  readonly network?: string;
  readonly preset?: string;
  readonly force?: boolean;
}

const NAMINGS = ['esrgan', 'basicsr'] as const satisfies readonly RrdbNaming[];

/** What an output's ending means. */
const FORMATS: Readonly<Record<string, 'safetensors' | 'pytorch' | 'onnx'>> = {
  '.safetensors': 'safetensors',
  '.pth': 'pytorch',
  '.pt': 'pytorch',
  '.onnx': 'onnx',
};

/** `mimicsr convert`: weights from one format to another, or a network with its weights to ONNX. */
export function convertCommand(): Command {
  return new Command('convert')
    .description('Convert weights: PyTorch and safetensors both ways, and to ONNX for other runtimes.')
    .argument(
      '<in>',
      'weights (.pth, .pt, .safetensors), a run folder of mimicsr train, or the .mat of NIQE or NRQM',
    )
    .argument('<out>', 'file to write; its ending names the format: .safetensors, .pth, .pt, .onnx')
    .option(
      '--network <name>',
      `network that the weights must fit (for .onnx: always): ${NETWORK_NAMES.join(', ')}`,
    )
    .option(...PRESET_FLAG)
    .option('--key <name>', 'which dictionary inside a PyTorch checkpoint, e.g. params_ema')
    .option('--under <name>', 'put a .pth below this key, e.g. params')
    .option('--keys <naming>', `rename an RRDBNet's keys: ${NAMINGS.join(', ')}`)
    .option('--force', 'replace a file that exists')
    .addHelpText(
      'after',
      '\nExample:\n  mimicsr convert net_g.pth net_g.safetensors --key params_ema --network swinir\n' +
        '  mimicsr convert runs/first first.onnx',
    )
    .action(async (input: string, output: string, flags: Flags) => {
      const format = FORMATS[extname(output).toLowerCase()];
      checkFlags(output, format, flags);
      if (extname(input).toLowerCase() === '.mat') {
        const given = (['network', 'preset', 'key', 'keys'] as const).find(
          (flag) => flags[flag] !== undefined,
        );
        if (given !== undefined)
          throw new InputError(`--${given} is for networks: ${input} is a metric's model`);
        if (format !== 'safetensors') throw new InputError(`${input} can only become a .safetensors file`);
        print(`${output}: ${convertMetricModel(input, output)}`);
        return;
      }
      const source = openSource(input, flags);
      if (flags.key !== undefined && looksLikeSafetensors(source.bytes))
        throw new InputError(
          `--key is for PyTorch checkpoints: ${input} is safetensors, without dictionaries`,
        );
      if (format === 'onnx' && source.network === undefined) {
        throw new InputError(
          `${output}: an ONNX file holds a whole network: name it with --network, one of ${NETWORK_NAMES.join(', ')}`,
        );
      }
      const stored = named(parseStored(source.bytes, source.file, flags.key), flags.keys, source.file);
      // Also without a network: weights that hold NaN, or none at all, are refused.
      const weights = ownNames(parseWeights(source.bytes, source.file, flags.key), flags.keys, source.file);
      if (source.network !== undefined) requireFit(source.network, source.preset, weights, source.file);

      if (format === 'onnx') {
        await exportNetwork(output, source.network!, source.preset, weights);
        print(`${output}: ${source.network} for any batch, height and width`);
        return;
      }
      if (format === 'pytorch') {
        const unknown = [...stored].find(([, { dtype }]) => dtype === 'U16');
        if (unknown !== undefined)
          throw new InputError(`${input}: tensor '${unknown[0]}' is U16, which PyTorch files cannot hold`);
        writePyTorch(output, stored, flags.under);
      } else writeSafetensors(output, stored);
      const values = [...stored.values()].reduce((sum, { shape }) => sum + elementCount(shape), 0);
      print(`${output}: ${stored.size} tensors, ${values} values`);
    });
}

function checkFlags(
  output: string,
  format: string | undefined,
  { keys, preset, under, ...flags }: Flags,
): void {
  if (format === undefined) {
    throw new InputError(`${output}: expected a name that ends in ${Object.keys(FORMATS).join(', ')}`);
  }
  if (existsSync(output)) {
    if (!statSync(output).isFile()) throw new InputError(`${output} is a folder: expected a file to write`);
    if (!flags.force) throw new InputError(`${output} exists: --force replaces it`);
  }
  if (keys !== undefined) knownName('--keys', keys, NAMINGS);
  if (under !== undefined && format !== 'pytorch')
    throw new InputError(`--under is for .pth files, not ${output}`);
  if (preset !== undefined && flags.network === undefined)
    throw new InputError('--preset goes with --network');
}

interface Source {
  readonly file: string;
  readonly bytes: Uint8Array;
  readonly network?: string;
  readonly preset?: string;
}

/** The input's weight file, and the network that it is said to belong to. */
function openSource(input: string, { key, network, preset }: Flags): Source {
  if (existsSync(input) && statSync(input).isDirectory()) {
    if (network !== undefined || key !== undefined) {
      throw new InputError(
        `${input} is a run folder, which knows its network: leave --network and --key out`,
      );
    }
    const { config, weights } = runFiles(input);
    const run = readRunConfig(config).network;
    if (!existsSync(weights))
      throw new InputError(`${input} has no ${weights} yet: the run wrote no checkpoint`);
    return { file: weights, bytes: readWeightFile(weights), network: run.name, preset: run.preset };
  }
  return { file: input, bytes: readWeightFile(input), network, preset };
}

/** The weights under the names that the user asked for. */
function named(
  stored: Map<string, StoredTensor>,
  keys: string | undefined,
  file: string,
): Map<string, StoredTensor> {
  return keys === undefined ? stored : renameRrdb(stored, keys as RrdbNaming, file);
}

/** The weights under the kit's own names: they are the ones of the output unless that is to have BasicSR's. */
function ownNames(
  weights: Map<string, TensorRecord>,
  keys: string | undefined,
  file: string,
): Map<string, TensorRecord> {
  return keys === undefined ? weights : renameRrdb(weights, 'esrgan', file);
}

async function exportNetwork(
  output: string,
  name: string,
  preset: string | undefined,
  weights: Map<string, TensorRecord>,
): Promise<void> {
  await startEngine(); // whichever there is: it only holds the weights
  const network = createNetwork(name, preset).loadStateDict(weights, output);
  try {
    await writeOnnx(output, network, `${name}-${preset ?? NETWORKS[name as NetworkName].paper}`);
  } finally {
    network.dispose();
  }
}
