import { afterEach, describe, expect, it, vi } from 'vitest';
import { startEngine } from '../../src/engine/engines';
import { createNetwork } from '../../src/networks/networks';
import { TEST_ENGINE } from '../engines';

describe('The engine', () => {
  afterEach(() => vi.unstubAllEnvs());

  it('must run before a network has weights: the plain one would take ten times as long, unseen', () => {
    const network = createNetwork('seemore');
    expect(() => network.initialise(1)).toThrow('no engine is running: await startEngine() first');
    expect(() => network.loadStateDict(new Map())).toThrow('no engine is running');
  });

  it('is the one that runs, whatever MIMICSR_ENGINE names, and no second one', async () => {
    const other = TEST_ENGINE === 'cpu' ? 'wasm' : 'cpu';
    const running = await startEngine(TEST_ENGINE);
    vi.stubEnv('MIMICSR_ENGINE', other);
    expect(await startEngine()).toBe(running);
    expect(await startEngine('')).toBe(running);
    await expect(startEngine(other)).rejects.toThrow(
      `engine '${other}' asked for, but '${TEST_ENGINE}' is already running in this process`,
    );
  });
});
