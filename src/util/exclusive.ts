/**
 * Work that only one process may do at a time, also on a file system that several machines share: no flock, which such file
 * systems often lack, but a file that is created exclusively, names its holder, and is touched every 15 s while the holder
 * lives.
 *
 * A lock is left behind by a holder that was killed. On this machine that shows at once: no process has its number, or one
 * that began at another time. From another machine (or container, whose processes cannot be seen either) it shows when the
 * lock was not touched for 10 min in the file system's own time, nor while it was watched for 40 s more by this machine's
 * steady clock: so no clock that jumps makes a living holder look dead.
 */
import {
  closeSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  readlinkSync,
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
import { cannotWrite } from './system-errors';

const TOUCH_MS = 15_000;
const STALE_MS = 600_000;
/** A holder writes its name at once: a lock without one is of a process that was killed in between. */
const NAMELESS_MS = 1000;
const ASK_AGAIN_MS = { first: 20, most: 2000 };

export interface LockOptions {
  /** How long to wait for another holder. Default: not at all. */
  readonly waitMs?: number;
  /** Ends the waiting, with its `AbortError`. */
  readonly signal?: AbortSignal | undefined;
  /** Called once, before the waiting, with the holder in words. */
  readonly onWait?: (holder: string) => void;
  /** How long another machine's lock that looks abandoned is watched for a sign of life. Default: 40 s. */
  readonly watchMs?: number;
}

/**
 * Runs `work` while holding the lock file `path`.
 * @throws InputError where another process holds it, for longer than may be waited, or where the file cannot be written
 */
export async function exclusively<T>(
  path: string,
  work: () => T | Promise<T>,
  { waitMs = 0, signal, onWait, watchMs = 40_000 }: LockOptions = {},
): Promise<T> {
  const name = `${process.pid} on ${hostname()}, ${new Date().toISOString()}, ${birthOf('self')}`;
  const began = performance.now();
  let watched = { mark: '', since: began };
  let told = false;
  let pause = ASK_AGAIN_MS.first;
  for (; !acquire(path, name); await sleep(pause, undefined, signal === undefined ? {} : { signal })) {
    const holder = holderOf(path, watchMs);
    if (holder === undefined) continue; // released meanwhile
    const now = performance.now();
    if (holder.mark !== watched.mark) watched = { mark: holder.mark, since: now };
    if (now - watched.since >= holder.deadAfter) {
      takeAway(path, holder.text);
      continue;
    }
    if (holder.deadAfter === Infinity && now - began >= waitMs) {
      throw new InputError(
        `another process works here (${holder.words}): wait for it or, where there is none, delete ${path}`,
      );
    }
    if (!told) onWait?.(holder.words);
    told = true;
    pause = Math.min(2 * pause, ASK_AGAIN_MS.most);
  }
  const touching = setInterval(() => touch(path, name), TOUCH_MS).unref();
  try {
    return await work();
  } finally {
    clearInterval(touching);
    takeAway(path, name);
  }
}

/** Whether an error says that a signal ended the waiting. */
export function isAbort(error: unknown, signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true && error instanceof Error && error.name === 'AbortError';
}

/** @returns whether the lock is this holder's now */
function acquire(path: string, name: string): boolean {
  try {
    mkdirSync(dirname(path), { recursive: true });
    const fd = openSync(path, 'wx');
    try {
      writeSync(fd, name);
    } catch (error) {
      rmSync(path, { force: true });
      throw error;
    } finally {
      closeSync(fd);
    }
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw cannotWrite(path, error);
  }
}

interface Holder {
  readonly text: string;
  readonly words: string;
  /** Changes with every sign of life. */
  readonly mark: string;
  /** After how many milliseconds without a sign of life it is dead. */
  readonly deadAfter: number;
}

/** Who holds the lock; undefined where no one does. */
function holderOf(path: string, watchMs: number): Holder | undefined {
  try {
    const text = readFileSync(path, 'utf8');
    const touched = statSync(path).mtimeMs;
    const age = Math.max(0, fileSystemTime(path) - touched);
    const [, pid, host, birth] = /^(\d+) on ([^,]*), [^,]*(?:, (.*))?$/.exec(text) ?? [];
    const words = `process ${text.split(',', 2).join(', since')}; last sign of life ${Math.round(age / 1000)} s ago`;
    const here = host === hostname() && (birth === undefined || placeOf(birth) === placeOf(birthOf('self')));
    let deadAfter = Infinity;
    if (text === '') deadAfter = NAMELESS_MS;
    else if (here) deadAfter = isAlive(Number(pid), birth) ? Infinity : 0;
    else if (age > STALE_MS) deadAfter = watchMs;
    return { text, words, mark: `${touched} ${text}`, deadAfter };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw cannotWrite(path, error);
  }
}

/** The time by which a file beside `path` would be touched now, milliseconds. */
function fileSystemTime(path: string): number {
  const file = besides(path);
  try {
    closeSync(openSync(file, 'wx'));
    return statSync(file).mtimeMs;
  } finally {
    rmSync(file, { force: true });
  }
}

/** Removes the lock of the holder that wrote `text`, and no other that came in its place meanwhile. */
function takeAway(path: string, text: string): void {
  const aside = besides(path);
  try {
    if (readFileSync(path, 'utf8') !== text) return;
    renameSync(path, aside);
    if (readFileSync(aside, 'utf8') !== text) linkSync(aside, path);
  } catch (error) {
    if (!['ENOENT', 'EEXIST'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  } finally {
    rmSync(aside, { force: true });
  }
}

const besides = (path: string): string => `${path}.${process.pid}.${randomBytes(4).toString('hex')}`;

/** A sign of life of the holder `name`; a lock that was deleted by hand is there again. */
function touch(path: string, name: string): void {
  try {
    // The current time of the file system, not of this machine's clock: writing nothing would not do it everywhere.
    const fd = openSync(path, 'r+');
    try {
      if (readFileSync(fd, 'utf8') === name) writeSync(fd, name, 0);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    try {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') acquire(path, name);
    } catch {
      // Its folder is gone, or the file system is away for a moment: the work is worth more than the lock.
    }
  }
}

/**
 * What sets a process apart from others that have, had or will have its number: "TICKS PLACE", when it began, since the
 * machine did, and where its number holds (the container). Empty where the system has no /proc.
 */
function birthOf(pid: number | 'self'): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' '); // from the third on
    return fields[0] === 'Z' ? 'ended' : `${fields[19]} ${readlinkSync('/proc/self/ns/pid')}`;
  } catch {
    return '';
  }
}

const placeOf = (birth: string): string => birth.split(' ')[1] ?? '';

function isAlive(pid: number, birth: string | undefined): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  const now = birthOf(pid);
  return birth === undefined || now === '' || now === birth;
}
