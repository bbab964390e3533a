import { createReadStream } from 'node:fs';
import { Parser, type ReadEntry } from 'tar';
import type { RawEntry } from './archive';

const KINDS: Readonly<Record<string, RawEntry['kind']>> = {
  File: 'file',
  OldFile: 'file',
  ContiguousFile: 'file',
  Directory: 'folder',
  GNUDumpDir: 'folder',
};

/** Entries of a tar archive, plain or with gzip. */
export function readTar(
  path: string,
  visit: (entry: RawEntry) => Promise<void>,
  signal?: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const source = createReadStream(path, { signal });
    let visits = Promise.resolve();
    let current: ReadEntry | undefined;
    const fail = (error: Error): void => {
      source.destroy();
      current?.destroy(); // whoever reads it would wait for ever
      reject(error);
    };
    // The parser holds the next entry back until this one has been read; its visit may still be writing then.
    const onReadEntry = (entry: ReadEntry): void => {
      current = entry;
      visits = visits.then(() => visit(rawEntry(entry))).then(() => void entry.resume());
      visits.catch(fail); // no entry after a failed one is visited
    };
    const parser = new Parser({ strict: true, onReadEntry });
    parser.on('end', () => void visits.then(resolve, fail));
    parser.on('error', fail);
    source.on('error', fail);
    source.pipe(parser);
  });
}

function rawEntry(entry: ReadEntry): RawEntry {
  return {
    path: entry.path,
    kind: KINDS[entry.type] ?? 'other',
    bytes: entry.size,
    content: () => entry as AsyncIterable<Buffer>,
  };
}
