import { join } from 'node:path';
import { Command } from 'commander';
import { cameraPairs, scenePhotos } from '../data/camera-pairs';
import { datasetPairs, datasetPhotos, hasDataset } from '../data/datasets';
import { imageOf, type PairSet } from '../data/pairs';
import { startEngine } from '../engine/engines';
import { BENCHMARK_SEED } from '../experiments/benchmarks';
import { photographs } from '../experiments/profiles';
import { writeImage } from '../image/file';
import { cropImage, type Image } from '../image/image';
import { busiestSquare, enlargePixels, montage, type Panel } from '../image/montage';
import { imresize } from '../image/resize';
import type { TrainingSettings } from '../train/config';
import { bicubicUpscaler, evaluate, networkUpscaler, scores } from '../train/evaluate';
import { train } from '../train/run';
import type { SrNetwork } from '../networks/sr-network';
import { count, ENGINE_FLAG, number } from './arguments';
import { interruptible, note, print, progress, table } from './output';

const BENCHMARK = 'Set5';

interface Flags {
  readonly iterations: number;
  readonly seed: number;
  readonly out: string;
  readonly engine?: string;
}

/** `mimicsr quickstart`: from nothing to a trained network and a picture to look at. */
export function quickstartCommand(): Command {
  return new Command('quickstart')
    .description(
      'Train SeeMoRe with L1 on aligned simulated pairs, score it against bicubic, write a comparison picture.',
    )
    .option('--iterations <n>', 'updates', count('--iterations'), 300)
    .option('--seed <n>', 'seed', number('--seed'), 42)
    .option('--out <folder>', 'run folder; the same folder again resumes', join('runs', 'quickstart'))
    .option(...ENGINE_FLAG)
    .addHelpText('after', '\nExample:\n  mimicsr quickstart --iterations 1000 --out runs/longer')
    .action(async ({ iterations, seed, out, engine: pinned }: Flags) => {
      const engine = await startEngine(pinned);
      note(`engine ${engine.name}: ${engine.detail}`);
      const photos = photographs();
      const settings: TrainingSettings = {
        network: { name: 'seemore' },
        process: { name: 'l1' },
        data:
          photos === undefined
            ? { kind: 'scenes', preset: 'aligned' }
            : { kind: 'camera', preset: 'aligned', photos },
        recipe: { batch: 8, iterations, seed, checkpointEvery: 50, logEvery: 10 },
      };
      const sets = testSets(); // what is wrong with them is better known before the training
      note(`training on ${photos ?? 'drawn scenes (no photographs found: see mimicsr doctor)'}`);
      const run = await interruptible((signal) => train(out, settings, { progress, signal }));
      if (run.step < iterations) {
        note(`stopped after ${run.step} of ${iterations} iterations; the same command goes on from here`);
        run.network.dispose();
        return;
      }
      await report(run.network, sets, out);
      run.network.dispose();
    });
}

/** Table against bicubic on every test set at hand, and the comparison picture. */
async function report(
  network: SrNetwork,
  sets: Readonly<Record<string, PairSet>>,
  out: string,
): Promise<void> {
  const rows: string[][] = [];
  for (const [name, pairs] of Object.entries(sets)) {
    for (const [method, upscaler] of [
      ['bicubic', bicubicUpscaler],
      ['SeeMoRe', networkUpscaler(network)],
    ] as const) {
      const { mean } = await evaluate(upscaler, pairs, { progress });
      rows.push([
        `${name}: ${method}`,
        mean.psnrY.toFixed(2),
        mean.ssimY.toFixed(4),
        mean.psnrRgb.toFixed(2),
      ]);
    }
  }
  print(table(['x4, crop 4', 'PSNR-Y', 'SSIM-Y', 'PSNR-RGB'], rows));
  const path = join(out, 'comparison.png');
  await writeImage(path, await comparison(network, Object.values(sets)[0], 3));
  print(`\nleft to right: LR, bicubic, SeeMoRe, HR: ${path}`);
}

/** The test pictures through the camera of the training, and the benchmark's own LR (MATLAB bicubic) where it is. */
function testSets(): Record<string, PairSet> {
  if (!hasDataset(BENCHMARK))
    return { 'held-out scenes': cameraPairs(scenePhotos(5, BENCHMARK_SEED), 'aligned', BENCHMARK_SEED) };
  return {
    [`${BENCHMARK}, aligned camera`]: cameraPairs(datasetPhotos(BENCHMARK), 'aligned', BENCHMARK_SEED),
    [`${BENCHMARK}, bicubic LR`]: datasetPairs(BENCHMARK),
  };
}

/** Rows of LR, bicubic, SR and HR at the busiest part of the first `count` pictures, with their PSNR. */
async function comparison(network: SrNetwork, pairs: PairSet, count: number): Promise<Image> {
  const chosen = await Promise.all(
    Array.from({ length: Math.min(count, pairs.size) }, (_, i) => pairs.load(i)),
  );
  const side = Math.min(160, ...chosen.flatMap(({ hr }) => [hr.width, hr.height]));
  const rows: Panel[][] = [];
  for (const pair of chosen) {
    const [lr, hr] = [imageOf(pair.lr), imageOf(pair.hr)];
    const { left, top } = busiestSquare(hr, side);
    const part = (image: Image): Image => cropImage(image, left, top, side, side);
    const panel = (name: string, image: Image): Panel => ({
      image: part(image),
      caption: `${name} ${scores(image, hr, 4).psnrY.toFixed(2)} dB`,
    });
    const sr = await networkUpscaler(network)(lr, pair.name);
    rows.push([
      { image: part(enlargePixels(lr, 4)), caption: `LR, ${pair.name}` },
      panel('bicubic', imresize(lr, 4)),
      panel('SeeMoRe', sr),
      { image: part(hr), caption: 'HR' },
    ]);
  }
  return montage(rows, 2);
}
