import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { PACKAGE_ROOT } from '../../src/util/versions';

it('every package that is installed may be used', () => {
  const script = join(PACKAGE_ROOT, 'scripts', 'licences.cjs');
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, '--all'], { encoding: 'utf8' });
  expect(stderr).toBe('');
  expect(status).toBe(0);
  expect(stdout).toMatch(/^MIT +zod \d/m);
});
