import { existsSync, mkdtempSync, rmSync } from 'node:fs';
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
/** A test that fails leaves no process behind. */
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
});
