import { vi } from 'vitest';
import { main } from '../../src/cli/main';

/** Runs a command line in this process. */
export async function mimicsr(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const texts = { out: '', err: '' };
  const take = (stream: 'out' | 'err') => (chunk: unknown) => ((texts[stream] += String(chunk)), true);
  const spies = [
    vi.spyOn(process.stdout, 'write').mockImplementation(take('out')),
    vi.spyOn(process.stderr, 'write').mockImplementation(take('err')),
  ];
  process.exitCode = 0;
  try {
    await main(['node', 'mimicsr', ...args]);
    return { code: Number(process.exitCode), ...texts };
  } finally {
    process.exitCode = 0;
    spies.forEach((spy) => spy.mockRestore());
  }
}
