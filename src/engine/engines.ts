/** Choosing and starting the tensor backend: best first, or the one that is pinned. */
// The whole package, for its side effect: it registers the gradients of TensorFlow.js's own ops.
import '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs-core';
import { InputError, unknownName } from '../util/errors';
import { cpuEngine } from './cpu';
import { ENGINE_NAMES, type EngineLoader, type EngineName, type EngineStatus } from './loader';
import { tfjsNodeEngine, tfjsNodeGpuEngine } from './tfjs-node';
import { torchEngine } from './torch';
import { wasmEngine } from './wasm';
import { webgpuEngine } from './webgpu';

export { ENGINE_NAMES, type EngineName } from './loader';

const LOADERS: Record<EngineName, EngineLoader> = {
  torch: torchEngine,
  'node-gpu': tfjsNodeGpuEngine,
  node: tfjsNodeEngine,
  webgpu: webgpuEngine,
  wasm: wasmEngine,
  cpu: cpuEngine,
};

export interface EngineReport extends EngineStatus {
  readonly name: EngineName;
  readonly summary: string;
}

/** What `startEngine` started. */
export interface RunningEngine {
  readonly name: EngineName;
  /** Library version and device, as recorded beside results. */
  readonly detail: string;
}

let running: RunningEngine | undefined;

/** Looks for every engine, best first, without starting any. */
export async function probeEngines(): Promise<EngineReport[]> {
  return Promise.all(
    ENGINE_NAMES.map(async (name) => ({
      name,
      summary: LOADERS[name].summary,
      ...(await LOADERS[name].probe()),
    })),
  );
}

/**
 * Starts `pinned`, else the engine that runs already, else that which MIMICSR_ENGINE names, else the best one available.
 * Starting the running engine again does nothing; a process keeps one engine, since tensors cannot move between them.
 * @throws InputError for an unknown name, for a pinned engine that is not available (saying what to install), and for
 * another one than runs
 */
export async function startEngine(pinned?: string): Promise<RunningEngine> {
  if (!pinned && running !== undefined) return running;
  const wanted = pinned || process.env.MIMICSR_ENGINE; // an empty word is no choice
  const name = wanted ? engineName(wanted) : await bestAvailable();
  if (running !== undefined) {
    if (running.name === name) return running;
    throw new InputError(
      `engine '${name}' asked for, but '${running.name}' is already running in this process`,
    );
  }
  const loader = LOADERS[name];
  const status = await loader.probe();
  if (!status.available) throw new InputError(`engine '${name}' is not available: ${status.detail}`);
  await loader.start();
  await tf.ready();
  running = { name, detail: status.detail };
  return running;
}

/** @throws InputError where none runs: TensorFlow.js would compute on, with its slow plain one */
export function requireEngine(): void {
  if (running === undefined) throw new InputError('no engine is running: await startEngine() first');
}

function engineName(word: string): EngineName {
  const name = ENGINE_NAMES.find((n) => n === word);
  if (name === undefined) throw unknownName('engine', word, ENGINE_NAMES);
  return name;
}

async function bestAvailable(): Promise<EngineName> {
  for (const name of ENGINE_NAMES) if ((await LOADERS[name].probe()).available) return name;
  return 'cpu';
}
