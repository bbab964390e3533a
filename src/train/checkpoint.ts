/**
 * Checkpoints: everything that a training needs to go on as if it had never stopped, in one safetensors file
 * (`<part>/<key>` weights, `<part>.adam/m/<key>` and `/v/` moments, `<part>.mean/<key>` running means of weights; the
 * iteration in the metadata). Randomness is a function of seed and iteration, so no generator state is stored.
 */
import type { Module, StateDict } from '../nn/module';
import { InputError } from '../util/errors';
import { readSafetensors, writeSafetensors } from '../weights/safetensors';
import { float32Tensor, type StoredTensor } from '../weights/tensor-file';
import type { Adam } from './adam';
import type { WeightAverage } from './weight-average';

/** What a checkpoint is of: a `Trainer`, or anything else that trains networks. */
export interface Trained {
  parts(): readonly {
    readonly name: string;
    readonly module: Module;
    readonly optimiser: Adam;
    readonly average?: WeightAverage;
  }[];
}

const FORMAT = 'mimicsr-checkpoint-1';

/** Writes the state after iteration `step`, atomically. */
export async function saveCheckpoint(path: string, trainer: Trained, step: number): Promise<void> {
  const tensors = new Map<string, StoredTensor>();
  for (const { name, module, optimiser, average } of trainer.parts()) {
    put(tensors, `${name}/`, await module.stateDict());
    put(tensors, `${name}.adam/`, await optimiser.state());
    if (average !== undefined) put(tensors, `${name}.mean/`, await average.state());
  }
  writeSafetensors(path, tensors, { format: FORMAT, step: String(step) });
}

/**
 * Puts the trainer into the state of a checkpoint.
 * @returns the iteration after which it was saved
 * @throws InputError if the file is no checkpoint of this training
 */
export function loadCheckpoint(path: string, trainer: Trained): number {
  const { tensors, metadata } = readSafetensors(path);
  if (metadata.format !== FORMAT) {
    throw new InputError(
      `${path} is no checkpoint: expected format ${FORMAT}, found ${metadata.format ?? 'none'}`,
    );
  }
  const step = Number(metadata.step);
  if (!Number.isInteger(step) || step < 0)
    throw new InputError(`${path}: step is '${metadata.step}', expected a count`);
  const under = (prefix: string): StateDict => {
    const state: StateDict = new Map();
    for (const [key, t] of tensors) {
      if (key.startsWith(prefix))
        state.set(key.slice(prefix.length), { shape: t.shape, data: t.data as Float32Array });
    }
    return state;
  };
  for (const { name, module, optimiser, average } of trainer.parts()) {
    module.loadStateDict(under(`${name}/`), path);
    optimiser.restore(under(`${name}.adam/`), step, path);
    average?.restore(under(`${name}.mean/`), path);
  }
  return step;
}

/** Writes a network's weights alone (`await network.stateDict()`), under their PyTorch names, as safetensors. */
export function saveWeights(
  path: string,
  state: StateDict,
  metadata: Readonly<Record<string, string>> = {},
): void {
  const tensors = new Map<string, StoredTensor>();
  put(tensors, '', state);
  writeSafetensors(path, tensors, metadata);
}

function put(tensors: Map<string, StoredTensor>, prefix: string, state: StateDict): void {
  for (const [key, { shape, data }] of state) tensors.set(prefix + key, float32Tensor(shape, data));
}
