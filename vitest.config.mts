import { existsSync } from 'node:fs';
import { defineConfig } from 'vitest/config';

/** Tests of code that runs on tensors: they run once on every engine that is here. */
const ON_TENSORS = ['ops', 'nn', 'networks', 'flow', 'losses', 'baselines', 'mimic', 'train'];

const torch = (name: string, folders: string[], env: Record<string, string> = {}) => ({
  extends: true as const,
  test: {
    name,
    include: folders.map((folder) => `test/${folder}/**/*.test.ts`),
    // One thread a process: the test files run side by side.
    env: { TEST_ENGINE: 'torch', MIMICSR_THREADS: '1', ...env },
  },
});

export default defineConfig({
  test: {
    pool: 'forks',
    // Worker threads run the sources as the tests do.
    execArgv: ['-r', './bench/register.cjs'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    projects: [
      {
        extends: true,
        test: {
          name: 'wasm',
          include: ['test/**/*.test.ts'],
          env: { TEST_ENGINE: 'wasm', MIMICSR_THREADS: '1' },
        },
      },
      ...(existsSync('native/build/mimicsr_torch.node')
        ? [
            torch('torch', ON_TENSORS),
            // Its loops for any processor, and the way of tensors on a GPU, which no test machine needs to have.
            torch('torch-base', ['ops'], { TEST_LOOPS: 'base' }),
            torch('torch-aten', ['ops'], { TEST_LOOPS: 'none' }),
          ]
        : []),
    ],
  },
});
