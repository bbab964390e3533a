/** Where data lies below the data root, and what is stated of it there. */
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { InputError } from '../util/errors';
import { listArchive, unpack } from './archive';
import { digestsOf, mismatch } from './checksums';
import type { LockFile } from './lock-file';
import type { Checks, Manifest, WeightsManifest } from './manifests';

/** The set's folder, or the weights' file under its published name. */
export function placeOf(manifest: Manifest, root: string): string {
  return manifest.kind === 'dataset' ? join(root, manifest.name) : join(root, 'weights', manifest.files[0]);
}

/** Where it is in that root, under any of its names. */
export function findIn(manifest: Manifest, root: string): string | undefined {
  const paths =
    manifest.kind === 'dataset'
      ? [placeOf(manifest, root)]
      : manifest.files.map((file) => join(root, 'weights', file));
  return paths.find((path) => existsSync(path));
}

/** The file that keeps two processes from working on one manifest. */
export function guardOf(manifest: Manifest, root: string): string {
  return join(root, 'downloads', `${manifest.name}.lock`);
}

/** What the manifest states of the file called `stored` in the `weights` folder. */
export function statedOf({ files, download }: WeightsManifest, stored: string): Checks {
  if (download === undefined || stored !== files[0]) return {};
  return download.member ?? download;
}

/**
 * Takes weights out of the archive that holds them.
 * @throws InputError where they are not in it or not the stated ones
 */
export async function placeMember(
  { name, download }: WeightsManifest,
  archive: string,
  path: string,
  lock: LockFile,
  signal?: AbortSignal,
): Promise<void> {
  const member = download!.member!;
  const packed = (await listArchive(archive, undefined, signal)).find((entry) => entry.path === member.path);
  if (packed === undefined || packed.special)
    throw new InputError(`${archive} has no ${member.path}, where ${name} should be`);
  const work = join(dirname(path), `.${basename(path)}.unpacking`);
  rmSync(work, { recursive: true, force: true });
  mkdirSync(work, { recursive: true });
  try {
    const unpacked = join(work, basename(path));
    await unpack(archive, work, new Map([[member.path, basename(path)]]), () => undefined, signal);
    const digests = await digestsOf(unpacked, signal);
    const fault = await mismatch(unpacked, digests, lock.checksFor(basename(path), member), signal);
    if (fault !== undefined) throw new InputError(`${member.path} in ${archive}: ${fault}`);
    renameSync(unpacked, path);
    await lock.recordFile(basename(path), { ...digests, from: `${member.path} in ${basename(archive)}` });
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
