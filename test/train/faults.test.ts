/** What goes wrong around a training: the message says what, and what was reached is still there. */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Worker } from 'node:worker_threads';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { TrainingSettings } from '../../src/train/config';
import { runFiles, train, type FinishedRun, type RunOptions } from '../../src/train/run';
import type { StepReport } from '../../src/train/trainer';
import { InputError } from '../../src/util/errors';
import { readSafetensors } from '../../src/weights/safetensors';
import { leavesNoTensors, startTestEngine, TEST_ENGINE } from '../engines';

const SETTINGS: TrainingSettings = {
  network: { name: 'seemore' },
  process: { name: 'l1' },
  data: { kind: 'scenes', preset: 'aligned', count: 2 },
  recipe: { patch: 16, batch: 1, iterations: 6, checkpointEvery: 2, logEvery: 1, seed: 1 },
};
const ROOT = process.getuid?.() === 0;

const root = mkdtempSync(join(tmpdir(), 'mimicsr-run-faults-'));
const folderOf = (name: string): string => join(root, name);

/** A small file system of its own, where this user may mount one. */
const small = folderOf('small');
mkdirSync(small);
const mount = (...args: string[]): boolean => ROOT && spawnSync('mount', args).status === 0;
const mounted = mount('-t', 'tmpfs', '-o', 'size=8m', 'mimicsr-faults', small);
const UNMOUNTED = mounted ? '' : ' (skipped: this user cannot mount a small file system)';
const remount = (how: 'ro' | 'rw'): boolean => mount('-o', `remount,${how},size=8m`, small);

async function run(folder: string, options: RunOptions = {}): Promise<Omit<FinishedRun, 'network'>> {
  const { network, ...rest } = await train(folder, SETTINGS, options);
  network.dispose();
  return rest;
}

const stepOf = (folder: string): string => readSafetensors(runFiles(folder).checkpoint).metadata.step;
const weightsOf = (folder: string): unknown => readSafetensors(runFiles(folder).weights).tensors;
const logOf = (folder: string): (StepReport & { readonly seconds: number })[] =>
  readFileSync(runFiles(folder).log, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as never);

