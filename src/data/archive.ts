/**
 * Archives (zip, tar, tar.gz): what is in them, checked before anything of it is written, and the unpacking.
 *
 * Nothing in an archive is trusted: names must lie below the folder that is unpacked to, links and devices are never
 * made, sizes beyond what an archive of pictures can hold are refused. The format is told by the first bytes, not by the name.
 */
import { createWriteStream, mkdirSync, openSync, readSync, closeSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { InputError } from '../util/errors';
import { systemReason } from '../util/system-errors';
import { seenBy, StreamDigests } from './checksums';
import { isPlainPath } from './plain-path';
import { bytesText } from './sizes';
import { readTar } from './archive-tar';
import { readZip } from './archive-zip';

/** An archive that is damaged or not safe to unpack. */
export class ArchiveError extends InputError {
  constructor(
    readonly archive: string,
    fault: string,
    cause?: unknown,
  ) {
    super(fault, { cause });
  }
}

/** One entry as the archive states it. */
export interface RawEntry {
  readonly path: string;
  readonly kind: 'file' | 'folder' | 'other';
  /** Of the unpacked content. */
  readonly bytes: number;
  /** The content; to be read, if at all, before the visit ends. */
  content(): AsyncIterable<Uint8Array>;
}

/** Calls `visit` for each entry in turn. */
export type ArchiveReader = (
  path: string,
  visit: (entry: RawEntry) => Promise<void>,
  signal?: AbortSignal,
) => Promise<void>;

export interface ArchiveFile {
  readonly path: string;
  readonly bytes: number;
  /** A link or a device: never unpacked, and an error where it is wanted. */
  readonly special?: true;
}

export interface ArchiveLimits {
  readonly files: number;
  /** Of all content, unpacked. */
  readonly bytes: number;
}

/** Pictures hardly compress: an archive of them cannot unpack to many times its size. */
function limitsFor(archiveBytes: number): ArchiveLimits {
  return { files: 1_000_000, bytes: 10e6 + 20 * archiveBytes };
}

/**
 * The files in an archive, in its order. What operating systems add (`__MACOSX`, `._*`, `.DS_Store`) is left out.
 * @throws ArchiveError naming the archive and the entry
 */
export async function listArchive(
  path: string,
  limits: ArchiveLimits = limitsFor(statSync(path).size),
  signal?: AbortSignal,
): Promise<ArchiveFile[]> {
  const files = new Map<string, ArchiveFile>();
  const refuse = (entry: RawEntry, why: string): never => {
    throw new ArchiveError(path, `${path} is not safe to unpack: entry ${JSON.stringify(entry.path)} ${why}`);
  };
  let bytes = 0;
  await read(
    path,
    (entry) => {
      const name = plain(entry.path);
      if (name === '') return; // the root itself
      if (!isPlainPath(name)) refuse(entry, 'points outside the folder it is unpacked to');
      if (entry.kind === 'folder' || isLitter(name)) return;
      if (files.has(name)) refuse(entry, 'comes twice');
      bytes += entry.bytes;
      if (bytes > limits.bytes) refuse(entry, `brings it over ${bytesText(limits.bytes)} unpacked`);
      if (files.size >= limits.files) refuse(entry, `is one of more than ${limits.files} files`);
      files.set(name, {
        path: name,
        bytes: entry.bytes,
        ...(entry.kind === 'other' ? { special: true } : {}),
      });
    },
    signal,
  );
  return [...files.values()];
}

export interface UnpackedFile extends ArchiveFile {
  readonly sha256: string;
}

/**
 * Writes files of an archive that `listArchive` has passed.
 * @param targets where each goes, below `folder`, by its path in the archive; what is not in it stays packed
 */
export async function unpack(
  path: string,
  folder: string,
  targets: ReadonlyMap<string, string>,
  onFile: (file: UnpackedFile) => void,
  signal?: AbortSignal,
): Promise<void> {
  await read(
    path,
    async (entry) => {
      const target = targets.get(plain(entry.path));
      if (entry.kind !== 'file' || target === undefined) return;
      const digests = new StreamDigests();
      const file = join(folder, target);
      mkdirSync(dirname(file), { recursive: true });
      await pipeline(seenBy(digests, entry.content()), createWriteStream(file, { flags: 'wx' }), { signal });
      const { bytes, sha256 } = digests.read();
      if (bytes !== entry.bytes) {
        throw new ArchiveError(
          path,
          `${path} is damaged: ${entry.path} states ${entry.bytes} bytes and holds ${bytes}`,
        );
      }
      onFile({ path: target, bytes, sha256 });
    },
    signal,
  );
}

async function read(
  path: string,
  visit: (entry: RawEntry) => void | Promise<void>,
  signal?: AbortSignal,
): Promise<void> {
  const reader = readerFor(path);
  try {
    await reader(path, async (entry) => visit(entry), signal);
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof InputError) throw error;
    const fault = `cannot unpack ${path}: ${systemReason(error)}`;
    // A system call that failed is the disk's matter, not the archive's.
    if ((error as NodeJS.ErrnoException).syscall !== undefined) throw new InputError(fault, { cause: error });
    throw new ArchiveError(path, fault, error);
  }
}

/** The reader for the format that the first bytes show, or undefined. */
export function archiveReader(path: string): ArchiveReader | undefined {
  const head = Buffer.alloc(262);
  const fd = openSync(path, 'r');
  try {
    readSync(fd, head, 0, head.length, 0);
  } finally {
    closeSync(fd);
  }
  if (/^PK(\x03\x04|\x05\x06)/.test(head.toString('latin1', 0, 4))) return readZip;
  const isGzip = head[0] === 0x1f && head[1] === 0x8b;
  return isGzip || head.toString('latin1', 257, 262) === 'ustar' ? readTar : undefined;
}

function readerFor(path: string): ArchiveReader {
  const reader = archiveReader(path);
  if (reader === undefined)
    throw new ArchiveError(path, `${path}: expected a zip, tar or tar.gz archive, found neither`);
  return reader;
}

/** Without the `./` before and the `/` behind that tar and folders carry. */
function plain(path: string): string {
  return path
    .replace(/^(\.\/+)+/, '')
    .replace(/^\.$/, '')
    .replace(/\/+$/, '');
}

function isLitter(path: string): boolean {
  const parts = path.split('/');
  return parts[0] === '__MACOSX' || /^(\._.*|\.DS_Store|Thumbs\.db)$/.test(parts.at(-1)!);
}
