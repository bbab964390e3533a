/** Digests of files while they stream by, and their comparison with what is stated of them. */
import { createHash, type Hash } from 'node:crypto';
import { createReadStream, statSync } from 'node:fs';
import type { Checks } from './manifests';

export interface Digests {
  readonly bytes: number;
  readonly sha256: string;
  readonly md5: string;
}

/** Digests of everything that `update` has seen so far. */
export class StreamDigests {
  private bytes = 0;
  private readonly sha256: Hash = createHash('sha256');
  private readonly md5: Hash = createHash('md5');

  update(chunk: Uint8Array): void {
    this.bytes += chunk.length;
    this.sha256.update(chunk);
    this.md5.update(chunk);
  }

  read(): Digests {
    return {
      bytes: this.bytes,
      sha256: this.sha256.copy().digest('hex'),
      md5: this.md5.copy().digest('hex'),
    };
  }
}

/** `source` on its way elsewhere, seen by `digests`. */
export async function* seenBy(
  digests: StreamDigests,
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of source) {
    digests.update(chunk);
    yield chunk;
  }
}

export async function digestsOf(path: string, signal?: AbortSignal): Promise<Digests> {
  const digests = new StreamDigests();
  for await (const chunk of createReadStream(path, { signal })) digests.update(chunk as Buffer);
  return digests.read();
}

/** True where some digest of the whole content is stated, so that a part from anywhere can be completed. */
export function isPinned(checks: Checks): boolean {
  return checks.sha256 !== undefined || checks.md5 !== undefined || checks.gitBlob !== undefined;
}

/**
 * What differs from `checks` in the file at `path` with those digests: "sha256: expected …, found …", or undefined.
 */
export async function mismatch(
  path: string,
  found: Digests,
  checks: Checks,
  signal?: AbortSignal,
): Promise<string | undefined> {
  const differs = (what: string, expected: number | string, is: number | string): string =>
    `${what}: expected ${expected}, found ${is}${checks.statedBy === undefined ? '' : ` (stated by ${checks.statedBy})`}`;
  for (const what of ['bytes', 'sha256', 'md5'] as const) {
    const expected = checks[what];
    if (expected !== undefined && expected !== found[what]) return differs(what, expected, found[what]);
  }
  if (checks.gitBlob === undefined) return undefined;
  const blob = await gitBlobOf(path, signal);
  return blob === checks.gitBlob ? undefined : differs('git blob', checks.gitBlob, blob);
}

/** SHA-1 of "blob <bytes>\0" and the content: git's name for a file. The length comes first, so it needs the whole file. */
async function gitBlobOf(path: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash('sha1').update(`blob ${statSync(path).size}\0`);
  for await (const chunk of createReadStream(path, { signal })) hash.update(chunk as Buffer);
  return hash.digest('hex');
}
