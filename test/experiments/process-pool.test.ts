import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { runProcesses, type PooledProcess } from '../../src/experiments/process-pool';

describe('A pool of processes', () => {
  const root = mkdtempSync(join(tmpdir(), 'mimicsr-pool-'));
  afterAll(() => rmSync(root, { recursive: true, force: true }));
  const node = (name: string, code: string): PooledProcess => ({
    name,
    arguments: ['-e', code],
    log: join(root, name, 'log'),
  });

  it('runs all, no more than so many at a time, and reports how each ended', async () => {
    let running = 0;
    let most = 0;
    const ended: Record<string, number | null> = {};
    await runProcesses(
      [0, 1, 2, 3, 4].map((n) => node(`p${n}`, `console.log('said', process.env.WORD); process.exit(${n})`)),
      {
        jobs: 2,
        environment: { WORD: 'it' },
        onStart: () => (most = Math.max(most, ++running)),
        onEnd: ({ name }, code) => {
          running--;
          ended[name] = code;
        },
      },
    );
    expect(most).toBe(2);
    expect(ended).toEqual({ p0: 0, p1: 1, p2: 2, p3: 3, p4: 4 });
    expect(readFileSync(join(root, 'p3', 'log'), 'utf8')).toBe('said it\n');
  });

  it('stops what runs and starts nothing more when it is told to', async () => {
    const stop = new AbortController();
    const ended: [string, number | null][] = [];
    await runProcesses(
      [
        node(
          'first',
          'process.on("SIGTERM", () => process.exit(7)); console.log(1); setInterval(() => 0, 1e6)',
        ),
        node('second', ''),
      ],
      {
        jobs: 1,
        signal: stop.signal,
        onStart: ({ log }) => {
          const poll = setInterval(() => {
            if (readFileSync(log, 'utf8') !== '1\n') return;
            clearInterval(poll);
            stop.abort();
          }, 20);
        },
        onEnd: ({ name }, code) => void ended.push([name, code]),
      },
    );
    expect(ended).toEqual([['first', 7]]);
  });

  it.each(['onStart', 'onEnd', 'launch'] as const)(
    'stops what runs and starts nothing more at an error of its own: %s',
    async (fault) => {
      // A log of its own: logs are appended to, and what the case before printed would say that this one is up.
      const slow = node(
        `slow-${fault}`,
        'process.on("SIGTERM", () => process.exit(7)); console.log(1); setInterval(() => 0, 1e6)',
      );
      const isUp = (): boolean => readFileSync(slow.log, 'utf8').endsWith('1\n');
      const quick = node('quick', '');
      // A folder is where the log is to be.
      const bad = fault === 'launch' ? { ...node('bad', ''), log: root } : node('bad', '');
      const started: string[] = [];
      const ended: [string, number | null][] = [];
      const pool = runProcesses([slow, quick, bad, node('never', '')], {
        jobs: 2,
        onStart: ({ name }) => {
          if (name === 'bad' && fault === 'onStart') throw new Error('broken');
          started.push(name);
        },
        onEnd: async ({ name }, code) => {
          ended.push([name, code]);
          while (name === 'quick' && !isUp()) await sleep(20);
          if (name === 'bad') throw new Error('broken');
        },
      });
      await expect(pool).rejects.toThrow(fault === 'launch' ? /EISDIR/ : 'broken');
      expect(ended.at(-1)).toEqual([slow.name, 7]);
      expect(started).not.toContain('never');
    },
  );
});
