/**
 * The lock file of a data root, `data.lock.json`: what was fetched, with the checksums that nobody had stated before
 * (from the second fetch on they must hold), and which licences the user has accepted.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { exclusively } from '../util/exclusive';
import { readJson } from '../util/json';
import { parseWith } from '../util/schema';
import { writeFileAtomic } from '../util/write-file';
import { isPinned } from './checksums';
import type { Checks, Manifest } from './manifests';

const schema = z.strictObject({
  version: z.literal(1),
  /** Archives and weights, by file name. */
  files: z.record(
    z.string(),
    z.strictObject({ bytes: z.int(), sha256: z.string(), from: z.string(), at: z.string() }),
  ),
  /** Unpacked data sets by name: how much there is, and the SHA-256 of their SHA256SUMS. */
  sets: z.record(
    z.string(),
    z.strictObject({
      files: z.int(),
      bytes: z.int(),
      sums: z.string(),
      from: z.string(),
      at: z.string(),
    }),
  ),
  /** By manifest: the SHA-256 of the terms that were accepted. */
  licences: z.record(z.string(), z.strictObject({ terms: z.string(), at: z.string() })),
});

type Lock = z.infer<typeof schema>;

export class LockFile {
  readonly path: string;

  constructor(root: string) {
    this.path = join(root, 'data.lock.json');
  }

  /** @throws InputError for a file that is damaged */
  read(): Lock {
    if (!existsSync(this.path)) return { version: 1, files: {}, sets: {}, licences: {} };
    return parseWith(schema, readJson(this.path), this.path);
  }

  /** What must hold of a file: what its manifest states, else what was recorded when it was first fetched. */
  checksFor(file: string, stated: Checks): Checks {
    const recorded = this.read().files[file];
    if (isPinned(stated) || recorded === undefined) return stated;
    const { sha256, at } = recorded;
    return { ...stated, sha256, statedBy: `the first fetch on ${at.slice(0, 10)}, recorded in ${this.path}` };
  }

  recordFile(file: string, { bytes, sha256, from }: Omit<Lock['files'][string], 'at'>): Promise<void> {
    return this.update((lock) => (lock.files[file] = { bytes, sha256, from, at: now() }));
  }

  forgetFile(file: string): Promise<void> {
    return this.update((lock) => delete lock.files[file]);
  }

  recordSet(name: string, set: Omit<Lock['sets'][string], 'at'>): Promise<void> {
    return this.update((lock) => (lock.sets[name] = { ...set, at: now() }));
  }

  hasAccepted({ name, licence }: Manifest): boolean {
    return this.read().licences[name]?.terms === sha256Of(licence.terms);
  }

  recordLicence({ name, licence }: Manifest): Promise<void> {
    return this.update((lock) => (lock.licences[name] = { terms: sha256Of(licence.terms), at: now() }));
  }

  /** Read, changed and written with no other process between. */
  private update(change: (lock: Lock) => void): Promise<void> {
    return exclusively(
      `${this.path}.lock`,
      () => {
        const lock = this.read();
        change(lock);
        writeFileAtomic(this.path, `${JSON.stringify(lock, undefined, 2)}\n`);
      },
      { waitMs: 10_000 },
    );
  }
}

function now(): string {
  return new Date().toISOString();
}

function sha256Of(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
