import { openPromise, type Entry, type ZipFile } from 'yauzl';
import type { RawEntry } from './archive';

/** Entries of a zip archive, as its central directory states them. */
export async function readZip(
  path: string,
  visit: (entry: RawEntry) => Promise<void>,
  signal?: AbortSignal,
): Promise<void> {
  // Names are checked by the caller, so that its error names the entry as it stands in the archive.
  const zip = await openPromise(path, { lazyEntries: true, autoClose: false, decodeStrings: true });
  try {
    for await (const entry of zip.eachEntry()) {
      signal?.throwIfAborted();
      if (entry.isEncrypted()) throw new Error(`${entry.fileName} is encrypted`);
      await visit({
        path: entry.fileName,
        kind: kindOf(entry),
        bytes: entry.uncompressedSize,
        content: () => contentOf(zip, entry),
      });
    }
  } finally {
    zip.close();
  }
}

async function* contentOf(zip: ZipFile, entry: Entry): AsyncGenerator<Uint8Array> {
  yield* (await zip.openReadStreamPromise(entry)) as AsyncIterable<Uint8Array>;
}

/** From the Unix mode, where the archive was made on such a system. */
function kindOf(entry: Entry): RawEntry['kind'] {
  if (entry.fileName.endsWith('/')) return 'folder';
  const type = (entry.externalFileAttributes >>> 16) & 0xf000;
  return type === 0 || type === 0x8000 ? 'file' : 'other';
}
