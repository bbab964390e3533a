/**
 * Scoring pictures: any metrics, any number of files, on all cores. One thread works on a picture; a picture that cannot
 * be scored does not stop the others.
 */
import { existsSync, statSync } from 'node:fs';
import { basename, extname, isAbsolute, join } from 'node:path';
import { globSync, isDynamicPattern } from 'tinyglobby';
import workerpool from 'workerpool';
import { threadCount } from '../util/threads';
import { listImages } from '../image/file';
import type { Image } from '../image/image';
import { filesByName } from '../util/by-name';
import { InputError, knownName } from '../util/errors';
import { silentProgress, type ProgressFactory } from '../util/progress';
import { PACKAGE_ROOT } from '../util/versions';
import type { Program } from './grey-plane';
import { PAPER_PROTOCOL, requireCrop, type FullReferenceProtocol } from './metric';
import { checkModels, FULL_REFERENCE, METRIC_NAMES, type MetricName, type MetricSettings } from './metrics';
import { scoreImage, type ScoreJob, type ScoreOutcome } from './score-image';

/** A file, a folder (the pictures directly in it) or a glob pattern; or a picture in memory. */
export type ImageSource = string | Image;

export interface ScoreOptions {
  /**
   * For the metrics that compare: a folder, whose pictures are paired with the images by name (endings, and any of `_HR`,
   * `_SR`, `_LR`, `_LR4`, `_LRBI`, `_x4`, `x4` before them, left out), or one reference an image, in their order.
   */
  readonly reference?: string | readonly ImageSource[];
  /** Of PSNR and SSIM. Default: the paper's, luma and 4 pixels off each side. */
  readonly protocol?: FullReferenceProtocol;
  /** Whose NIQE, NRQM and PI. Default `pyiqa`, which made the paper's scores. */
  readonly program?: Program;
  /** Model files, where they are not to be those in the data root. */
  readonly models?: { readonly niqe?: string; readonly nrqm?: string };
  readonly progress?: ProgressFactory;
}

export type ScoreRow<M extends MetricName> = { readonly image: string } & Readonly<Record<M, number>>;

export interface ScoreTable<M extends MetricName> {
  /** In the order of the images. */
  readonly images: readonly ScoreRow<M>[];
  /** Mean over the images, all alike. */
  readonly mean: Readonly<Record<M, number>>;
  /** Images that could not be scored, and why. */
  readonly failed: readonly { readonly image: string; readonly reason: string }[];
  readonly settings: MetricSettings;
}

/**
 * Scores pictures by some metrics (`METRIC_NAMES`). MIMICSR_THREADS: threads, default all cores.
 * @throws InputError, before any scoring, for an unknown metric, a crop or model that cannot be used, references that are
 * missing, and nothing to score; and if not one image can be scored
 */
export async function score<M extends MetricName>(
  images: ImageSource | readonly ImageSource[],
  wanted: readonly M[],
  options: ScoreOptions = {},
): Promise<ScoreTable<M>> {
  const metrics = [...new Set(wanted)];
  const settings = settingsOf(metrics, options);
  const sources = listSources(isSource(images) ? [images] : images);
  const names = sources.map((source, i) => (typeof source === 'string' ? source : `image ${i + 1}`));
  const comparing = metrics.filter((m) => FULL_REFERENCE.includes(m));
  if (comparing.length > 0 && options.reference === undefined)
    throw new InputError(`no reference given (--reference): expected one for ${comparing.join(', ')}`);
  const references = comparing.length > 0 ? pair(sources, options.reference!) : [];
  checkModels(metrics, settings);
  const jobs = sources.map((image, i): ScoreJob => {
    const reference = references[i];
    return { image, metrics, settings, ...(reference === undefined ? {} : { reference }) };
  });
  const outcomes = await runAll(jobs, names, (options.progress ?? silentProgress)('score', jobs.length));

  const rows: ScoreRow<M>[] = [];
  const failed: { image: string; reason: string }[] = [];
  outcomes.forEach((outcome, i) => {
    const image = names[i];
    if ('failure' in outcome) failed.push({ image, reason: outcome.failure });
    else rows.push({ image, ...record(metrics, (_, k) => outcome.scores[k]) });
  });
  if (rows.length === 0) throw new InputError(failed.map(describe).join('\n'));
  const mean = record(metrics, (m) => rows.reduce((sum, row) => sum + row[m], 0) / rows.length);
  return { images: rows, mean, failed, settings };
}

/** "PATH: why"; a reason that begins with the path stays as it is. */
export function describe({ image, reason }: { image: string; reason: string }): string {
  return reason.includes(image) ? reason : `${image}: ${reason}`;
}

