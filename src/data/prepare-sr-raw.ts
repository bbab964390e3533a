/**
 * SR-RAW (Zhang et al., CVPR 2019) as x4 pairs of developed photographs: of each zoom sequence `{split}/{sequence}` the
 * three pairs of focal lengths four apart, LR <- HR: 00007 <- 00003 (24 and 100 mm), 00006 <- 00002 (35, 150), 00005 <-
 * 00001 (50, 240); see photo-pair.ts. Written as `{split}/{input,gt}/{sequence}_{k}.png`, the layout of the official
 * option files, k the LR's number.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { focalLength } from '../image/exif';
import { readImage, writeImage } from '../image/file';
import { InputError } from '../util/errors';
import { silentProgress } from '../util/progress';
import { matchTemplate } from './layout';
import { pairOfPhotos } from './photo-pair';
import { filesBelow, writeReport, type Prepared, type PreparedPair, type PrepareOptions } from './prepared';
import type { Motion } from './registration';

const PHOTO = '{split}/{sequence}/{k}.JPG';
const PAIRS = [
  ['00007', '00003'],
  ['00006', '00002'],
  ['00005', '00001'],
] as const;

export interface SrRawOptions extends PrepareOptions {
  /** `affine`, the default, is what the authors' source does; the paper says `euclidean`. */
  readonly motion?: Motion;
}

/**
 * Photographs that cannot be made a pair (missing, without EXIF, not to be registered) are left out and reported.
 * @param source the set's folder, with train and test in it
 * @throws InputError for another layout
 */
export async function prepareSrRaw(
  source: string,
  out: string,
  options: SrRawOptions = {},
): Promise<Prepared> {
  const { motion = 'affine', signal, log = () => undefined } = options;
  const paths = filesBelow(source);
  const sequences = new Set([...matchTemplate(PHOTO, paths).values()].map((p) => `${p.split}/${p.sequence}`));
  if (sequences.size === 0) {
    throw new InputError(
      `${source} is not laid out as SR-RAW: expected ${PHOTO}, found ${paths.slice(0, 10).join(', ') || 'nothing'}`,
    );
  }
  const progress = (options.progress ?? silentProgress)('prepare SR-RAW', sequences.size * PAIRS.length);
  const pairs: PreparedPair[] = [];
  const refused: string[] = [];
  try {
    for (const sequence of sequences) {
      for (const [lr, hr] of PAIRS) {
        if (signal?.aborted) break;
        const [split, number] = sequence.split('/');
        const name = `${number}_${lr}`;
        const photo = (k: string): string => join(source, sequence, `${k}.JPG`);
        try {
          const pair = await pairOf(photo(lr), photo(hr), motion, `${split}/${name}`);
          await writeImage(join(out, split, 'input', `${name}.png`), pair.lr);
          await writeImage(join(out, split, 'gt', `${name}.png`), pair.hr);
          pairs.push({ set: split, name, change: 'registered', before: pair.before, after: pair.after });
        } catch (error) {
          if (!(error instanceof InputError)) throw error;
          refused.push(error.message);
          log(`left out: ${error.message}`);
        }
        progress.update(pairs.length + refused.length, `${split}/${name}`);
      }
    }
  } finally {
    progress.stop();
  }
  return writeReport(out, { source, pairs, refused });
}

async function pairOf(
  short: string,
  long: string,
  motion: Motion,
  name: string,
): ReturnType<typeof pairOfPhotos> {
  for (const path of [short, long])
    if (!existsSync(path)) throw new InputError(`${name}: ${path} is missing`);
  const [f, g] = [await focalLength(short), await focalLength(long)];
  if (f.equivalent !== g.equivalent) {
    throw new InputError(
      `${name}: one of its photographs states its focal length as a 35 mm equivalent, the other does not`,
    );
  }
  return pairOfPhotos(await readImage(short), await readImage(long), g.mm / f.mm, motion, name);
}
