/** Real `mimicsr` processes of the built kit, on one thread. */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { MIMICSR_BIN, PACKAGE_ROOT } from '../../src/util/versions';

/** Whether the kit is built. */
export const BUILT = existsSync(join(PACKAGE_ROOT, 'dist', 'cli', 'main.js'));

export interface Child {
  readonly process: ChildProcess;
  /** What it has printed so far, on both streams. */
  readonly output: () => string;
  /** How it ended: a code, or the signal that ended it. */
  readonly end: Promise<number | NodeJS.Signals>;
}

export function startMimicsr(
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Child {
  const child = spawn(process.execPath, [MIMICSR_BIN, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, MIMICSR_THREADS: '1', ...environment },
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (text += String(data)));
  const end = new Promise<number | NodeJS.Signals>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve(code ?? signal!));
  });
  return { process: child, output: () => text, end };
}
