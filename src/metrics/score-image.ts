/** All scores of one picture: the unit of work that `score` hands to a thread. */
import { readImage } from '../image/file';
import type { Image } from '../image/image';
import { InputError } from '../util/errors';
import type { Metric } from './metric';
import { createMetric, FULL_REFERENCE, type MetricName, type MetricSettings } from './metrics';

export interface ScoreJob {
  /** A file's path, or a picture: RGB in [0,1], or one channel of grey. */
  readonly image: string | Image;
  /** What the full-reference metrics compare with. */
  readonly reference?: string | Image;
  readonly metrics: readonly MetricName[];
  readonly settings: MetricSettings;
}

/** Scores in the order of the job's metrics, or why the picture has none. */
export type ScoreOutcome = { readonly scores: readonly number[] } | { readonly failure: string };

/** Metrics keep their models: made once a thread. */
const made = new Map<string, Metric>();

/** A picture that cannot be scored is an outcome, not an exception: errors lose their class between threads. */
export async function scoreImage(job: ScoreJob): Promise<ScoreOutcome> {
  try {
    const image = await open(job.image);
    const compares = job.metrics.some((name) => FULL_REFERENCE.includes(name));
    const reference = compares && job.reference !== undefined ? await open(job.reference) : undefined;
    const scores: number[] = [];
    for (const name of job.metrics) scores.push(await metric(name, job.settings).score(image, reference));
    return { scores };
  } catch (error) {
    if (error instanceof InputError) return { failure: error.message };
    throw error;
  }
}

async function open(image: string | Image): Promise<Image> {
  return typeof image === 'string' ? readImage(image) : image;
}

function metric(name: MetricName, settings: MetricSettings): Metric {
  const key = JSON.stringify([name, settings]);
  let found = made.get(key);
  if (found === undefined) made.set(key, (found = createMetric(name, settings)));
  return found;
}
