/** How fast the engines of this machine are: each timed in a process of its own, since a process keeps one engine. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { probeEngines, type EngineName } from '../engine/engines';
import { InputError } from '../util/errors';
import { PACKAGE_ROOT } from '../util/versions';
import type { EngineTimes, StepSettings } from './engine-step';

const PROGRAM = join(PACKAGE_ROOT, 'dist', 'notebook', 'engine-step.js');

export interface EngineSpeedOptions extends Partial<StepSettings> {
  /** Default: all that are available here but `cpu`, which takes minutes. */
  readonly engines?: readonly EngineName[];
}

/**
 * Times a training step and an upscaled picture on each engine.
 * @throws InputError with what the engine says where it cannot run
 */
export async function engineSpeeds({
  engines,
  network = 'seemore',
  patch = 32,
  batch = 4,
  iterations = 4,
}: EngineSpeedOptions = {}): Promise<(EngineTimes & { readonly engine: EngineName })[]> {
  const found = (await probeEngines()).filter(({ available, name }) => available && name !== 'cpu');
  const settings: StepSettings = { network, patch, batch, iterations };
  const rows: (EngineTimes & { readonly engine: EngineName })[] = [];
  for (const engine of engines ?? found.map(({ name }) => name)) {
    try {
      const { stdout } = await promisify(execFile)(process.execPath, [PROGRAM, JSON.stringify(settings)], {
        env: { ...process.env, MIMICSR_ENGINE: engine },
      });
      rows.push({ engine, ...(JSON.parse(stdout) as EngineTimes) });
    } catch (error) {
      const { stderr = '', message } = error as { stderr?: string; message: string };
      throw new InputError(`engine '${engine}': ${stderr.trim() || message}`);
    }
  }
  return rows;
}
