/**
 * The data manifests: what each data set and weight file is, where it is published, how to tell that it is whole, and
 * what it may be used for. One JSON file each in `data-manifests/`; addresses as published, checksums with the place
 * that states them. A checksum that nobody states is recorded at the first fetch (see `lock-file.ts`).
 */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, extname, join } from 'node:path';
import { z } from 'zod';
import { InputError, unknownName } from '../util/errors';
import { parseJson } from '../util/json';
import { parseWith } from '../util/schema';
import { PACKAGE_ROOT } from '../util/versions';
import { isPlainPath } from './plain-path';

const FOLDER = join(PACKAGE_ROOT, 'data-manifests');

const text = z.string().trim().min(1);
const path = text.refine(isPlainPath, 'expected a relative path without . and ..');
const fileName = path.refine((name) => !name.includes('/'), 'expected a file name');
const address = z.url({ protocol: /^https?$/, error: 'expected an http or https address' });
const size = z.int().positive();

function hexadecimal(digits: number): z.ZodString {
  return z.string().regex(new RegExp(`^[0-9a-f]{${digits}}$`), `expected ${digits} hexadecimal digits`);
}

/** What tells that a file is the published one; whichever of these is stated. */
const CHECKS = {
  bytes: size.optional(),
  sha256: hexadecimal(64).optional(),
  md5: hexadecimal(32).optional(),
  /** SHA-1 as git names a blob: for files of which only a repository's listing is known. */
  gitBlob: hexadecimal(40).optional(),
  /** Who states them. */
  statedBy: text.optional(),
};

const source = z
  .strictObject({
    url: address.optional(),
    /** The id of a file on Google Drive. */
    drive: z
      .string()
      .regex(/^[\w-]{25,}$/, 'expected the id of a file on Google Drive')
      .optional(),
    note: text.optional(),
  })
  .refine((s) => (s.url === undefined) !== (s.drive === undefined), 'expected either url or drive');

const archiveOfSet = z.strictObject({
  /** Name under which it is kept while it is downloaded and unpacked. */
  file: fileName,
  ...CHECKS,
  /** Size where only a rough one is stated. */
  bytesAbout: size.optional(),
  sources: z.array(source).min(1),
  /** Folder of the archive that is the set, wherever in the archive it lies; without one all of it. */
  from: path.optional(),
  /** Where in the set's folder that goes; without one the folder itself. */
  to: path.optional(),
});

const weightFile = z.strictObject({
  file: fileName,
  ...CHECKS,
  bytesAbout: size.optional(),
  sources: z.array(source).min(1),
  /** Where the sources are archives: the file in them that is wanted, and its own checks. */
  member: z.strictObject({ path, ...CHECKS }).optional(),
});

/** What one may do with it. `unstated`: no licence was found, so no more than private research. */
const USES = ['free', 'non-commercial', 'on request', 'unstated'] as const;

const COMMON = {
  /** Also the name of the set's folder. */
  name: z.string().regex(/^[A-Za-z][\w.-]*$/, 'expected a name of letters, digits, - and .'),
  title: text,
  /** What the kit uses it for. */
  purpose: text,
  homepage: address,
  citation: text,
  licence: z.strictObject({ use: z.enum(USES), terms: text, url: address.optional() }),
  /** What to do by hand where no source can be fetched, or none answers: one sentence a step. */
  manual: z.array(text).min(1).optional(),
  notes: z.array(text).optional(),
};

const setSchema = z.strictObject({
  kind: z.literal('dataset'),
  ...COMMON,
  archives: z.array(archiveOfSet),
  /**
   * The kinds of file in the set's folder as path templates, `{split}/{name}.png`: a placeholder stands for a part of
   * one name, the same part wherever it appears. Files of `hr` and `lr` with equal placeholders are a pair.
   */
  layout: z.partialRecord(z.enum(['hr', 'lr', 'kernel', 'photo', 'raw']), text),
  /** HR size over LR size as stored: 1 where the LR was enlarged, 4 as the networks need it. */
  storedScale: z.union([z.literal(1), z.literal(4)]).optional(),
  /** Files and folders that are pictures of a benchmark: never among the photographs to train on. */
  leftOut: z.array(path).min(1).optional(),
  /** How many files of a kind there are where placeholders have given values; only what a source states. */
  counts: z.array(
    z.strictObject({ of: text, where: z.record(z.string(), z.string()).optional(), files: size }),
  ),
  split: text,
});

const weightsSchema = z.strictObject({
  kind: z.literal('weights'),
  ...COMMON,
  /** Names under which the kit looks for it in the `weights` folder, the published file's first. */
  files: z.array(fileName).min(1),
  download: weightFile.optional(),
});

const schema = z.discriminatedUnion('kind', [setSchema, weightsSchema]);

export type Checks = Partial<z.infer<z.ZodObject<typeof CHECKS>>>;
export type Source = z.infer<typeof source>;
export type SetManifest = z.infer<typeof setSchema>;
export type WeightsManifest = z.infer<typeof weightsSchema>;
export type Manifest = z.infer<typeof schema>;
export type Archive = SetManifest['archives'][number];

/**
 * A manifest from the text of its file.
 * @throws InputError naming the file, the key, what was expected and what was found
 */
export function parseManifest(json: string, file: string): Manifest {
  const manifest = parseWith(schema, parseJson(json, file), file);
  const fault = inconsistency(manifest);
  if (fault !== undefined) throw new InputError(`${file}: ${fault}`);
  return manifest;
}

/** What no single key shows. */
function inconsistency(manifest: Manifest): string | undefined {
  const fetchable =
    manifest.kind === 'dataset' ? manifest.archives.length > 0 : manifest.download !== undefined;
  if (!fetchable && manifest.manual === undefined) {
    return `expected something to download, or the steps by hand ('manual'), found neither`;
  }
  if (manifest.kind === 'dataset') {
    const unknown = manifest.counts.find((count) => !(count.of in manifest.layout));
    return unknown && `counts '${unknown.of}', which is not in its layout`;
  }
  const { download, files } = manifest;
  const brought = download && basename(download.member?.path ?? download.file);
  if (brought !== undefined && brought !== files[0]) {
    return `expected the downloaded file first in 'files', found '${files[0]}' there and '${brought}' downloaded`;
  }
  return undefined;
}

let cache: readonly Manifest[] | undefined;

/** All manifests, data sets first, in the order of their names. */
export function manifests(): readonly Manifest[] {
  cache ??= readdirSync(FOLDER)
    .filter((file) => extname(file) === '.json')
    .map((file) => {
      const manifest = parseManifest(readFileSync(join(FOLDER, file), 'utf8'), join(FOLDER, file));
      if (`${manifest.name}.json` !== file) {
        throw new InputError(`${join(FOLDER, file)}: expected the file's own name, found '${manifest.name}'`);
      }
      return manifest;
    })
    .sort((a, b) => compare(a.kind, b.kind) || compare(a.name.toLowerCase(), b.name.toLowerCase()));
  return cache;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/**
 * The manifest of that name, in whatever case it is written.
 * @throws InputError for an unknown name
 */
export function findManifest(name: string, among: readonly Manifest[] = manifests()): Manifest {
  const found = among.find((m) => m.name.toLowerCase() === name.toLowerCase());
  if (found !== undefined) return found;
  throw unknownName(
    'data set or weights',
    name,
    among.map((m) => m.name),
  );
}
