import { describe, expect, it } from 'vitest';
import { mimicsr } from './run';

describe('mimicsr score', () => {
  it.each([
    [
      ['--reference', 'HR', '--metric', 'niqe'],
      '--reference is for psnr, ssim, ciede2000: the metrics are niqe',
    ],
    [
      ['--niqe-model', 'a', '--metric', 'psnr,nrqm'],
      '--niqe-model is for niqe, pi: the metrics are psnr, nrqm',
    ],
    [['--nrqm-model', 'a', '--metric', 'niqe'], '--nrqm-model is for nrqm, pi: the metrics are niqe'],
  ])('refuses flags that would change nothing: %j', async (flags, message) => {
    const { code, out, err } = await mimicsr('score', 'x.png', ...flags);
    expect({ code, out, err }).toEqual({ code: 2, out: '', err: `mimicsr: ${message}\n` });
  });
});
