import { describe, expect, it } from 'vitest';
import { scoreBenchmark, type Benchmark } from '../../src/experiments/benchmarks';
import { imresize } from '../../src/image/resize';
import { bicubicUpscaler, type Upscaler } from '../../src/train/evaluate';

describe('Scores on a benchmark', () => {
  const scenes: Benchmark = { name: 'scenes', kind: 'full-reference', lr: 'bicubic', pictures: 1 };
  const inTilesOf = (tile: number): Upscaler =>
    Object.assign<Upscaler, object>((lr) => Promise.resolve(imresize(lr, 4)), { tile });
  const protocols = async (upscaler: Upscaler, benchmark: Benchmark): Promise<string[]> =>
    (await scoreBenchmark(upscaler, benchmark)).map(({ protocol }) => protocol);

  it('say that pictures were done in tiles where one was, and else nothing of tiles', async () => {
    const whole = ['luma, crop 4', 'luma, crop 4', 'RGB, crop 4', 'RGB, crop 4'];
    expect(await protocols(bicubicUpscaler, scenes)).toEqual(whole);
    expect(await protocols(inTilesOf(512), scenes)).toEqual(whole);
    expect(await protocols(inTilesOf(64), scenes)).toEqual(whole.map((text) => `${text}, tile 64`));
    const unreferenced: Benchmark = { ...scenes, kind: 'no-reference', lr: 'aligned' };
    for (const protocol of await protocols(inTilesOf(64), unreferenced))
      expect(protocol).toBe('pyiqa, tile 64');
  });
});
