/**
 * Putting what the user already has in its place: a set's folder, its archives (one, or a folder that holds them), or a
 * file of weights. What goes by the published file's name must be that file; of anything else the layout decides.
 */
import {
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  statSync,
} from 'node:fs';
import { basename, dirname, extname, join } from 'node:path';
import { InputError } from '../util/errors';
import { exclusively } from '../util/exclusive';
import { digestsOf, mismatch, type Digests } from './checksums';
import { looksLikePage } from './download';
import { requireLicence, type FetchOptions, type Placed } from './fetch';
import { installArchives, installFolder, type ArchivePart } from './install';
import { LockFile } from './lock-file';
import type { Checks, Manifest, SetManifest, WeightsManifest } from './manifests';
import { guardOf, placeMember, placeOf, statedOf } from './place';
import { dataRoot } from './roots';

/**
 * Copies or unpacks; `from` stays as it is.
 * @throws InputError where it does not fit or is not the published file, or where the set is there already
 */
export async function importData(
  manifest: Manifest,
  from: string,
  options: FetchOptions = {},
): Promise<Placed> {
  if (!existsSync(from)) throw new InputError(`no file or folder ${from}`);
  const root = options.root ?? dataRoot();
  const lock = new LockFile(root);
  requireLicence(manifest, lock);
  return exclusively(guardOf(manifest, root), () =>
    manifest.kind === 'dataset'
      ? importSet(manifest, from, root, lock, options)
      : importWeights(manifest, from, root, lock, options),
  );
}

async function importSet(
  set: SetManifest,
  from: string,
  root: string,
  lock: LockFile,
  options: FetchOptions,
): Promise<Placed> {
  const path = placeOf(set, root);
  if (existsSync(path)) throw new InputError(`${path} exists: move it away to import ${set.name} again`);
  const archives = archivesAt(set, from);
  for (const archive of archives ?? []) {
    const published = set.archives.find((a) => a.file === basename(archive.path));
    if (published === undefined) continue;
    const checks = lock.checksFor(published.file, published);
    await requirePublished(archive.path, await digestsOf(archive.path, options.signal), checks, options);
  }
  const { notes, ...installed } =
    archives === undefined
      ? await installFolder(set, path, from, options)
      : await installArchives(set, path, archives, options);
  await lock.recordSet(set.name, { ...installed, from });
  return { path, notes };
}

/** The archives that `from` is or holds; undefined where it is a set's folder itself. */
function archivesAt(set: SetManifest, from: string): { path: string; part: ArchivePart }[] | undefined {
  if (statSync(from).isFile()) {
    if (set.archives.length > 1) {
      const names = set.archives.map((a) => a.file).join(', ');
      throw new InputError(`${set.name} comes as ${names}: give the folder that holds them`);
    }
    return [{ path: from, part: set.archives[0] ?? {} }];
  }
  const held = set.archives.map((part) => ({ path: join(from, part.file), part }));
  return held.length > 0 && held.every(({ path }) => existsSync(path)) ? held : undefined;
}

async function importWeights(
  weights: WeightsManifest,
  from: string,
  root: string,
  lock: LockFile,
  options: FetchOptions,
): Promise<Placed> {
  if (!statSync(from).isFile())
    throw new InputError(`${from} is a folder: expected the file of ${weights.name}`);
  const { download, files } = weights;
  const digests = await digestsOf(from, options.signal);
  if (download?.member !== undefined && basename(from) === download.file) {
    const path = placeOf(weights, root);
    await requirePublished(from, digests, lock.checksFor(download.file, download), options);
    await placeMember(weights, from, path, lock, options.signal);
    return { path, notes: [] };
  }
  const stored = files.find((f) => f === basename(from)) ?? files.find((f) => extname(f) === extname(from));
  if (stored === undefined) {
    const endings = [...new Set(files.map((f) => extname(f)))].join(' or ');
    throw new InputError(`${from}: expected a file ending in ${endings} for ${weights.name}`);
  }
  if (looksLikePage(firstBytes(from))) throw new InputError(`${from} is a web page, not the file itself`);
  await requirePublished(from, digests, lock.checksFor(stored, statedOf(weights, stored)), options);
  const path = join(root, 'weights', stored);
  mkdirSync(dirname(path), { recursive: true });
  copyFileSync(from, `${path}.part`);
  renameSync(`${path}.part`, path);
  await lock.recordFile(stored, { ...digests, from });
  return { path, notes: [] };
}

async function requirePublished(
  path: string,
  digests: Digests,
  checks: Checks,
  { signal }: FetchOptions,
): Promise<void> {
  const fault = await mismatch(path, digests, checks, signal);
  if (fault !== undefined) throw new InputError(`${path} is not the published file: ${fault}`);
}

function firstBytes(path: string): Buffer {
  const bytes = Buffer.alloc(512);
  const fd = openSync(path, 'r');
  try {
    return bytes.subarray(0, readSync(fd, bytes));
  } finally {
    closeSync(fd);
  }
}
