/**
 * Bringing what a manifest describes to the data root from its publisher: a set becomes the folder `NAME`, weights a
 * file in `weights`; what is on its way lies in `downloads`. The lock file keeps the checksums.
 */
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { exclusively } from '../util/exclusive';
import { InputError } from '../util/errors';
import { ArchiveError } from './archive';
import { digestsOf, isPinned, mismatch } from './checksums';
import { download, UnavailableError, type DownloadOptions } from './download';
import { drivePage } from './download-drive';
import { installArchives } from './install';
import { LockFile } from './lock-file';
import { manifests } from './manifests';
import type { Archive, Checks, Manifest, SetManifest, WeightsManifest } from './manifests';
import { findIn, guardOf, placeMember, placeOf } from './place';
import { dataRoot } from './roots';

export interface FetchOptions extends DownloadOptions {
  /** Data root; by default the usual one. */
  readonly root?: string;
  /** Keep archives after unpacking. One that other sets need too is kept anyway. */
  readonly keepArchives?: boolean;
  /** All manifests there are: who else needs an archive. */
  readonly among?: readonly Manifest[];
}

export interface Placed {
  /** The set's folder or the weights' file. */
  readonly path: string;
  /** It was there before: nothing was done. */
  readonly already?: boolean;
  /** What differs from the manifest's counts. */
  readonly notes: readonly string[];
}

/**
 * Downloads, checks and unpacks; what is there already stays as it is.
 * @throws InputError where its licence has not been accepted (`acceptLicence`), where it can only be had by hand (with
 * the steps), or where something goes wrong on the way
 */
export async function fetchData(manifest: Manifest, options: FetchOptions = {}): Promise<Placed> {
  const root = options.root ?? dataRoot();
  const there = findIn(manifest, root);
  if (there !== undefined) return { path: there, already: true, notes: [] };
  const lock = new LockFile(root);
  requireLicence(manifest, lock);
  try {
    return await exclusively(guardOf(manifest, root), () =>
      manifest.kind === 'dataset'
        ? fetchSet(manifest, root, lock, options)
        : fetchWeights(manifest, root, lock, options),
    );
  } catch (error) {
    if (!(error instanceof UnavailableError)) throw error;
    throw new InputError(`${error.message}\n${stepsByHand(manifest)}`, { cause: error });
  }
}

async function fetchSet(
  set: SetManifest,
  root: string,
  lock: LockFile,
  options: FetchOptions,
): Promise<Placed> {
  if (set.archives.length === 0) throw new UnavailableError(`${set.name} cannot be downloaded by a program`);
  const archives: { path: string; part: Archive }[] = [];
  for (const part of set.archives) {
    archives.push({ path: await fetchFile(part, root, lock, options), part });
  }
  const path = placeOf(set, root);
  const { notes, ...installed } = await installArchives(set, path, archives, options).catch(
    (error: unknown) => discard(error, set.archives, lock),
  );
  await lock.recordSet(set.name, { ...installed, from: set.archives.map((a) => a.file).join(', ') });
  for (const archive of archives) {
    const others = needing(archive.part.file, set, root, options);
    if (others.length > 0) options.log?.(`kept ${archive.path} for ${others.join(', ')}`);
    else if (!options.keepArchives) rmSync(archive.path);
  }
  return { path, notes };
}

/** An archive that cannot be unpacked is put aside, unless it is the one that was promised: then a new one is no better. */
async function discard(
  error: unknown,
  stated: readonly (Checks & { readonly file: string })[],
  lock: LockFile,
): Promise<never> {
  if (
    error instanceof ArchiveError &&
    !stated.some((a) => a.file === basename(error.archive) && isPinned(a))
  ) {
    renameSync(error.archive, `${error.archive}.rejected`);
    await lock.forgetFile(basename(error.archive));
  }
  throw error;
}

async function fetchWeights(
  weights: WeightsManifest,
  root: string,
  lock: LockFile,
  options: FetchOptions,
): Promise<Placed> {
  if (weights.download === undefined) {
    throw new UnavailableError(`${weights.name} cannot be downloaded by a program`);
  }
  const path = placeOf(weights, root);
  const file = await fetchFile(weights.download, root, lock, options);
  mkdirSync(dirname(path), { recursive: true });
  if (weights.download.member === undefined) renameSync(file, path);
  else {
    await placeMember(weights, file, path, lock, options.signal).catch((error: unknown) =>
      discard(error, [weights.download!], lock),
    );
    if (!options.keepArchives) rmSync(file);
  }
  return { path, notes: [] };
}

/** The file in `downloads`: one that is there and whole, or a new one; recorded. */
async function fetchFile(
  { file, sources, ...stated }: Pick<Archive, 'file' | 'sources'>,
  root: string,
  lock: LockFile,
  options: FetchOptions,
): Promise<string> {
  const path = join(root, 'downloads', file);
  const checks = lock.checksFor(file, stated);
  if (existsSync(path)) {
    const digests = await digestsOf(path, options.signal);
    const fault = await mismatch(path, digests, checks, options.signal);
    if (fault === undefined) {
      if (lock.read().files[file] === undefined) await lock.recordFile(file, { ...digests, from: path });
      return path;
    }
    options.log?.(`${path}: ${fault}; kept as ${file}.rejected, downloading it again`);
    renameSync(path, `${path}.rejected`);
  }
  const { from, bytes, sha256 } = await download(path, sources, checks, options);
  await lock.recordFile(file, { bytes, sha256, from });
  return path;
}

/** The sets that come from the same archive and are not there yet. */
function needing(
  file: string,
  set: SetManifest,
  root: string,
  { among = manifests() }: FetchOptions,
): string[] {
  return among
    .filter((other) => other.kind === 'dataset' && other.name !== set.name)
    .filter((other) => (other as SetManifest).archives.some((a) => a.file === file))
    .filter((other) => findIn(other, root) === undefined)
    .map((other) => other.name);
}

/** Notes in the lock file that the user has read and accepted the terms. */
export function acceptLicence(manifest: Manifest, root: string = dataRoot()): Promise<void> {
  return new LockFile(root).recordLicence(manifest);
}

export function hasAcceptedLicence(manifest: Manifest, root: string = dataRoot()): boolean {
  return new LockFile(root).hasAccepted(manifest);
}

/** @throws InputError with the terms, where they have not been accepted */
export function requireLicence(manifest: Manifest, lock: LockFile): void {
  if (lock.hasAccepted(manifest)) return;
  const { name, licence } = manifest;
  throw new InputError(
    `${name}: its terms have not been accepted (--accept-licence accepts them). ${licence.use}: ${licence.terms}`,
  );
}

/** What to do by hand, a step a line. */
export function stepsByHand(manifest: Manifest): string {
  const sources =
    manifest.kind === 'dataset'
      ? manifest.archives.flatMap((a) => a.sources)
      : (manifest.download?.sources ?? []);
  const pages = [...new Set(sources.map((s) => s.url ?? drivePage(s.drive!)))];
  const steps = manifest.manual ?? [
    `download it in a browser: ${pages.join(' or ')}`,
    `mimicsr data import ${manifest.name} PATH`,
  ];
  return ['By hand:', ...steps.map((step, i) => `  ${i + 1}. ${step}`)].join('\n');
}
