/** Engines whose packages are installed but broken: looking for them says so, and the next best one starts. */
import * as fs from 'node:fs';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { startEngine } from '../../src/engine/engines';
import { torchEngine } from '../../src/engine/torch';
import { webgpuEngine } from '../../src/engine/webgpu';

const broken = vi.hoisted(() => ({ webgpu: (): unknown => ({}), record: '{"libtorch": "1.' }));

vi.mock('../../src/util/optional-package', async (original) => ({
  ...(await original<object>()),
  isInstalled: (request: string) => /webgpu/.test(request),
  loadPackage: () => broken.webgpu(),
}));
vi.mock('node:fs', async (original) => {
  const real = await original<typeof fs>();
  const isRecord = (file: unknown): boolean => String(file).endsWith('mimicsr_torch.json');
  const isAddon = (file: unknown): boolean => String(file).endsWith('mimicsr_torch.node');
  return {
    ...real,
    existsSync: (file: string) => isRecord(file) || isAddon(file) || real.existsSync(file),
    readFileSync: (file: string, ...rest: never[]) =>
      isRecord(file) ? broken.record : real.readFileSync(file, ...rest),
  };
});

describe('an engine that is installed but broken', () => {
  afterEach(() => vi.unstubAllEnvs());

  it.each([
    { what: 'does not load', load: () => { throw new Error('no such symbol'); } }, // prettier-ignore
    { what: 'has no GPU', load: () => ({ create: () => ({ requestAdapter: () => Promise.reject(new Error('no such symbol')) }) }) }, // prettier-ignore
  ])('webgpu that $what is not available, with the reason', async ({ load }) => {
    broken.webgpu = load;
    const { available, detail } = await webgpuEngine.probe();
    expect({ available, detail }).toEqual({
      available: false,
      detail: 'webgpu does not load (no such symbol): npm install webgpu again',
    });
  });

  it('torch whose record of the build is cut short is not available, with the reason', async () => {
    const { available, detail } = await torchEngine.probe();
    expect(available).toBe(false);
    expect(detail).toMatch(/does not load \(.*JSON.*\): .*npm run build:torch/);
  });

  it('keeps no other from starting', async () => {
    broken.webgpu = () => {
      throw new Error('no such symbol');
    };
    vi.stubEnv('MIMICSR_ENGINE', '');
    expect(fs.existsSync('native/wasm/build/kernels.wasm')).toBe(true);
    expect((await startEngine()).name).toBe('wasm');
  });
});
