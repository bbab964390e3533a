/**
 * Putting data in its place: a set's folder is built beside it, from archives or from another folder, and renamed when
 * it is whole; with it goes a SHA256SUMS, in the form of the command of that name.
 */
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream, existsSync, mkdirSync } from 'node:fs';
import { renameSync, rmSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { InputError } from '../util/errors';
import { silentProgress, type ProgressFactory } from '../util/progress';
import { writeFileAtomic } from '../util/write-file';
import { ArchiveError, listArchive, unpack, type ArchiveFile, type UnpackedFile } from './archive';
import { seenBy, StreamDigests } from './checksums';
import { freeBytes, SPARE_BYTES } from './download';
import { checkLayout, filesIn } from './layout';
import type { Archive, SetManifest } from './manifests';
import { bytesText } from './sizes';

export const SUMS = 'SHA256SUMS';

export interface InstallOptions {
  readonly signal?: AbortSignal;
  readonly progress?: ProgressFactory;
  readonly freeBytes?: (folder: string) => number;
}

export interface InstalledSet {
  readonly files: number;
  readonly bytes: number;
  /** SHA-256 of its SHA256SUMS. */
  readonly sums: string;
  /** What differs from the manifest's counts. */
  readonly notes: readonly string[];
}

/** Which part of an archive is the set, and where in the set's folder it goes. */
export type ArchivePart = Pick<Archive, 'from' | 'to'>;

/** Files on their way to a set's folder: the place of each there by its path where it is now. */
interface Portion {
  readonly from: string;
  readonly targets: ReadonlyMap<string, string>;
  readonly bytes: number;
}

/**
 * The folder of a set from its archives. Nothing is written before all lists have been checked.
 * @param archives where each lies, with the part of it that is the set
 * @throws InputError for an archive that is damaged, unsafe or laid out otherwise, and for a disk that is too small
 */
export async function installArchives(
  set: SetManifest,
  folder: string,
  archives: readonly { readonly path: string; readonly part: ArchivePart }[],
  options: InstallOptions = {},
): Promise<InstalledSet> {
  const portions: Portion[] = [];
  for (const { path, part } of archives) {
    portions.push(portion(path, await listArchive(path, undefined, options.signal), part));
  }
  return install(set, folder, portions, unpack, options);
}

/** The folder of a set from a folder that holds it, at its root or further down. */
export async function installFolder(
  set: SetManifest,
  folder: string,
  from: string,
  options: InstallOptions = {},
): Promise<InstalledSet> {
  const files = filesIn(from).map((path) => ({ path, bytes: statSync(join(from, path)).size }));
  return install(set, folder, [portion(from, files, { from: set.archives[0]?.from })], copyFiles, options);
}

/** Those below the wanted folder, which may lie anywhere; where there is no such folder, all. */
function portion(from: string, files: readonly ArchiveFile[], { from: wanted, to }: ArchivePart): Portion {
  const root = wanted === undefined ? '' : (rootNamed(wanted, files) ?? '');
  const targets = new Map<string, string>();
  let bytes = 0;
  for (const file of files) {
    if (!file.path.startsWith(root) || basename(file.path) === SUMS) continue;
    if (file.special) throw new ArchiveError(from, `${from}: ${file.path} is a link or a device, not a file`);
    const inside = file.path.slice(root.length);
    targets.set(file.path, to === undefined ? inside : `${to}/${inside}`);
    bytes += file.bytes;
  }
  return { from, targets, bytes };
}

/** "benchmark/Set5/" for the wanted "Set5": the least deep such folder. */
function rootNamed(wanted: string, files: readonly ArchiveFile[]): string | undefined {
  const roots = files.flatMap(({ path }) => {
    const at = `/${path}`.indexOf(`/${wanted}/`);
    return at < 0 ? [] : [path.slice(0, at + wanted.length + 1)];
  });
  return roots.sort((a, b) => a.length - b.length)[0];
}

type Transport = (
  from: string,
  folder: string,
  targets: ReadonlyMap<string, string>,
  onFile: (file: UnpackedFile) => void,
  signal?: AbortSignal,
) => Promise<void>;

async function install(
  set: SetManifest,
  folder: string,
  portions: readonly Portion[],
  transport: Transport,
  options: InstallOptions,
): Promise<InstalledSet> {
  const where = portions.map((p) => p.from).join(', ');
  const targets = portions.flatMap((p) => [...p.targets.values()]);
  if (new Set(targets).size < targets.length) throw new InputError(`${where}: hold the same files`);
  const notes = checkLayout(set, targets.sort(), where);
  const bytes = portions.reduce((sum, p) => sum + p.bytes, 0);
  mkdirSync(dirname(folder), { recursive: true });
  const free = (options.freeBytes ?? freeBytes)(dirname(folder));
  if (bytes + SPARE_BYTES > free) {
    throw new InputError(
      `${set.name} needs ${bytesText(bytes)} unpacked, and ${dirname(folder)} has ${bytesText(free)} free`,
    );
  }
  const work = join(dirname(folder), `.${basename(folder)}.unpacking`);
  rmSync(work, { recursive: true, force: true });
  mkdirSync(work);
  try {
    const files = await bring(set.name, portions, work, transport, bytes, options);
    const sums = sumsOf(files);
    writeFileAtomic(join(work, SUMS), sums);
    replace(folder, work);
    return { files: files.length, bytes, sums: createHash('sha256').update(sums).digest('hex'), notes };
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

async function bring(
  name: string,
  portions: readonly Portion[],
  work: string,
  transport: Transport,
  bytes: number,
  { progress = silentProgress, signal }: InstallOptions,
): Promise<UnpackedFile[]> {
  const files: UnpackedFile[] = [];
  const bar = progress(`unpacking ${name} (MB)`, Math.ceil(bytes / 1e6));
  let done = 0;
  try {
    for (const { from, targets } of portions) {
      const onFile = (file: UnpackedFile): void => {
        files.push(file);
        done += file.bytes;
        bar.update(Math.floor(done / 1e6), '');
      };
      await transport(from, work, targets, onFile, signal);
    }
  } finally {
    bar.stop();
  }
  return files;
}

const copyFiles: Transport = async (from, folder, targets, onFile, signal) => {
  for (const [path, target] of targets) {
    const file = join(folder, target);
    mkdirSync(dirname(file), { recursive: true });
    const digests = new StreamDigests();
    const source = seenBy(digests, createReadStream(join(from, path)) as AsyncIterable<Uint8Array>);
    await pipeline(source, createWriteStream(file, { flags: 'wx' }), { signal });
    const { bytes, sha256 } = digests.read();
    onFile({ path: target, bytes, sha256 });
  }
};

function sumsOf(files: readonly UnpackedFile[]): string {
  return [...files]
    .sort((a, b) => (a.path < b.path ? -1 : 1))
    .map(({ path, sha256 }) => `${sha256}  ${path}\n`)
    .join('');
}

/** The new folder takes the old one's place; the old one goes last. */
function replace(folder: string, work: string): void {
  const old = join(dirname(folder), `.${basename(folder)}.old`);
  rmSync(old, { recursive: true, force: true });
  if (existsSync(folder)) renameSync(folder, old);
  renameSync(work, folder);
  rmSync(old, { recursive: true, force: true });
}
