/**
 * npm run bench:loader: how fast the loader makes batches of 32 pairs (LR 32x32, HR 128x128, with noise images and their
 * JPEG), and how long training waits for it. Photographs of the dataset BSDS500-train through the simulated camera, or
 * drawn scenes where it is not there. MIMICSR_ENGINE and MIMICSR_THREADS choose the engine.
 *
 * "pairs/s of CPU time" is what one core makes, whatever else the machine does meanwhile.
 */
import { l1Process } from '../src/baselines/l1';
import { cameraPairs, filePhotos, scenePhotos } from '../src/data/camera-pairs';
import { loaderThreads, PairLoader, type PatchBatch } from '../src/data/loader';
import type { PairSet } from '../src/data/pairs';
import { datasetPhotos, hasDataset } from '../src/data/datasets';
import { startEngine } from '../src/engine/engines';
import { createNetwork } from '../src/networks/networks';
import { recipe } from '../src/train/config';
import { processTrainer } from '../src/train/trainer';
import { threadCount } from '../src/util/threads';

const BATCH = 32;
const STEPS = 30;
const LOADER = { patch: 32, batch: BATCH, seed: 1 };

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

const cpuSeconds = (): number => (process.cpuUsage().user + process.cpuUsage().system) / 1e6;

/** Batches as fast as they come, once every pair is decoded. */
async function rate(pairs: PairSet, workers: number, noise?: 'released' | 'repaired'): Promise<void> {
  const loader = new PairLoader(pairs, { ...LOADER, workers, ...(noise === undefined ? {} : { noise }) });
  const warm = Math.ceil(pairs.size / BATCH) + 4;
  for (let step = 1; step <= warm; step++) await loader.batch(step);
  const [start, cpu] = [performance.now(), cpuSeconds()];
  for (let step = warm + 1; step <= warm + STEPS; step++) await loader.batch(step);
  const [wall, used] = [(performance.now() - start) / 1000, cpuSeconds() - cpu];
  await loader.close();
  const made = BATCH * STEPS;
  print(
    `${workers} threads, ${noise ?? 'no'} noise: ${(made / wall).toFixed(0)} pairs/s, ${(made / used).toFixed(0)} pairs/s of CPU time`,
  );
}

/** SeeMoRe's training steps, and the share of their time in which the batch was not there. */
async function waiting(pairs: PairSet, workers: number): Promise<void> {
  const loader = new PairLoader(pairs, { ...LOADER, workers, noise: 'released' });
  let waited = 0;
  const timed = {
    async batch(step: number): Promise<PatchBatch> {
      const start = performance.now();
      const batch = await loader.batch(step);
      waited += performance.now() - start;
      return batch;
    },
  };
  const network = createNetwork('seemore').initialise(1);
  const trainer = processTrainer(network, l1Process(), timed, recipe({ batch: BATCH }));
  const warm = Math.ceil(pairs.size / BATCH) + 4;
  for (let step = 1; step <= warm; step++) await trainer.step(step);
  waited = 0;
  const start = performance.now();
  for (let step = warm + 1; step <= warm + STEPS; step++) await trainer.step(step);
  const total = performance.now() - start;
  await loader.close();
  trainer.dispose();
  network.dispose();
  print(
    `training, ${workers} threads: ${(total / STEPS).toFixed(0)} ms a step, ${((100 * waited) / total).toFixed(2)} % of it waiting`,
  );
}

async function main(): Promise<void> {
  const set = ['BSDS500:train', 'BSDS500-train'].find(hasDataset);
  const files = set === undefined ? [] : datasetPhotos(set).files.slice(0, 64);
  const photos = files.length === 0 ? scenePhotos(64, 1) : filePhotos(files, `${files.length} photographs`);
  const pairs = cameraPairs(photos, 'realsr-like', 1);
  const engine = await startEngine();
  print(`${pairs.description}; ${threadCount()} CPU threads`);
  for (const workers of new Set([0, loaderThreads(), threadCount()])) {
    for (const noise of [undefined, 'released', 'repaired'] as const) await rate(pairs, workers, noise);
  }
  print(`SeeMoRe on ${engine.name}: ${engine.detail}`);
  for (const workers of new Set([0, Math.max(1, loaderThreads())])) await waiting(pairs, workers);
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
  process.exitCode = 1;
});
