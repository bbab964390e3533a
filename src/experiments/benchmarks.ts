/**
 * What networks are scored on. With reference: a benchmark's own LR (MATLAB bicubic, the paper's Tables 1 and 2), or its HR
 * pictures photographed by a camera that is held still, whose blur, noise and JPEG are those of a training on that camera.
 * Without reference (Table 3): the LR pictures of real pairs, or of the camera as it takes them.
 */
import { cameraPairs, scenePhotos, type CameraPresetName, type PhotoSource } from '../data/camera-pairs';
import { datasetPairs, datasetPhotos } from '../data/datasets';
import { imageOf, pixelsOf, type PairSet } from '../data/pairs';
import { imresize } from '../image/resize';
import { PAPER_PROTOCOL } from '../metrics/metric';
import { createMetric, requireModels, type MetricSettings } from '../metrics/metrics';
import { evaluate, MEASURES, type Upscaler } from '../train/evaluate';
import { unlessInputError } from '../util/errors';
import { silentProgress, type ProgressFactory } from '../util/progress';
import type { ScoreMetric } from './store';

export interface Benchmark {
  /** A dataset's name, or "scenes" for drawn ones. */
  readonly name: string;
  readonly kind: 'full-reference' | 'no-reference';
  /** Which LR: the benchmark's own bicubic one, that of a camera, or that of real pairs. */
  readonly lr: 'bicubic' | 'real' | CameraPresetName;
  /** Only the first so many pictures. */
  readonly pictures?: number;
}

export interface Score {
  readonly metric: ScoreMetric;
  readonly protocol: string;
  readonly value: number;
  readonly images: number;
}

/** Benchmark pictures are photographed, and scenes drawn, with this seed; trainings use small ones. */
export const BENCHMARK_SEED = 1_000_003;
const SCENES = 5;
const CROP = PAPER_PROTOCOL.crop;

export const NO_REFERENCE_METRICS = ['niqe', 'nrqm', 'pi'] as const;

const SETTINGS: MetricSettings = { protocol: PAPER_PROTOCOL, program: 'pyiqa', models: {} };

/** "Set5", "Set5 (srraw-like LR)", "BSD100, at most 20 pictures". */
export function benchmarkTitle({ name, lr, pictures }: Benchmark): string {
  const set = pictures === undefined ? name : `${name}, at most ${pictures} pictures`;
  return lr === 'bicubic' || lr === 'real' ? set : `${set} (${lr} LR)`;
}

/** How many pictures it has; undefined where the data set is not here, or cannot be read. */
export function benchmarkSize(benchmark: Benchmark): number | undefined {
  return unlessInputError(() => benchmarkPairs(benchmark).size);
}

/** The metrics that a benchmark can be scored by here: those without reference need models, which may not be at hand. */
export function metricsOf({ kind }: Benchmark): readonly ScoreMetric[] {
  return kind === 'full-reference' ? MEASURES : unreferencedMetrics();
}

function unreferencedMetrics(): (typeof NO_REFERENCE_METRICS)[number][] {
  return NO_REFERENCE_METRICS.filter(hasModel);
}

/** Whether what a metric without reference needs to be computed is here. */
export function hasModel(metric: (typeof NO_REFERENCE_METRICS)[number]): boolean {
  const found = unlessInputError(() => {
    requireModels([metric], SETTINGS);
    return true;
  });
  return found ?? false;
}

/** @throws InputError where the dataset is not here */
export function benchmarkPairs(benchmark: Benchmark): PairSet {
  const all = allPairs(benchmark);
  return { ...all, size: Math.min(all.size, benchmark.pictures ?? all.size) };
}

function allPairs({ name, kind, lr }: Benchmark): PairSet {
  const drawn = name === 'scenes' ? scenePhotos(SCENES, BENCHMARK_SEED) : undefined;
  if (lr === 'real') return datasetPairs(name);
  if (lr === 'bicubic') return drawn === undefined ? datasetPairs(name) : bicubicPairs(drawn);
  return cameraPairs(drawn ?? datasetPhotos(name), lr, BENCHMARK_SEED, {
    view: kind === 'full-reference' ? 'aligned' : 'lr',
  });
}

/** Each picture with its LR by MATLAB's bicubic. */
function bicubicPairs(photos: PhotoSource): PairSet {
  return {
    description: `bicubic LR of ${photos.description}`,
    size: photos.size,
    async load(index) {
      const { name, image } = await photos.load(index);
      return { name, hr: pixelsOf(image), lr: pixelsOf(imresize(image, 1 / 4)) };
    },
    fingerprint: () => `bicubic LR of ${photos.description}, seed ${photos.seed}`,
  };
}

/**
 * Mean scores of an upscaler over a benchmark, by every metric that it can be scored by here. The protocol says of tiles where
 * a picture was too large to be done in one piece.
 */
export async function scoreBenchmark(
  upscaler: Upscaler,
  benchmark: Benchmark,
  options: { readonly progress?: ProgressFactory; readonly signal?: AbortSignal } = {},
): Promise<Score[]> {
  const { tile = Infinity } = upscaler;
  let tiled = false;
  const watched: Upscaler = (lr, label) => {
    tiled ||= Math.max(lr.width, lr.height) > tile;
    return upscaler(lr, label);
  };
  const score = benchmark.kind === 'full-reference' ? scoreReferenced : scoreUnreferenced;
  const scores = await score(watched, benchmarkPairs(benchmark), options);
  return tiled ? scores.map((s) => ({ ...s, protocol: `${s.protocol}, tile ${tile}` })) : scores;
}

async function scoreReferenced(
  upscaler: Upscaler,
  pairs: PairSet,
  { progress }: { readonly progress?: ProgressFactory },
): Promise<Score[]> {
  const { mean, images } = await evaluate(upscaler, pairs, { progress, crop: CROP });
  return MEASURES.map((metric) => ({
    metric,
    protocol: `${metric.endsWith('Y') ? 'luma' : 'RGB'}, crop ${CROP}`,
    value: mean[metric],
    images: images.length,
  }));
}

async function scoreUnreferenced(
  upscaler: Upscaler,
  pairs: PairSet,
  { progress = silentProgress }: { readonly progress?: ProgressFactory },
): Promise<Score[]> {
  const names = unreferencedMetrics();
  const metrics = names.map((name) => createMetric(name, SETTINGS));
  const sums = names.map(() => 0);
  const bar = progress(`score ${pairs.description}`, pairs.size);
  try {
    for (let i = 0; i < pairs.size; i++) {
      const pair = await pairs.load(i);
      const sr = await upscaler(imageOf(pair.lr), pair.name);
      for (const [k, metric] of metrics.entries()) sums[k] += await metric.score(sr);
      bar.update(i + 1, pair.name);
    }
  } finally {
    bar.stop();
  }
  return names.map((metric, k) => ({
    metric,
    protocol: SETTINGS.program,
    value: sums[k] / pairs.size,
    images: pairs.size,
  }));
}