function isSource(images: ImageSource | readonly ImageSource[]): images is ImageSource {
  return !Array.isArray(images);
}

function record<M extends string, V>(keys: readonly M[], value: (key: M, i: number) => V): Record<M, V> {
  return Object.fromEntries(keys.map((key, i) => [key, value(key, i)])) as Record<M, V>;
}

function settingsOf(metrics: readonly string[], options: ScoreOptions): MetricSettings {
  if (metrics.length === 0)
    throw new InputError(`no metric given: expected some of ${METRIC_NAMES.join(', ')}`);
  metrics.forEach((name) => knownName('metric', name, METRIC_NAMES));
  const { protocol = PAPER_PROTOCOL, program = 'pyiqa', models = {} } = options;
  requireCrop(protocol.crop);
  return { protocol, program, models };
}

/** Every file of the sources, each once. */
function listSources(sources: readonly ImageSource[]): ImageSource[] {
  const files = sources.flatMap<ImageSource>((source) =>
    typeof source === 'string' ? listFiles(source) : [source],
  );
  if (files.length === 0) throw new InputError('no image to score');
  return [...new Set(files)];
}

function listFiles(path: string): string[] {
  if (existsSync(path)) return statSync(path).isDirectory() ? listImages(path) : [path];
  if (!isDynamicPattern(path)) throw new InputError(`no file or folder ${path}`);
  const found = globSync(path, { expandDirectories: false, absolute: isAbsolute(path) }).sort();
  if (found.length === 0) throw new InputError(`no file matches ${path}`);
  return found;
}

/** The reference of each image, undefined where there is none. */
function pair(
  images: readonly ImageSource[],
  reference: NonNullable<ScoreOptions['reference']>,
): (ImageSource | undefined)[] {
  if (typeof reference !== 'string') {
    if (reference.length === images.length) return [...reference];
    throw new InputError(`${images.length} images with ${reference.length} references: expected as many`);
  }
  const byName = filesByName(
    listReferences(reference),
    pairName,
    (first, second) => `two references of one name: ${first} and ${second}`,
  );
  const pairs = images.map((image) => (typeof image === 'string' ? byName.get(pairName(image)) : undefined));
  if (pairs.every((path) => path === undefined)) {
    const first = images.find((image) => typeof image === 'string') ?? 'an image without a name';
    throw new InputError(`${reference} holds no picture named as ${first}, nor as any other image`);
  }
  return pairs;
}

/** The pictures in the folder; where HR and LR lie beside each other (NAME_HR, NAME_LR), without the LR. */
function listReferences(folder: string): string[] {
  const all = listImages(folder);
  const pairs = all.some((path) => /_HR$/i.test(stem(path)));
  return pairs ? all.filter((path) => !/_LR\d*$/i.test(stem(path))) : all;
}

/** What a picture and its reference have in common: the name without what published LR and HR and `upscale` put after it. */
function pairName(path: string): string {
  return stem(path).replace(/(?<=.)(_HR|_SR|_LR|_LR4|_LRBI|_?x4)+$/i, '');
}

function stem(path: string): string {
  return basename(path, extname(path));
}

const WORKER = join(PACKAGE_ROOT, 'dist', 'metrics', 'score-worker.js');

/** The outcomes of all jobs, in their order; in this thread where one is enough. */
async function runAll(
  jobs: readonly ScoreJob[],
  names: readonly string[],
  progress: ReturnType<ProgressFactory>,
): Promise<ScoreOutcome[]> {
  const threads = threadCount();
  const workers = Math.min(threads, jobs.length);
  let done = 0;
  const report = (outcome: ScoreOutcome, i: number): ScoreOutcome => {
    progress.update(++done, basename(names[i]));
    return outcome;
  };
  try {
    if (workers === 1) {
      const outcomes: ScoreOutcome[] = [];
      for (const [i, job] of jobs.entries()) outcomes.push(report(await scoreImage(job), i));
      return outcomes;
    }
    // Cores that are not needed for pictures of their own go to the threads within one.
    const env = { ...process.env, MIMICSR_THREADS: String(Math.floor(threads / workers)) };
    const pool = workerpool.pool(WORKER, {
      workerType: 'thread',
      maxWorkers: workers,
      workerThreadOpts: { env },
    });
    try {
      return await Promise.all(
        jobs.map(async (job, i) => report((await pool.exec('scoreImage', [job])) as ScoreOutcome, i)),
      );
    } finally {
      await pool.terminate(true);
    }
  } finally {
    progress.stop();
  }
}
