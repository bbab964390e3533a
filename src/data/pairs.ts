/**
 * LR/HR pairs for training and testing: what a set of pairs is, and sets made of image files.
 *
 * Pictures are kept as 8-bit RGB, as the official training reads them; a quarter of the memory of floats.
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, extname, join } from 'node:path';
import { listImages, readImage } from '../image/file';
import { cropImage, type Image } from '../image/image';
import { fromIntegers, toUint8 } from '../image/quantise';
import { filesByName } from '../util/by-name';
import { InputError } from '../util/errors';
import type { CameraPresetName } from './camera-presets';

/** 8-bit RGB, row-major, channels last. */
export interface Pixels {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

export interface Pair {
  readonly name: string;
  readonly lr: Pixels;
  /** Exactly `scale` times the LR's size. */
  readonly hr: Pixels;
}

export interface PairSet {
  /** What the set is, for run records: "real pairs in ...", "aligned camera on 199 photographs". */
  readonly description: string;
  readonly size: number;
  /** The pair at `index`; the same pair at every call. */
  load(index: number): Promise<Pair>;
  /** SHA-256 over everything that the pairs are made from. */
  fingerprint(): string;
  /**
   * The set as plain data, from which loader threads open it again. Absent: its pairs are loaded in this thread alone. Who
   * makes a set of another with a `load` of its own leaves it out.
   */
  readonly source?: PairSource;
}

export interface PairFiles {
  readonly name: string;
  readonly lr: string;
  readonly hr: string;
}

/** Plain data that names a set; `reopenPairs` (pair-source.ts) opens it. */
export type PairSource =
  | { readonly kind: 'files'; readonly files: readonly PairFiles[]; readonly description: string }
  | {
      readonly kind: 'camera';
      readonly photos: PhotosSource;
      readonly preset: CameraPresetName;
      readonly seed: number;
      readonly misalignment?: number;
    }
  | {
      readonly kind: 'misaligned';
      readonly pairs: PairSource;
      readonly preset: CameraPresetName;
    };

/** Plain data that names pictures: files, or drawn scenes. */
export type PhotosSource =
  | { readonly kind: 'files'; readonly files: readonly string[]; readonly description: string }
  | { readonly kind: 'scenes'; readonly count: number; readonly seed: number };

export function pixelsOf(image: Image): Pixels {
  return { width: image.width, height: image.height, data: toUint8(image) };
}

export function imageOf({ width, height, data }: Pixels): Image {
  return fromIntegers(data, width, height, 3);
}

/**
 * The pairs in a folder. Known layouts: `NAME_HR.png` beside `NAME_LR.png` (Set5 and others as SelfExSR gives them,
 * also one folder down as `image_SRF_4`), or the subfolders `HR` and `LR` (or hr, GT, gt; lr, LQ, lq, input) with files of equal name,
 * where the LR's may end in `x4`.
 * @throws InputError for an unknown layout, for pictures without a partner (the first ten are named), and for two of one name
 */
export function pairFiles(folder: string): PairFiles[] {
  if (!existsSync(folder) || !statSync(folder).isDirectory()) throw new InputError(`no folder ${folder}`);
  const nested = join(folder, 'image_SRF_4');
  if (existsSync(nested)) return pairFiles(nested);
  const entries = readdirSync(folder);
  const hrFolder = ['HR', 'hr', 'GT', 'gt'].find((n) => entries.includes(n));
  const lrFolder = ['LR', 'lr', 'LQ', 'lq', 'input'].find((n) => entries.includes(n));
  if (hrFolder !== undefined && lrFolder !== undefined) {
    const unscaled = (stem: string): string => stem.replace(/x4$/, '');
    return pairUp(folder, byName(join(folder, hrFolder), unscaled), byName(join(folder, lrFolder), unscaled));
  }
  const suffixed = (suffix: string): Map<string, string> =>
    byName(folder, (stem) => (stem.endsWith(suffix) ? stem.slice(0, -suffix.length) : undefined));
  const [hr, lr] = [suffixed('_HR'), suffixed('_LR')];
  if (hr.size === 0 && lr.size === 0) {
    throw new InputError(
      `${folder} holds no LR/HR pairs: expected NAME_HR and NAME_LR files, or subfolders HR and LR (or GT and LQ), ` +
        `found ${entries.length === 0 ? 'nothing' : entries.slice(0, 5).join(', ')}`,
    );
  }
  return pairUp(folder, hr, lr);
}

/**
 * The folder's picture files by name.
 * @param nameOf the name of a file, given without its ending; undefined leaves the file out
 * @throws InputError for two files of one name
 */
function byName(folder: string, nameOf: (stem: string) => string | undefined): Map<string, string> {
  return filesByName(
    listImages(folder),
    (path) => nameOf(basename(path, extname(path))),
    (first, second, name) =>
      `${folder}: ${basename(first)} and ${basename(second)} are both '${name}': expected one picture a name`,
  );
}

/**
 * HR and LR files with equal keys as pairs, named by them.
 * @throws InputError for files without a partner (the first ten are named)
 */
export function pairUp(
  folder: string,
  hr: ReadonlyMap<string, string>,
  lr: ReadonlyMap<string, string>,
): PairFiles[] {
  const alone = [
    ...[...hr].filter(([name]) => !lr.has(name)).map(([, path]) => `${basename(path)} has no LR`),
    ...[...lr].filter(([name]) => !hr.has(name)).map(([, path]) => `${basename(path)} has no HR`),
  ];
  if (alone.length > 0) {
    const more = alone.length > 10 ? ` and ${alone.length - 10} more` : '';
    throw new InputError(`${folder}: pictures without a partner: ${alone.slice(0, 10).join(', ')}${more}`);
  }
  return [...hr].map(([name, path]) => ({ name, hr: path, lr: lr.get(name)! }));
}

/**
 * Reads one pair. HR pictures of the published benchmarks have up to `scale` - 1 rows and columns more than `scale` times
 * their LR: those at the bottom and right are left out, as in the common evaluation code.
 * @throws InputError if a file cannot be read or the HR is otherwise not `scale` times the LR
 */
export async function readPair(files: PairFiles, scale = 4): Promise<Pair> {
  const [lr, hr] = [await readImage(files.lr), await readImage(files.hr)];
  const [width, height] = [scale * lr.width, scale * lr.height];
  const [right, bottom] = [hr.width - width, hr.height - height];
  if (Math.min(right, bottom) < 0 || Math.max(right, bottom) >= scale) {
    throw new InputError(
      `${files.hr} is ${hr.width}x${hr.height}: expected ${scale} times its LR, ${width}x${height} ` +
        `(${files.lr} is ${lr.width}x${lr.height})`,
    );
  }
  return { name: files.name, lr: pixelsOf(lr), hr: pixelsOf(cropImage(hr, 0, 0, width, height)) };
}

/** These pairs. */
export function filePairs(files: readonly PairFiles[], description: string): PairSet {
  return {
    description,
    size: files.length,
    load: (index) => readPair(files[index]),
    fingerprint: () => fingerprintOf(files.flatMap((f) => [f.lr, f.hr])),
    source: { kind: 'files', files, description },
  };
}

/** SHA-256 over names and contents of files. */
export function fingerprintOf(paths: readonly string[], ...settings: readonly unknown[]): string {
  const hash = createHash('sha256').update(JSON.stringify(settings));
  for (const path of paths) hash.update(basename(path)).update(readFileSync(path));
  return hash.digest('hex');
}
