/** A run's folder: which file holds what (`train/run` writes them). */
import { join } from 'node:path';

export type RunFile = 'config' | 'log' | 'checkpoint' | 'weights' | 'helper' | 'preparation' | 'lock';

/** The paths of a run's files. */
export function runFiles(folder: string): Record<RunFile, string> {
  return {
    config: join(folder, 'config.json'),
    log: join(folder, 'log.jsonl'),
    checkpoint: join(folder, 'checkpoint.safetensors'),
    weights: join(folder, 'weights.safetensors'),
    helper: join(folder, 'helper.safetensors'),
    preparation: join(folder, 'preparation'),
    lock: join(folder, 'lock'),
  };
}
