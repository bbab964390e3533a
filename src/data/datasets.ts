/**
 * Data sets by name: pairs, or HR pictures, out of the data roots. A set that has a manifest is read by the layout that the
 * manifest states; any other folder by the layouts that `pairFiles` knows. Names:
 *
 *   Set5                     the set's folder below a data root
 *   RealSR-V3:Canon,Train    of its pairs, those whose placeholders in the layout ({camera}, {split}) have these values
 *   RealSR-V3-x4/Canon-train, ../my/pairs    a folder, below a data root or anywhere
 *
 * Nothing is decoded before it is asked for. Loader threads decode each picture once (`pair-store.ts`).
 */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { basename, extname, join, sep } from 'node:path';
import { listImages } from '../image/file';
import { InputError, unlessInputError } from '../util/errors';
import { filePhotos, type PhotoSource } from './camera-pairs';
import { filesIn, matchTemplate, type Placeholders } from './layout';
import { manifests, type SetManifest } from './manifests';
import { filePairs, pairFiles, pairUp, type PairFiles, type PairSet } from './pairs';
import { folderOf } from './roots';

/**
 * The LR/HR pairs of a set.
 * @throws InputError where it is not here, has no pairs, or none with the given values
 */
export function datasetPairs(name: string): PairSet {
  const { folder, values } = locate(name);
  const files = pairsByManifest(folder, values) ?? pairsOfFolder(folder, values, name);
  return filePairs(files, `${files.length} pairs in ${label(name)}`);
}

/**
 * The HR pictures of a set, or the pictures of a folder, without partners: photographs to train on, so that of a set by its
 * name those which the manifest knows to be in a benchmark are left out.
 * @throws InputError where it is not here, or has no such pictures with the given values
 */
export function datasetPhotos(name: string): PhotoSource {
  const { folder, values } = locate(name);
  const files = photosByManifest(folder, values) ?? photosOfFolder(folder, values, name);
  return filePhotos(files, `${files.length} photographs of ${label(name)}`);
}

/** The folder of a set. @throws InputError where it is not here */
export function datasetFolder(name: string): string {
  return locate(name).folder;
}

/** Whether a set or folder of that name is here, whatever is in it. */
export function hasDataset(name: string): boolean {
  return unlessInputError(() => datasetFolder(name)) !== undefined;
}

interface Located {
  readonly folder: string;
  /** What placeholders of the layout must be, lower case. */
  readonly values: readonly string[];
}

function locate(name: string): Located {
  const located = folderAndValues(name);
  const { folder } = located;
  if (!statSync(folder).isDirectory())
    throw new InputError(`${folder} is a file: expected a folder or the name of a data set`);
  return located;
}

function folderAndValues(name: string): Located {
  if (existsSync(name)) return { folder: name, values: [] }; // a folder may have a colon in its name
  // On Windows a colon also follows a drive's letter.
  const [, place, selection] = /^(.[^:]*|[A-Za-z]:[\\/].*?)(?::([^:\\/]+))?$/.exec(name) ?? [, name];
  const values = (selection ?? '').split(',').filter((value) => value !== '');
  return { folder: folderOf(place), values: values.map((value) => value.toLowerCase()) };
}

/** "Set5", "Canon-train": without the way there. */
function label(name: string): string {
  return basename(name);
}

function pairsByManifest(folder: string, values: readonly string[]): PairFiles[] | undefined {
  const found = byManifest(folder, values);
  if (found?.hr === undefined || found.lr === undefined || found.manifest.storedScale === 1) return undefined;
  const { hr, lr } = found;
  return pairUp(folder, hr, lr).map((pair) => ({ ...pair, name: stem(pair.hr) }));
}

/** "Canon_001" of Canon_001_HR.png. */
function stem(path: string): string {
  return basename(path, extname(path)).replace(/_(HR|gt)$/, '');
}

function photosByManifest(folder: string, values: readonly string[]): string[] | undefined {
  const { manifest, hr } = byManifest(folder, values) ?? {};
  if (hr === undefined) return undefined;
  const leftOut = (manifest?.leftOut ?? []).map((path) => join(folder, path));
  const photos = [...hr.values()].filter(
    (photo) => !leftOut.some((path) => photo === path || photo.startsWith(path + sep)),
  );
  if (photos.length > 0) return photos;
  throw new InputError(
    `${folder}: all its pictures${values.length > 0 ? ` of ${values.join(', ')}` : ''} are a benchmark's (${manifest?.split})`,
  );
}

/**
 * The files of a set's folder by what its layout calls them, keyed by placeholders; undefined where the folder is no set's, or
 * is not laid out as published.
 */
function byManifest(
  folder: string,
  values: readonly string[],
):
  | { readonly manifest: SetManifest; readonly hr?: Map<string, string>; readonly lr?: Map<string, string> }
  | undefined {
  const name = basename(folder).toLowerCase();
  const manifest = manifests().find(
    (m): m is SetManifest => m.kind === 'dataset' && m.name.toLowerCase() === name,
  );
  if (manifest === undefined) return undefined;
  const paths = filesIn(folder);
  const kind = (of: 'hr' | 'lr'): Map<string, string> | undefined => {
    const template = manifest.layout[of];
    const matches = template === undefined ? [] : [...matchTemplate(template, paths)];
    if (matches.length === 0) return undefined;
    const chosen = matches.filter(([, placeholders]) => hasValues(placeholders, values));
    if (chosen.length === 0) {
      const parts = matches.flatMap(([, placeholders]) => Object.entries(placeholders));
      const known = [
        ...new Set(parts.flatMap(([key, value]) => (key === 'name' || key === 'n' ? [] : value))),
      ];
      throw new InputError(
        known.length === 0
          ? `${folder}: the names of its files tell no parts apart, so ${values.join(', ')} cannot be chosen: ask for the whole set`
          : `${folder} has no ${of} files of ${values.join(', ')}: expected some of ${known.join(', ')}`,
      );
    }
    return new Map(chosen.map(([path, placeholders]) => [JSON.stringify(placeholders), join(folder, path)]));
  };
  const [hr, lr] = [kind('hr'), kind('lr')];
  return { manifest, ...(hr === undefined ? {} : { hr }), ...(lr === undefined ? {} : { lr }) };
}

function hasValues(placeholders: Placeholders, values: readonly string[]): boolean {
  const there = Object.values(placeholders).map((value) => value.toLowerCase());
  return values.every((value) => there.includes(value));
}

function pairsOfFolder(folder: string, values: readonly string[], name: string): PairFiles[] {
  refuseSelection(folder, values, name);
  return pairFiles(folder);
}

/** The HR pictures where the folder holds pairs, else all pictures in it. */
function photosOfFolder(folder: string, values: readonly string[], name: string): string[] {
  refuseSelection(folder, values, name);
  const entries = readdirSync(folder);
  const holdsPairs = entries.some((entry) => /_HR\.\w+$|^(HR|GT|image_SRF_4)$/i.test(entry));
  return holdsPairs ? pairFiles(folder).map(({ hr }) => hr) : listImages(folder);
}

function refuseSelection(folder: string, values: readonly string[], name: string): void {
  if (values.length === 0) return;
  throw new InputError(
    `${name}: ${folder} is not laid out as a published set, so nothing of it can be chosen by name`,
  );
}
