/** What of the manifests is there, and whether it is still what was fetched. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { basename, join } from 'node:path';
import { InputError } from '../util/errors';
import { silentProgress, type ProgressFactory } from '../util/progress';
import { digestsOf, isPinned, mismatch } from './checksums';
import { SUMS } from './install';
import { checkLayout, filesIn } from './layout';
import { LockFile } from './lock-file';
import type { Manifest, SetManifest, WeightsManifest } from './manifests';
import { findIn, statedOf } from './place';
import { dataRoot, dataRoots, findWeights } from './roots';

export interface DataStatus {
  readonly name: string;
  /** Where it is, if it is anywhere. */
  readonly path?: string;
  /** `recorded`: fetched or imported by the kit; `found`: put there by someone else; `partial`: a download broke off. */
  readonly state: 'recorded' | 'found' | 'partial' | 'missing';
  /** When it was recorded. */
  readonly at?: string;
  /** Of the set or the file; of a partial download what has come. */
  readonly bytes?: number;
}

export interface Verification {
  readonly name: string;
  readonly path: string;
  /** What it was compared with. */
  readonly against: string;
  /** Empty where all is well. */
  readonly faults: readonly string[];
}

export interface VerifyOptions {
  readonly root?: string;
  readonly signal?: AbortSignal;
  readonly progress?: ProgressFactory;
}

/** Where it is: in the data root, or in the development material. */
export function pathOf(manifest: Manifest): string | undefined {
  if (manifest.kind === 'weights') return [findWeights(manifest.files)].find((path) => existsSync(path));
  return dataRoots()
    .map((root) => findIn(manifest, root))
    .find((path) => path !== undefined);
}

export function dataStatus(manifest: Manifest, root: string = dataRoot()): DataStatus {
  const { name } = manifest;
  const path = findIn(manifest, root);
  const lock = new LockFile(root).read();
  if (path === undefined) {
    const files =
      manifest.kind === 'dataset'
        ? manifest.archives.map((a) => a.file)
        : [manifest.download?.file ?? []].flat();
    const parts = files
      .flatMap((file) => [join(root, 'downloads', file), join(root, 'downloads', `${file}.part`)])
      .filter((part) => existsSync(part));
    if (parts.length === 0) return { name, state: 'missing' };
    return { name, state: 'partial', bytes: parts.reduce((sum, part) => sum + statSync(part).size, 0) };
  }
  const entry = manifest.kind === 'dataset' ? lock.sets[name] : lock.files[basename(path)];
  if (entry === undefined) return { name, path, state: 'found' };
  return { name, path, state: 'recorded', at: entry.at, bytes: entry.bytes };
}

/**
 * Reads every byte again.
 * @throws InputError where it is not there
 */
export async function verifyData(manifest: Manifest, options: VerifyOptions = {}): Promise<Verification> {
  const root = options.root ?? dataRoot();
  const path = findIn(manifest, root);
  if (path === undefined)
    throw new InputError(`${manifest.name} is not in ${root}: mimicsr data fetch ${manifest.name}`);
  const lock = new LockFile(root);
  return manifest.kind === 'dataset'
    ? verifySet(manifest, path, lock, options)
    : verifyWeights(manifest, path, lock, options);
}

async function verifyWeights(
  weights: WeightsManifest,
  path: string,
  lock: LockFile,
  { signal }: VerifyOptions,
): Promise<Verification> {
  const { name } = weights;
  const checks = lock.checksFor(basename(path), statedOf(weights, basename(path)));
  if (!isPinned(checks)) return { name, path, against: 'nothing: no checksum is known', faults: [] };
  const fault = await mismatch(path, await digestsOf(path, signal), checks, signal);
  return {
    name,
    path,
    against: `the checksum stated by ${checks.statedBy ?? 'its manifest'}`,
    faults: fault === undefined ? [] : [fault],
  };
}

async function verifySet(
  set: SetManifest,
  path: string,
  lock: LockFile,
  options: VerifyOptions,
): Promise<Verification> {
  const { name } = set;
  const recorded = lock.read().sets[name];
  const files = filesIn(path).filter((file) => file !== SUMS);
  if (recorded === undefined) {
    return {
      name,
      path,
      against: 'its layout alone: mimicsr did not fetch it',
      faults: checkLayout(set, files, path),
    };
  }
  const against = `${SUMS} of ${recorded.at.slice(0, 10)}`;
  const sums = existsSync(join(path, SUMS)) ? readFileSync(join(path, SUMS), 'utf8') : '';
  if (createHash('sha256').update(sums).digest('hex') !== recorded.sums) {
    return { name, path, against, faults: [`${SUMS} is not the recorded one`] };
  }
  const expected = new Map(sums.split('\n').map((line) => [line.slice(66), line.slice(0, 64)]));
  expected.delete('');
  const faults = await changedFiles(path, expected, options);
  const extra = files.filter((file) => !expected.has(file)).map((file) => `${file} was not there`);
  return { name, path, against, faults: [...faults, ...extra] };
}

async function changedFiles(
  folder: string,
  expected: ReadonlyMap<string, string>,
  { progress = silentProgress, signal }: VerifyOptions,
): Promise<string[]> {
  const faults: string[] = [];
  const bar = progress(`verifying ${basename(folder)}`, expected.size);
  try {
    let done = 0;
    for (const [file, sha256] of expected) {
      if (!existsSync(join(folder, file))) faults.push(`${file} is missing`);
      else if ((await digestsOf(join(folder, file), signal)).sha256 !== sha256)
        faults.push(`${file} has changed`);
      bar.update(++done, '');
    }
  } finally {
    bar.stop();
  }
  return faults;
}
