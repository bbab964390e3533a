import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { InputError } from '../../src/util/errors';
import { exclusively } from '../../src/util/exclusive';

const root = mkdtempSync(join(tmpdir(), 'mimicsr-lock-'));
const path = join(root, 'lock');
afterAll(() => rmSync(root, { recursive: true, force: true }));
beforeEach(() => rmSync(path, { force: true }));

/** A process id that is no longer in use. */
const deadPid = (): number => spawnSync(process.execPath, ['-e', '']).pid;
const old = (): void => utimesSync(path, 1e9, 1e9);

describe('A lock', () => {
  it('names its holder while the work goes on, and is gone after it, whatever becomes of it', async () => {
    const result = await exclusively(path, () => {
      expect(readFileSync(path, 'utf8')).toMatch(`${process.pid} on ${hostname()}, 20`);
      return 7;
    });
    expect(result).toBe(7);
    await expect(exclusively(path, () => Promise.reject(new Error('work')))).rejects.toThrow('work');
    expect(readdirSync(root)).toEqual([]);
  });

  it('lets one in at a time', async () => {
    let inside = 0;
    const worst: number[] = [];
    const work = async (): Promise<void> => {
      worst.push(++inside);
      await sleep(5);
      inside--;
    };
    await Promise.all(Array.from({ length: 8 }, () => exclusively(path, work, { waitMs: Infinity })));
    expect(worst).toEqual(Array(8).fill(1));
  });

  it('refuses a second one with the holder and its age', async () => {
    await exclusively(path, async () => {
      const second = exclusively(path, () => 0);
      await expect(second).rejects.toThrow(InputError);
      await expect(exclusively(path, () => 0, { waitMs: 30 })).rejects.toThrow(
        new RegExp(`process ${process.pid} on .*; last sign of life \\d+ s ago.*delete .*lock`),
      );
    });
  });

  it('of a killed process is taken over, by one of several that find it', async () => {
    const script = `require('node:fs').writeFileSync(${JSON.stringify(path)}, process.pid + ' on ' + require('node:os').hostname() + ', now'); setInterval(() => 0, 1000);`;
    const child = spawn(process.execPath, ['-e', script]);
    while (!existsSync(path) || readFileSync(path, 'utf8') === '') await sleep(10);
    await expect(exclusively(path, () => 0)).rejects.toThrow(`process ${child.pid}`);
    child.kill('SIGKILL');
    await once(child, 'exit');
    let inside = 0;
    const work = async (): Promise<void> => {
      expect(++inside).toBe(1);
      await sleep(5);
      inside--;
    };
    await Promise.all(Array.from({ length: 4 }, () => exclusively(path, work, { waitMs: 10_000 })));
  });

  it('of another machine is taken over when it was not touched for long, and not before', async () => {
    writeFileSync(path, `${deadPid()} on elsewhere, now`);
    await expect(exclusively(path, () => 0, { watchMs: 0 })).rejects.toThrow('on elsewhere');
    old();
    expect(await exclusively(path, () => 3, { watchMs: 0 })).toBe(3);
  });

  it.each([
    ['forward, so that a touched lock seems old', 1e9],
    ['backward, so that it seems to be of the future', 4e9],
  ])("of another machine that lives is respected when the file system's clock jumped %s", async (_, time) => {
    writeFileSync(path, `${deadPid()} on elsewhere, now`);
    let touches = 0;
    const living = setInterval(() => utimesSync(path, time, time + touches++), 10);
    try {
      const second = exclusively(path, () => 0, {
        watchMs: 300,
        waitMs: 600,
        signal: AbortSignal.timeout(1000),
      });
      await expect(second).rejects.toThrow(/on elsewhere|aborted/);
      expect(readFileSync(path, 'utf8')).toMatch('on elsewhere');
    } finally {
      clearInterval(living);
    }
  });

  it('of a holder that was killed before it wrote its name is taken over', async () => {
    writeFileSync(path, '');
    expect(await exclusively(path, () => 4)).toBe(4);
  });

  it.skipIf(!existsSync('/proc/self/stat'))(
    'of a process whose number another one has now is taken over; one of another container is not',
    async () => {
      const birth = await exclusively(path, () => readFileSync(path, 'utf8').split(', ')[2]);
      const [ticks, place] = birth.split(' ');
      const name = (birth: string): string => `${process.pid} on ${hostname()}, now, ${birth}`;
      writeFileSync(path, name(`${Number(ticks) - 1} ${place}`));
      expect(await exclusively(path, () => 5)).toBe(5);
      for (const living of [birth, `${ticks} elsewhere`, `${Number(ticks) - 1} elsewhere`]) {
        writeFileSync(path, name(living));
        await expect(exclusively(path, () => 0)).rejects.toThrow(`process ${process.pid}`);
      }
    },
  );

  it('that was lost to another one is not removed at the end', async () => {
    const other = `${process.ppid} on ${hostname()}, now`;
    await exclusively(path, () => writeFileSync(path, other));
    expect(readFileSync(path, 'utf8')).toBe(other);
  });

  it('of a living process on this machine is respected however old it is', async () => {
    writeFileSync(path, `${process.ppid} on ${hostname()}, now`);
    old();
    await expect(exclusively(path, () => 0)).rejects.toThrow(`process ${process.ppid}`);
  });

  it('is waited for until the signal', async () => {
    writeFileSync(path, `${process.ppid} on ${hostname()}, now`);
    const stop = new AbortController();
    const told: string[] = [];
    const waiting = exclusively(path, () => 0, {
      waitMs: Infinity,
      signal: stop.signal,
      onWait: (holder) => told.push(holder),
    });
    setTimeout(() => stop.abort(), 60);
    await expect(waiting).rejects.toMatchObject({ name: 'AbortError' });
    expect(told).toHaveLength(1);
  });
});
