/** Work that only one process on a file system may do at a time. */
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { InputError } from './errors';

/**
 * Runs `work` while holding the lock file `path`, which names the holder. A lock that a dead process of this machine
 * left behind is taken over.
 * @param waitMs how long to wait for another holder
 * @throws InputError where another process holds it for longer than that
 */
export async function exclusively<T>(path: string, work: () => T | Promise<T>, waitMs = 0): Promise<T> {
  mkdirSync(dirname(path), { recursive: true });
  for (const until = Date.now() + waitMs; !acquire(path); await sleep(20)) {
    const holder = holderOf(path);
    if (holder === undefined) continue; // released meanwhile
    if (holder.dead) rmSync(path, { force: true });
    else if (Date.now() >= until) {
      throw new InputError(
        `another process works on this (${holder.text}): wait for it or, where there is none, delete ${path}`,
      );
    }
  }
  try {
    return await work();
  } finally {
    rmSync(path, { force: true });
  }
}

function acquire(path: string): boolean {
  try {
    const fd = openSync(path, 'wx');
    writeSync(fd, `${process.pid} on ${hostname()}`);
    closeSync(fd);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

function holderOf(path: string): { text: string; dead: boolean } | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
  const [, pid, host] = /^(\d+) on (.*)$/.exec(text) ?? [];
  return { text: `process ${text}`, dead: host === hostname() && !isAlive(Number(pid)) };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
