import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { MimicSettings } from '../../src/mimic/config';
import { MimicModule } from '../../src/mimic/module';
import { loadMimicModule } from '../../src/mimic/trained-module';
import type { TrainingSettings } from '../../src/train/config';
import { readRunConfig, train } from '../../src/train/run';
import { InputError } from '../../src/util/errors';
import { runFiles } from '../../src/util/run-files';
import { writePyTorch } from '../../src/weights/pytorch-write';
import { readSafetensors } from '../../src/weights/safetensors';
import { float32Tensor } from '../../src/weights/tensor-file';
import { leavesNoTensors, startTestEngine, TEST_ENGINE } from '../engines';

/** Needs no weights. */
const LIGHT: MimicSettings = { flow: 'none', mask: false, colour: 'cielab', lambda: 0.1 };

describe(`A mimicking module trained first, then frozen, on ${TEST_ENGINE}`, () => {
  const root = mkdtempSync(join(tmpdir(), 'mimicsr-frozen-'));
  const folder = (name: string): string => join(root, name);
  const settings = (options: MimicSettings, iterations = 2): TrainingSettings => ({
    network: { name: 'seemore' },
    process: { name: 'mimic', options },
    data: { kind: 'scenes', preset: 'srraw-like', count: 1 },
    recipe: { patch: 16, batch: 1, iterations, checkpointEvery: 1, logEvery: 1 },
  });
  const run = async (name: string, options: MimicSettings, iterations?: number): Promise<void> =>
    (await train(folder(name), settings(options, iterations))).network.dispose();
  const helper = (name: string): Map<string, unknown> =>
    readSafetensors(runFiles(folder(name)).helper).tensors;
  const FROZEN: MimicSettings = { ...LIGHT, phase: 'frozen', module: folder('module') };

  beforeAll(async () => {
    await startTestEngine();
    await run('module', { ...LIGHT, phase: 'module' });
  });
  afterAll(() => rmSync(root, { recursive: true, force: true }));

  it('a run keeps the trained module with what it was trained with', async () => {
    await leavesNoTensors(async () => {
      const { module, config, file } = loadMimicModule(folder('module'));
      expect(file).toBe(runFiles(folder('module')).helper);
      expect(config).toMatchObject({ ...LIGHT, phase: 'module' });
      const fresh = new MimicModule().initialise(42);
      const [a, b] = [await module.stateDict(), await fresh.stateDict()];
      expect([...a.keys()]).toEqual([...b.keys()]);
      expect(a.get('tail.weight')!.data).not.toEqual(b.get('tail.weight')!.data);
      module.dispose();
      fresh.dispose();
    });
  });

  it('a frozen run trains the SR network alone and carries the module along', async () => {
    await leavesNoTensors(() => run('frozen', FROZEN));
    expect(helper('frozen')).toEqual(helper('module'));
    const { tensors } = readSafetensors(runFiles(folder('frozen')).checkpoint);
    const keys = [...tensors.keys()];
    expect(keys.some((key) => key.startsWith('sr.adam/'))).toBe(true);
    expect(keys.some((key) => key.startsWith('helper.adam/'))).toBe(false);
  });

  it.each(['another', 'gone'])(
    'a resumed frozen run goes on with the module that it began with, where its source is %s',
    async (now) => {
      const source = folder('given.safetensors');
      copyFileSync(runFiles(folder('module')).helper, source);
      const given = { ...FROZEN, module: source };
      const whole = readSafetensors(runFiles(folder('frozen')).weights).tensors;
      const stop = new AbortController();
      const part = await train(folder(now), settings(given), {
        signal: stop.signal,
        onStep: () => stop.abort(),
      });
      expect(part.step).toBe(1);
      part.network.dispose();
      if (now === 'another') {
        await run('other', { ...LIGHT, phase: 'module' }, 1);
        copyFileSync(runFiles(folder('other')).helper, source);
      } else rmSync(source);
      await run(now, given);
      expect(readSafetensors(runFiles(folder(now)).weights).tensors).toEqual(whole);
      expect(readRunConfig(runFiles(folder(now)).config).process).toMatchObject({ options: given });
    },
  );

  it('official weights say nothing of their training and are taken as they are', async () => {
    const fresh = new MimicModule().initialise(3);
    const state = [...(await fresh.stateDict())].map(
      ([key, { shape, data }]) => [key, float32Tensor(shape, data)] as const,
    );
    fresh.dispose();
    writePyTorch(folder('net_mim.pth'), new Map(state), 'params');
    const { module, config } = loadMimicModule(folder('net_mim.pth'));
    module.dispose();
    expect(config).toBeUndefined();
  });

  it('refuses what is no such module, saying what it is', async () => {
    await leavesNoTensors(async () => {
      const refuses = (options: MimicSettings, message: RegExp): Promise<void> =>
        expect(run('refused', { ...FROZEN, ...options })).rejects.toThrow(message);
      await refuses({ noise: false }, /'noise': .*helper\.safetensors was trained with true, found false/);
      await refuses({ corrections: { grid: true } }, /'corrections\.grid': .*trained with false, found true/);
      await refuses({ module: folder('nowhere') }, /no run folder or weights file .*nowhere/);
      await refuses({ module: root }, /no run here: .*config\.json is missing/);
      await refuses({ module: runFiles(folder('module')).weights }, /does not fit MimicModule/);
      writeFileSync(folder('text'), 'hello');
      await refuses({ module: folder('text') }, /text: expected a safetensors file or a PyTorch checkpoint/);
      expect(() => loadMimicModule(folder('nowhere'))).toThrow(InputError);
    });
  });
});
