/** A mimicking module that was trained before: out of a run's folder, or from a weights file (ours or the official). */
import { existsSync, statSync } from 'node:fs';
import { InputError } from '../util/errors';
import { runFiles } from '../util/run-files';
import { parseWeights } from '../weights/load';
import { parseSafetensors } from '../weights/safetensors';
import { readWeightFile } from '../weights/tensor-file';
import { mimicConfig, type MimicConfig } from './config';
import { MimicModule } from './module';

export interface TrainedModule {
  /** The caller disposes it. */
  readonly module: MimicModule;
  /** What it was trained with; absent where the file does not say (the official ones). */
  readonly config?: MimicConfig;
  /** The weights' file. */
  readonly file: string;
}

/**
 * @param source a run folder of the mimicking process, or a weights file
 * @throws InputError where there is no such module, or the weights do not fit it
 */
export function loadMimicModule(source: string): TrainedModule {
  const file = moduleFile(source);
  const bytes = readWeightFile(file);
  const state = parseWeights(bytes, file);
  const has = (part: string): boolean => [...state.keys()].some((key) => key.startsWith(part));
  const module = new MimicModule({ guidance: has('guide_net.'), lens: has('lens.') });
  try {
    module.loadStateDict(state, file);
    const config = recordedConfig(bytes, file);
    return { module, file, ...(config === undefined ? {} : { config }) };
  } catch (error) {
    module.dispose();
    throw error;
  }
}

function moduleFile(source: string): string {
  if (!existsSync(source)) throw new InputError(`no run folder or weights file ${source}`);
  if (!statSync(source).isDirectory()) return source;
  const { config, helper } = runFiles(source);
  if (!existsSync(config)) throw new InputError(`no run here: ${config} is missing`);
  if (!existsSync(helper)) {
    throw new InputError(
      `${source} has no ${helper}: it trained no mimicking module, or wrote no checkpoint yet`,
    );
  }
  return helper;
}

/** A run writes its process and options into the metadata of its safetensors files. */
function recordedConfig(bytes: Uint8Array, file: string): MimicConfig | undefined {
  if (bytes[8] !== 0x7b) return undefined; // no safetensors header
  const { process, options } = parseSafetensors(bytes, file).metadata;
  if (options === undefined) return undefined;
  if (process !== 'mimic') {
    throw new InputError(`${file}: expected the mimicking module of a mimic run, found process '${process}'`);
  }
  try {
    return mimicConfig(JSON.parse(options), file);
  } catch (error) {
    throw error instanceof InputError ? error : new InputError(`${file}: options are not JSON: ${options}`);
  }
}
