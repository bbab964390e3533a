import { describe, expect, it } from 'vitest';
import { TEST_ENGINE } from '../engines';
import { BUILT } from './child';
import { killsSurvived } from './kills';

describe.skipIf(!BUILT || TEST_ENGINE !== 'wasm')('Kills at random instants (npm run build)', () => {
  it('change nothing of a training with stages before it', async () => {
    const methods = ['pseudo-gt'] as const;
    // An instant can fall behind the end, on a machine that is faster the second time: then another one is drawn.
    let kills = 0;
    for (let seed = 7; kills === 0 && seed < 12; seed++) {
      kills = await killsSurvived({ kills: 2, methods, grid: false, seed });
    }
    expect(kills).toBeGreaterThan(0);
  }, 300_000);
});
