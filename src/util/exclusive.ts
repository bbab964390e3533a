/**
 * Work that only one process may do at a time, also on a file system that several machines share: no flock, which such file
 * systems often lack, but a file that is created exclusively, names its holder, and is touched while the holder lives.
 *
 * A lock is left behind by a holder that was killed. On this machine that shows at once (no such process); from another one it
 * shows by its age: no touch for `STALE_MS`, in the file system's own time, whatever the machines' clocks say.
 */
import {
  closeSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { InputError } from './errors';

const TOUCH_MS = 15_000;
const STALE_MS = 600_000;
const ASK_AGAIN_MS = 20;

export interface LockOptions {
  /** How long to wait for another holder. Default: not at all. */
  readonly waitMs?: number;
  /** Ends the waiting, with its `AbortError`. */
  readonly signal?: AbortSignal | undefined;
  /** Called once, before the waiting, with the holder in words. */
  readonly onWait?: (holder: string) => void;
}

/**
 * Runs `work` while holding the lock file `path`.
 * @throws InputError where another process holds it, for longer than may be waited
 */
export async function exclusively<T>(
  path: string,
  work: () => T | Promise<T>,
  { waitMs = 0, signal, onWait }: LockOptions = {},
): Promise<T> {
  mkdirSync(dirname(path), { recursive: true });
  const began = performance.now();
  let told = false;
  for (; !acquire(path); await sleep(ASK_AGAIN_MS, undefined, signal === undefined ? {} : { signal })) {
    const holder = holderOf(path);
    if (holder === undefined) continue; // released meanwhile
    if (holder.dead) {
      takeAway(path, holder.text);
      continue;
    }
    if (performance.now() - began >= waitMs) {
      throw new InputError(
        `another process works here (${holder.words}): wait for it or, where there is none, delete ${path}`,
      );
    }
    if (!told) onWait?.(holder.words);
    told = true;
  }
  const touching = setInterval(() => touch(path), TOUCH_MS).unref();
  try {
    return await work();
  } finally {
    clearInterval(touching);
    rmSync(path, { force: true });
  }
}

function acquire(path: string): boolean {
  try {
    const fd = openSync(path, 'wx');
    writeSync(fd, `${process.pid} on ${hostname()}, ${new Date().toISOString()}`);
    closeSync(fd);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

interface Holder {
  readonly text: string;
  readonly words: string;
  readonly dead: boolean;
}

/** Who holds the lock; undefined where no one does. */
function holderOf(path: string): Holder | undefined {
  let text: string;
  let age: number;
  try {
    text = readFileSync(path, 'utf8');
    age = sinceTouched(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  const [, pid, host] = /^(\d+) on ([^,]*)/.exec(text) ?? [];
  const words = `process ${text}; last sign of life ${Math.round(age / 1000)} s ago`;
  return { text, words, dead: host === hostname() ? !isAlive(Number(pid)) : age > STALE_MS };
}

/** Milliseconds since a file was touched, both times given by the file system. */
function sinceTouched(path: string): number {
  const now = `${path}.${process.pid}.${randomBytes(4).toString('hex')}.tmp`;
  const touched = statSync(path).mtimeMs;
  try {
    closeSync(openSync(now, 'wx'));
    return Math.max(0, statSync(now).mtimeMs - touched);
  } finally {
    rmSync(now, { force: true });
  }
}

/** Removes a dead holder's lock, and no other that came in its place meanwhile. */
function takeAway(path: string, text: string): void {
  const aside = `${path}.${process.pid}.${randomBytes(4).toString('hex')}.tmp`;
  try {
    renameSync(path, aside);
    if (readFileSync(aside, 'utf8') !== text) linkSync(aside, path);
  } catch (error) {
    if (!['ENOENT', 'EEXIST'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  } finally {
    rmSync(aside, { force: true });
  }
}

function touch(path: string): void {
  try {
    // The current time of the file system, not of this machine's clock: writing nothing would not do it everywhere.
    const fd = openSync(path, 'r+');
    const text = readFileSync(fd);
    writeSync(fd, text, 0, text.length, 0);
    closeSync(fd);
  } catch {
    // Deleted by hand, or a file system that is away for a moment: the work is worth more than the lock.
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
