import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { filePairs } from '../../src/data/pairs';
import { createNetwork } from '../../src/networks/networks';
import { saveWeights } from '../../src/train/checkpoint';
import { bicubicUpscaler, evaluate } from '../../src/train/evaluate';
import { train } from '../../src/train/run';
import { loadNetwork } from '../../src/train/trained-network';
import { startTestEngine } from '../engines';

const root = mkdtempSync(join(tmpdir(), 'mimicsr-trained-network-'));
const run = join(root, 'run');
const weights = join(root, 'mine.safetensors');

describe('A trained network', () => {
  beforeAll(async () => {
    await startTestEngine();
    const { network } = await train(run, {
      network: { name: 'seemore' },
      process: { name: 'l1' },
      data: { kind: 'scenes', preset: 'aligned', count: 1 },
      recipe: { iterations: 1, batch: 1, patch: 24 },
    });
    saveWeights(weights, await network.stateDict());
    network.dispose();
  });
  afterAll(() => rmSync(root, { recursive: true, force: true }));

  it('is the same out of its run and out of a weights file', async () => {
    const networks = [loadNetwork(run), loadNetwork(weights, 'seemore')];
    const [a, b] = await Promise.all(networks.map((network) => network.fingerprint()));
    expect(a).toBe(b);
    const fresh = createNetwork('seemore').initialise(0);
    expect(await fresh.fingerprint()).not.toBe(a);
    for (const network of [...networks, fresh]) network.dispose();
  });

  it.each([
    [[weights], /mine\.safetensors is no run folder: of weights say the network, one of rrdbnet, swinir/],
    [[weights, 'dat'], /mine\.safetensors does not fit --network dat/],
    [[weights, 'edsr'], /unknown network 'edsr'/],
    [[root], /no run here/],
    [[run, 'dat'], /run is a run folder, which knows its network/],
  ] as const)('is refused where it cannot be told or found: %j', (source, message) => {
    expect(() => loadNetwork(...(source as [string]))).toThrow(message);
  });
});

describe('An evaluation', () => {
  it('needs pairs', async () => {
    await expect(evaluate(bicubicUpscaler, filePairs([], 'an empty set'))).rejects.toThrow(
      'an empty set: there is nothing to evaluate on',
    );
  });
});
