/** Figures 6 to 8: the same crop of a picture as every row of a grid upscales it, side by side with LR and HR. */
import { imageOf } from '../data/pairs';
import { cropImage, type Image } from '../image/image';
import { busiestSquare, enlargePixels, inRows, montage, type Panel } from '../image/montage';
import { PAPER_PROTOCOL } from '../metrics/metric';
import { scores } from '../train/evaluate';
import { benchmarkPairs, type Benchmark } from './benchmarks';
import type { Grid } from './grid';
import type { Folders } from './known-results';
import { firstSeeds, planGrid, runLabels, sameBenchmark, type PlannedRun } from './plan';
import { trainedUpscaler } from './runner';

const SIDE = 128;
/** Pictures beside each other, at most. */
const COLUMNS = 8;

export interface CropOptions {
  /** Which pictures of the benchmark. Default: the first and the third (Set5: baby, butterfly). */
  readonly pictures?: readonly number[];
  /** Side of the crop, HR pixels; less where a picture is smaller. */
  readonly side?: number;
  /** Every pixel becomes zoom x zoom. */
  readonly zoom?: number;
}

/**
 * A picture and SR network after the other, cut where the picture has most detail. Rows of the grid without weights here are left
 * out; the first seed counts.
 * An engine must be running.
 */
export async function cropGrid(
  grid: Grid,
  benchmark: Benchmark,
  folders: Folders,
  { pictures = [0, 2], side = SIDE, zoom = 2 }: CropOptions = {},
): Promise<Image> {
  const shown = runsOn(grid, benchmark).flatMap((run) => {
    const found = trainedUpscaler(run, folders);
    return found === undefined ? [] : [{ run, ...found }];
  });
  const labelOf = runLabels(shown.map(({ run }) => run));
  const networks = [...new Set(shown.map(({ run }) => run.network))].filter((network) => network !== '');
  try {
    const pairs = benchmarkPairs(benchmark);
    const chosen = await Promise.all(pictures.filter((i) => i < pairs.size).map((i) => pairs.load(i)));
    // All crops have one size: the smallest picture's, where it is smaller than they are to be.
    const size = Math.min(side, ...chosen.flatMap(({ hr }) => [hr.width, hr.height]));
    const rows: Panel[][] = [];
    for (const pair of chosen) {
      const [lr, hr] = [imageOf(pair.lr), imageOf(pair.hr)];
      const { left, top } = busiestSquare(hr, size);
      const crop = (image: Image): Image => cropImage(image, left, top, size, size);
      for (const network of networks) {
        const panels: Panel[] = [{ image: crop(enlargePixels(lr, 4)), caption: `LR, ${pair.name}` }];
        for (const { run, upscaler } of shown.filter(
          (s) => s.run.network === network || s.run.network === '',
        )) {
          const sr = await upscaler(lr, pair.name);
          const score =
            benchmark.kind === 'full-reference'
              ? ` ${scores(sr, hr, PAPER_PROTOCOL.crop).psnrY.toFixed(2)} dB`
              : '';
          panels.push({ image: crop(sr), caption: `${labelOf(run)}${score}` });
        }
        rows.push(...inRows([...panels, { image: crop(hr), caption: 'HR' }], COLUMNS));
      }
    }
    return await montage(rows, zoom);
  } finally {
    for (const { dispose } of shown) dispose();
  }
}

/** The trainings that a grid scores on a benchmark, of each the first seed. */
export function runsOn(grid: Grid, benchmark: Benchmark): PlannedRun[] {
  const scored = planGrid(grid).filter(({ benchmarks }) =>
    benchmarks.some((candidate) => sameBenchmark(candidate, benchmark)),
  );
  return firstSeeds(scored);
}
