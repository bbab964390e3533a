/**
 * Pairs made once from the pairs of another set, and kept as files:
 *
 *   <key>.hr.png, <key>.lr.png   the HR that was made, and the LR that was there
 *   <key>.json                   the pair's name and the SHA-256 of both files, written last
 *
 * The key is the SHA-256 of all that the HR is made from: both pictures, pixel by pixel, and what their maker says of
 * itself. So what is found under a key belongs to it; what has no key of today's pairs is never opened, and what does
 * not have its checksum is made again.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { encodeImage } from '../image/file';
import type { Image } from '../image/image';
import { silentProgress, type ProgressFactory } from '../util/progress';
import { writeFileAtomic } from '../util/write-file';
import { filePairs, imageOf, type Pair, type PairFiles, type PairSet, type Pixels } from './pairs';

export interface PairMaker {
  /** What it makes: "pseudo-GT". */
  readonly what: string;
  /** Everything but the pair that decides what it makes: weights, settings. */
  readonly identity: string;
  /** A new HR of the same size, RGB in [0,1] (stored in 8 bits, clamped). */
  make(pair: Pair): Promise<Image>;
}

export interface MadePairsOptions {
  readonly progress?: ProgressFactory;
  /** Stops after the current pair; what is made stays. */
  readonly signal?: AbortSignal;
}

interface Entry {
  readonly name: string;
  readonly sha256: { readonly hr: string; readonly lr: string };
}

/**
 * The set `pairs` with the HR that `maker` makes of each; those that are in `folder` already are taken from there.
 * @returns undefined where the signal stopped it
 */
export async function madePairs(
  pairs: PairSet,
  folder: string,
  maker: PairMaker,
  { progress = silentProgress, signal }: MadePairsOptions = {},
): Promise<PairSet | undefined> {
  const files: PairFiles[] = [];
  const shown = progress(`make ${maker.what}`, pairs.size);
  try {
    for (let i = 0; i < pairs.size; i++) {
      if (signal?.aborted) return undefined;
      const pair = await pairs.load(i);
      const paths = pathsIn(folder, keyOf(pair, maker.identity));
      const kept = isWhole(paths);
      if (!kept) await store(paths, pair, await maker.make(pair));
      files.push({ name: pair.name, lr: paths.lr, hr: paths.hr });
      shown.update(i + 1, kept ? `${pair.name} is there` : pair.name);
    }
  } finally {
    shown.stop();
  }
  return filePairs(files, `${maker.what} of ${pairs.description}`);
}

function keyOf({ lr, hr }: Pair, identity: string): string {
  const hash = createHash('sha256');
  const add = ({ width, height, data }: Pixels): void => {
    hash.update(`${width}x${height}:`).update(data);
  };
  hash.update(`${identity.length}:${identity}`);
  add(lr);
  add(hr);
  return hash.digest('hex').slice(0, 32);
}

function pathsIn(folder: string, key: string): Record<'hr' | 'lr' | 'entry', string> {
  const path = (ending: string): string => join(folder, `${key}.${ending}`);
  return { hr: path('hr.png'), lr: path('lr.png'), entry: path('json') };
}

/** True where both pictures are there as they were written. */
function isWhole({ hr, lr, entry }: ReturnType<typeof pathsIn>): boolean {
  if (![hr, lr, entry].every((path) => existsSync(path))) return false;
  let found: Partial<Entry>;
  try {
    found = JSON.parse(readFileSync(entry, 'utf8')) as Partial<Entry>;
  } catch {
    return false;
  }
  return found.sha256?.hr === sha256(readFileSync(hr)) && found.sha256.lr === sha256(readFileSync(lr));
}

async function store(paths: ReturnType<typeof pathsIn>, { name, lr }: Pair, made: Image): Promise<void> {
  const [hrFile, lrFile] = [await encodeImage(made), await encodeImage(imageOf(lr))];
  writeFileAtomic(paths.hr, hrFile);
  writeFileAtomic(paths.lr, lrFile);
  const entry: Entry = { name, sha256: { hr: sha256(hrFile), lr: sha256(lrFile) } };
  writeFileAtomic(paths.entry, `${JSON.stringify(entry)}\n`);
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
