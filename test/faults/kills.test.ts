import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { PACKAGE_ROOT } from '../../src/util/versions';
import { TEST_ENGINE } from '../engines';
import { killsSurvived } from './kills';

const BUILT = existsSync(join(PACKAGE_ROOT, 'dist', 'cli', 'main.js'));

describe.skipIf(!BUILT || TEST_ENGINE !== 'wasm')('Kills at random instants (npm run build)', () => {
  it('change nothing of a training with stages before it', async () => {
    const methods = ['pseudo-gt'] as const;
    const kills = await killsSurvived({ kills: 3, methods, grid: false, seed: 7 });
    expect(kills).toBeGreaterThan(0);
  }, 300_000);
});
