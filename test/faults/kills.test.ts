import { describe, expect, it } from 'vitest';
import { TEST_ENGINE } from '../engines';
import { BUILT } from './child';
import { killsSurvived } from './kills';

describe.skipIf(!BUILT || TEST_ENGINE !== 'wasm')('Kills at random instants (npm run build)', () => {
  it('change nothing of a training with stages before it', async () => {
    const methods = ['pseudo-gt'] as const;
    const kills = await killsSurvived({ kills: 2, methods, grid: false, seed: 7 });
    expect(kills).toBeGreaterThan(0);
  }, 300_000);
});
