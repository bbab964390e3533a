/** Several processes side by side, no more than so many at a time: one training each, each with an engine of its own. */
import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';

export interface PooledProcess {
  readonly name: string;
  /** Arguments of node. */
  readonly arguments: readonly string[];
  /** What it prints goes here, appended. */
  readonly log: string;
}

export interface PoolOptions {
  /** Processes at a time. */
  readonly jobs: number;
  readonly environment?: Readonly<Record<string, string>>;
  /** Starts no further process and sends SIGTERM to those that run; they are waited for. */
  readonly signal?: AbortSignal;
  readonly onStart?: (process: PooledProcess) => void;
  /** @param code the exit code, or null where a signal ended it */
  readonly onEnd?: (process: PooledProcess, code: number | null) => void | Promise<void>;
}

/**
 * Runs all, in order; resolves when the last has ended. One that ends with a failure does not stop the others; an error here (one
 * cannot be started, a callback throws) stops them as the signal does, and comes when the last has ended.
 */
export async function runProcesses(processes: readonly PooledProcess[], options: PoolOptions): Promise<void> {
  const waiting = [...processes];
  const failed = new AbortController();
  const signal = AbortSignal.any([failed.signal, ...(options.signal === undefined ? [] : [options.signal])]);
  const worker = async (): Promise<void> => {
    try {
      while (!signal.aborted) {
        const next = waiting.shift();
        if (next === undefined) return;
        options.onStart?.(next);
        const code = await runOne(next, { ...options, signal });
        await options.onEnd?.(next, code);
      }
    } catch (error) {
      failed.abort(error); // the first reason stays
    }
  };
  await Promise.all(Array.from({ length: Math.min(options.jobs, processes.length) }, worker));
  failed.signal.throwIfAborted();
}

function runOne(
  { arguments: args, log }: PooledProcess,
  { environment, signal }: PoolOptions,
): Promise<number | null> {
  mkdirSync(dirname(log), { recursive: true });
  const file = openSync(log, 'a');
  // Detached: a Ctrl-C in the terminal reaches this process alone, which tells the others to stop once.
  const child = spawn(process.execPath, args, {
    detached: true,
    stdio: ['ignore', file, file],
    env: { ...process.env, ...environment },
  });
  closeSync(file);
  const stop = (): void => void child.kill('SIGTERM');
  signal?.addEventListener('abort', stop);
  return new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => resolve(code));
  }).finally(() => signal?.removeEventListener('abort', stop));
}
