/**
 * A download that is under way: `FILE.part` holds what has come, `FILE.part.json` what the next try, perhaps of another
 * process, must know to go on.
 */
import { createReadStream, existsSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { cannotWrite } from '../util/system-errors';
import { writeFileAtomic } from '../util/write-file';
import { StreamDigests, type Digests } from './checksums';

/** Where a part comes from, and how the server tells that its file is still the same. */
export interface Origin {
  readonly source: string;
  readonly etag?: string;
  readonly lastModified?: string;
  /** Bytes of the whole file. */
  readonly total?: number;
}

export class PartialFile {
  private constructor(
    private readonly path: string,
    private handle: FileHandle,
    private digests: StreamDigests,
    private written: number,
    private from: Origin | undefined,
  ) {}

  /** The part that is there (its digests are read again), or an empty one. */
  static async open(target: string, signal?: AbortSignal): Promise<PartialFile> {
    const path = `${target}.part`;
    const from = existsSync(path) ? readOrigin(path) : undefined;
    const handle = await open(path, from === undefined ? 'w' : 'r+').catch((error: unknown) => {
      throw cannotWrite(path, error);
    });
    const digests = new StreamDigests();
    if (from === undefined) return new PartialFile(path, handle, digests, 0, undefined);
    for await (const chunk of createReadStream(path, { signal })) digests.update(chunk as Buffer);
    return new PartialFile(path, handle, digests, digests.read().bytes, from);
  }

  get bytes(): number {
    return this.written;
  }

  get origin(): Origin | undefined {
    return this.from;
  }

  /** Forgets what has come. */
  async restart(): Promise<void> {
    await this.handle.truncate(0);
    [this.digests, this.written, this.from] = [new StreamDigests(), 0, undefined];
  }

  /** Notes whose bytes the next ones are. */
  begin(origin: Origin): void {
    this.from = origin;
    writeFileAtomic(`${this.path}.json`, JSON.stringify(origin));
  }

  async append(chunk: Uint8Array): Promise<void> {
    try {
      for (let at = 0; at < chunk.length;) {
        const { bytesWritten } = await this.handle.write(chunk, at, chunk.length - at, this.written + at);
        at += bytesWritten;
      }
    } catch (error) {
      throw cannotWrite(this.path, error);
    }
    this.digests.update(chunk);
    this.written += chunk.length;
  }

  read(): Digests {
    return this.digests.read();
  }

  get file(): string {
    return this.path;
  }

  /** Makes it the file `target`: synced, then renamed. */
  async moveTo(target: string): Promise<void> {
    await this.handle.sync();
    await this.close();
    renameSync(this.path, target);
    rmSync(`${this.path}.json`, { force: true });
  }

  /** Keeps what has come as the file `aside`, and begins anew. */
  async putAside(aside: string): Promise<void> {
    await this.handle.close();
    renameSync(this.path, aside);
    this.handle = await open(this.path, 'w');
    await this.restart();
  }

  /** Closes it; what has come stays for the next try, unless nothing has. */
  async close(): Promise<void> {
    await this.handle.close();
    if (this.written > 0) return;
    for (const path of [this.path, `${this.path}.json`]) rmSync(path, { force: true });
  }
}

/** What stands beside the part; a damaged note counts as none, so the part is begun anew. */
function readOrigin(path: string): Origin | undefined {
  try {
    const origin = JSON.parse(readFileSync(`${path}.json`, 'utf8')) as Origin;
    return typeof origin.source === 'string' ? origin : undefined;
  } catch {
    return undefined;
  }
}
