/** Where datasets live: the data root (MIMICSR_DATA, by default `data/` here), then the development material. */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { InputError } from '../util/errors';

/** Where the kit puts what it fetches and looks first. */
export function dataRoot(): string {
  return resolve(process.env.MIMICSR_DATA || 'data');
}

/** Folders that may hold a dataset's folder, in the order in which they are searched. */
export function dataRoots(): string[] {
  const roots = [dataRoot()];
  if (process.env.MIMICSR_SHARED) roots.push(resolve(process.env.MIMICSR_SHARED, 'data', 'images'));
  return roots;
}

/** The folder of the dataset `name`, or undefined where no root has it. */
export function findDataset(name: string): string | undefined {
  return dataRoots()
    .map((root) => join(root, name))
    .find((folder) => existsSync(folder));
}

/**
 * The first of `files` in the `weights` folder of the data root, else of the development material. Where there is none:
 * the path at which the first is expected, for the message of whoever opens it.
 */
export function findWeights(files: readonly string[]): string {
  const folders = [join(dataRoot(), 'weights')];
  const material = process.env.MIMICSR_SHARED;
  if (material) folders.push(...['weights', 'metrics'].map((name) => resolve(material, 'data', name)));
  const paths = folders.flatMap((folder) => files.map((file) => join(folder, file)));
  return paths.find((path) => existsSync(path)) ?? paths[0];
}

/**
 * "no PWC-Net weights at …": what brings them, and what else would do.
 * @param manifest their entry in the data manifests
 */
export function missingWeights(what: string, path: string, manifest: string, instead?: string): InputError {
  const otherwise = instead === undefined ? '' : `, or choose ${instead}`;
  return new InputError(`no ${what} at ${path}: 'mimicsr data fetch ${manifest}' brings them${otherwise}`);
}

/**
 * A folder given by its path or, failing that, by a dataset's name.
 * @throws InputError saying where it was looked for
 */
export function folderOf(pathOrName: string): string {
  if (existsSync(pathOrName)) return pathOrName;
  const found = findDataset(pathOrName);
  if (found !== undefined) return found;
  throw new InputError(
    `no folder or dataset '${pathOrName}': looked in ${[resolve('.'), ...dataRoots()].join(', ')}`,
  );
}
