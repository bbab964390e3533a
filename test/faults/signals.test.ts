import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { runFiles } from '../../src/util/run-files';
import { readSafetensors } from '../../src/weights/safetensors';
import { TEST_ENGINE } from '../engines';
import { BUILT, startMimicsr, type Child } from './child';

const root = mkdtempSync(join(tmpdir(), 'mimicsr-signals-'));
afterAll(() => rmSync(root, { recursive: true, force: true, maxRetries: 5 }));

let started: Child[] = [];
const start = (args: readonly string[]): Child => {
  const child = startMimicsr(args);
  started.push(child);
  return child;
};
/** A test that fails leaves no process behind: a grid that is told to stop stops its runs. */
afterEach(async () => {
  for (const child of started) child.process.kill('SIGTERM');
  await Promise.all(started.map(({ end }) => end));
  started = [];
}, 60_000);

async function until(claim: () => boolean, { process: child, output }: Child): Promise<void> {
  for (; !claim(); await sleep(20)) {
    if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}:\n${output()}`);
  }
}

const TRAIN =
  'train --photos scenes --camera aligned --iterations 1000000 --batch 1 --patch 16 --checkpoint-every 5 --out';

describe.skipIf(!BUILT || TEST_ENGINE !== 'wasm')('A signal (npm run build)', () => {
  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('%s ends a training with a checkpoint and code %d', async (signal, code) => {
    const folder = join(root, signal);
    const { log, checkpoint, lock, weights } = runFiles(folder);
    const child = start([...TRAIN.split(' '), folder]);
    await until(() => existsSync(weights), child);
    child.process.kill(signal);
    expect(await child.end).toBe(code);
    expect(child.output()).toMatch(
      /stopping after this iteration, with a checkpoint[^]*the same command goes on/,
    );
    const { step } = readSafetensors(checkpoint).metadata;
    expect(child.output()).toContain(`${step} of 1000000 iterations`);
    expect(readSafetensors(weights).metadata.step).toBe(step);
    expect(existsSync(lock)).toBe(false);
    expect(existsSync(log)).toBe(true);
  });

  it('ends a grid, and the processes of its runs, with checkpoints; one that waits for another ends too', async () => {
    const [runs, out] = [join(root, 'runs'), join(root, 'out')];
    const grid = 'reproduce table1 --profile smoke --networks seemore --processes l1 --iterations 1000000';
    const startGrid = (jobs: number): Child =>
      start([...grid.split(' '), '--jobs', String(jobs), '--runs', runs, '--out', out]);
    const first = startGrid(2);
    const lockOf = (name: string): string => runFiles(join(runs, name)).lock;
    let id = '';
    await until(() => {
      id = /^(\S+) begins: .*$/m.exec(first.output().replace(/^bicubic begins.*$/m, ''))?.[1] ?? '';
      return id !== '' && existsSync(lockOf(id));
    }, first);
    const second = startGrid(1);
    await until(() => /run \d of \d: \S+l1/.test(second.output()), second);
    const holder = parseInt(readFileSync(lockOf(id), 'utf8'), 10);
    second.process.kill('SIGTERM');
    expect(await second.end).toBe(143);
    expect(existsSync(lockOf(id))).toBe(true);
    first.process.kill('SIGINT');
    expect(await first.end).toBe(130);
    expect(existsSync(lockOf(id))).toBe(false);
    expect(() => process.kill(holder, 0)).toThrow('ESRCH');
    expect(existsSync(runFiles(join(runs, id)).checkpoint)).toBe(true);
  }, 300_000);

  it('does not come from output that nobody reads any more: a training goes on', async () => {
    const folder = join(root, 'unread');
    const child = start([...TRAIN.replace('1000000', '3').split(' '), folder]);
    child.process.stdout!.destroy();
    child.process.stderr!.destroy();
    expect(await child.end).toBe(0);
    expect(readSafetensors(runFiles(folder).weights).metadata.step).toBe('3');
  });
});