describe(`A training on ${TEST_ENGINE}`, () => {
  const calm = folderOf('calm');
  beforeAll(async () => {
    await startTestEngine();
    await run(calm);
  });
  afterEach(() => vi.useRealTimers());
  afterAll(() => {
    if (mounted) spawnSync('umount', [small]);
    rmSync(root, { recursive: true, force: true });
  });
  /** The folder holds a finished run with the weights of the undisturbed one, and nothing else. */
  const isCalm = (folder: string): void => {
    expect(readdirSync(folder).sort()).toEqual(readdirSync(calm).sort());
    expect(weightsOf(folder)).toEqual(weightsOf(calm));
    expect(logOf(folder).map((l) => l.step)).toEqual(logOf(calm).map((l) => l.step));
  };

  it.skipIf(!mounted)(
    `on a full disk keeps its last checkpoint, and goes on when there is space${UNMOUNTED}`,
    async () => {
      const folder = join(small, 'run');
      const ballast = join(small, 'ballast');
      const fill = ({ step }: StepReport): void => {
        if (step === 3) writeFileSync(ballast, Buffer.alloc(2_500_000));
      };
      const full = leavesNoTensors(() => run(folder, { onStep: fill }));
      await expect(full).rejects.toThrow(InputError);
      await expect(run(folder)).rejects.toThrow(
        /^cannot write .*checkpoint.safetensors: no space left on the device$/,
      );
      expect(stepOf(folder)).toBe('2');
      expect(readdirSync(folder).filter((name) => /tmp|lock/.test(name))).toEqual([]);
      rmSync(ballast);
      await run(folder);
      isCalm(folder);
    },
  );

  it.skipIf(ROOT && !mounted)(
    `in a read-only folder says so, and leaves it as it was${ROOT ? UNMOUNTED : ''}`,
    async () => {
      const folder = ROOT ? join(small, 'locked') : folderOf('locked');
      rmSync(join(small, 'run'), { recursive: true, force: true });
      await run(folder, { signal: AbortSignal.abort() });
      const before = readdirSync(folder);
      if (ROOT) remount('ro');
      else chmodSync(folder, 0o500);
      try {
        await expect(run(folder)).rejects.toThrow(
          /^cannot write .*lock: (the file system is read-only|permission denied)$/,
        );
      } finally {
        if (ROOT) remount('rw');
        else chmodSync(folder, 0o700);
      }
      expect(readdirSync(folder)).toEqual(before);
      await run(folder);
      isCalm(folder);
    },
  );

  it.each<[string, (folder: string) => string]>([
    ['its checkpoint is', (folder) => runFiles(folder).checkpoint],
    ['its record is', (folder) => runFiles(folder).config],
    ['its folder is', (folder) => folder],
  ])('goes on when %s deleted underneath, and can be resumed', async (_, path) => {
    const folder = folderOf('deleted');
    rmSync(folder, { recursive: true, force: true });
    const stop = new AbortController();
    await run(folder, {
      signal: stop.signal,
      onStep: ({ step }) => {
        if (step === 3) rmSync(path(folder), { recursive: true });
        if (step === 5) stop.abort();
      },
    });
    expect(stepOf(folder)).toBe('5');
    await run(folder);
    isCalm(folder);
  });

  it('does not begin again in silence where the checkpoint of a run is gone', async () => {
    const folder = folderOf('gone');
    await run(folder);
    rmSync(runFiles(folder).checkpoint);
    await expect(leavesNoTensors(() => run(folder))).rejects.toThrow(/checkpoint.safetensors is gone/);
    expect(weightsOf(folder)).toEqual(weightsOf(calm));
  });

  it('refuses a checkpoint that was cut off, and leaves it', async () => {
    const folder = folderOf('cut');
    await run(folder);
    const { checkpoint } = runFiles(folder);
    truncateSync(checkpoint, 1000);
    await expect(run(folder)).rejects.toThrow(checkpoint);
    expect(readFileSync(checkpoint)).toHaveLength(1000);
  });

  it('refuses a folder in which one is at work, with the process and its age', async () => {
    const folder = folderOf('two');
    const seconds: Promise<unknown>[] = [];
    await run(folder, {
      onStep: ({ step }) => {
        if (step === 1) seconds.push(run(folder).catch((error: unknown) => error));
      },
    });
    const [error] = await Promise.all(seconds);
    expect(error).toBeInstanceOf(InputError);
    expect((error as Error).message).toMatch(
      new RegExp(`process ${process.pid} on .*, since 2.*; last sign of life \\d+ s ago.*delete .*lock`),
    );
    isCalm(folder);
  });

  it('waits for the one that is at work where it may, and finds everything done', async () => {
    const folder = folderOf('waiting');
    const done: number[] = [];
    const onStep = ({ step }: StepReport): void => void done.push(step);
    await Promise.all([run(folder, { onStep }), run(folder, { onStep, waitMs: Infinity })]);
    expect(done).toEqual([1, 2, 3, 4, 5, 6]);
    isCalm(folder);
  });

  it('removes what killed ones left half written', async () => {
    const folder = folderOf('litter');
    await run(folder, { signal: AbortSignal.abort() });
    writeFileSync(join(folder, 'checkpoint.safetensors.123.0123abcd.tmp'), 'half');
    await run(folder);
    isCalm(folder);
  });

  it.each([-3_600_000, 3_600_000])('measures time right while the clock jumps by %d ms', async (jump) => {
    const folder = folderOf(`jump${jump}`);
    vi.useFakeTimers({ toFake: ['Date'] });
    const began = performance.now();
    const { secondsPerStep } = await run(folder, { onStep: () => void vi.setSystemTime(Date.now() + jump) });
    const took = (performance.now() - began) / 1000;
    const seconds = logOf(folder).map((l) => l.seconds);
    expect(seconds).toEqual([...seconds].sort((a, b) => a - b));
    expect(seconds.at(-1)).toBeLessThan(took);
    expect(secondsPerStep).toBeGreaterThan(0);
    expect(secondsPerStep).toBeLessThan(took);
    isCalm(folder);
  });

  it('ends with a message when a loader thread dies, and goes on from its last checkpoint', async () => {
    const folder = folderOf('thread');
    const workers: Worker[] = [];
    const seen = (worker: Worker): void => void workers.push(worker);
    process.on('worker', seen);
    const crash = run(folder, {
      workers: 2,
      onStep: async ({ step }) => {
        if (step === 3) await workers[0].terminate();
      },
    });
    await expect(crash).rejects.toThrow(/^a loader thread failed.*it ended with code/);
    process.off('worker', seen);
    expect(stepOf(folder)).toBe('2');
    expect(existsSync(runFiles(folder).lock)).toBe(false);
    await run(folder, { workers: 2 });
    isCalm(folder);
  });
});
