import { spawnSync } from 'node:child_process';

/** A Python that can import PyTorch, or undefined: tests that compare with PyTorch are then skipped. */
export const PYTHON: string | undefined = ['python3', '/usr/bin/python3'].find(
  (python) => spawnSync(python, ['-c', 'import torch']).status === 0,
);

/** Reason shown where a test is skipped. */
export const NO_PYTHON = 'skipped without a Python that has PyTorch';

/** Runs a Python program; its standard output. `args` arrive as sys.argv[1:]. */
export function runPython(program: string, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(PYTHON!, ['-c', program, ...args], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`Python failed: ${stderr}`);
  return stdout;
}
