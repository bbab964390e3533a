/**
 * Downloads of one file: from the first of its sources that gives it, resumed where it broke off, checked, and in its
 * place only when it is whole.
 *
 * A part is gone on with (HTTP ranges) only where something tells that the server's file is still the same: the same
 * source's ETag or date, or a stated checksum, which then decides in the end. A source that breaks off, stalls or
 * answers with a server's error is tried again after 1, 2, 4, … seconds; one that answers with a refusal, a web page, a
 * wrong length or wrong bytes gives way to the next.
 */
import { mkdirSync, rmSync, statfsSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { InputError } from '../util/errors';
import { exclusively } from '../util/exclusive';
import { silentProgress, type Progress, type ProgressFactory } from '../util/progress';
import { isPinned, mismatch, type Digests } from './checksums';
import { confirmedAddress, driveAddress, driveRefusal } from './download-drive';
import { faultOf, HttpClient, SourceFault, type Reply, type TimeOuts } from './download-http';
import { PartialFile, type Origin } from './download-part';
import { continues, originOf } from './download-range';
import type { Checks, Source } from './manifests';
import { bytesText } from './sizes';

export interface DownloadOptions {
  readonly signal?: AbortSignal;
  readonly progress?: ProgressFactory;
  /** Told what went wrong and what happens next. */
  readonly log?: (text: string) => void;
  readonly timeOuts?: TimeOuts;
  /** How often a source is tried again without a new byte. */
  readonly retries?: number;
  readonly pause?: (ms: number, signal?: AbortSignal) => Promise<unknown>;
  /** Bytes free where a folder lies. */
  readonly freeBytes?: (folder: string) => number;
  /** Address that a Drive id is put behind. */
  readonly driveAddress?: string;
}

/** No source gave the file; a person with a browser may still get it. */
export class UnavailableError extends InputError {}

export interface Downloaded extends Digests {
  /** Address of the source that gave it. */
  readonly from: string;
}

const TIME_OUTS: TimeOuts = { connectMs: 20_000, stallMs: 60_000 };
const RETRIES = 4;
const LONGEST_PAUSE_MS = 60_000;

/** Kept free beside a download or an unpacked set: a full disk breaks more than the kit. */
export const SPARE_BYTES = 64 * 2 ** 20;

const LARGEST_PAGE = 2 ** 20;

/**
 * Brings the file `target`.
 * @param checks stated of it; what is stated must hold
 * @throws UnavailableError where no source gives it, with each one's reason; InputError where the disk is too small or
 * another process is at it. What has come stays for the next call; a file with wrong bytes is kept as `TARGET.rejected`.
 */
export async function download(
  target: string,
  sources: readonly Source[],
  checks: Checks,
  options: DownloadOptions = {},
): Promise<Downloaded> {
  mkdirSync(dirname(target), { recursive: true });
  return exclusively(`${target}.lock`, async () => {
    const client = new HttpClient(options.timeOuts ?? TIME_OUTS);
    const part = await PartialFile.open(target, options.signal);
    try {
      const job = new DownloadJob(target, checks, client, part, options);
      const done = await job.fromAny(sources);
      await part.moveTo(target);
      rmSync(`${target}.rejected`, { force: true });
      return done;
    } finally {
      await part.close();
      await client.close();
    }
  });
}

export function freeBytes(folder: string): number {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
}

class DownloadJob {
  private readonly file: string;
  private readonly pause: NonNullable<DownloadOptions['pause']>;

  constructor(
    private readonly target: string,
    private readonly checks: Checks,
    private readonly client: HttpClient,
    private readonly part: PartialFile,
    private readonly options: DownloadOptions,
  ) {
    this.file = basename(target);
    this.pause = options.pause ?? ((ms, signal) => sleep(ms, undefined, { signal }));
  }

  async fromAny(sources: readonly Source[]): Promise<Downloaded> {
    const faults: string[] = [];
    for (const source of sources) {
      const address = source.url ?? driveAddress(source.drive!, this.options.driveAddress);
      try {
        return { ...(await this.from(address, source.drive !== undefined)), from: address };
      } catch (error) {
        if (!(error instanceof SourceFault)) throw error;
        faults.push(`${address}: ${error.message}`);
        this.options.log?.(`${this.file}: ${faults.at(-1)}`);
      }
    }
    throw new UnavailableError(`could not download ${this.file}:\n  ${faults.join('\n  ')}`);
  }

  /** One source, tried again while that can help. */
  private async from(address: string, onDrive: boolean): Promise<Digests> {
    const { retries = RETRIES, log, signal } = this.options;
    let [failures, farthest, restarted] = [0, this.part.bytes, false];
    for (;;) {
      const resumed = this.canResume(address);
      try {
        if (!(resumed && this.isComplete())) await this.transfer(address, onDrive, resumed);
        const fault = await this.check();
        if (fault === undefined) return this.part.read();
        if (!resumed || restarted) {
          await this.reject();
          throw new SourceFault(`not the file that was expected (${fault})`, false);
        }
        // The beginning may be an older file's.
        log?.(`${this.file}: ${fault}; once more from the beginning`);
        restarted = true;
        await this.part.restart();
      } catch (thrown) {
        signal?.throwIfAborted();
        const fault = faultOf(thrown, this.options.timeOuts ?? TIME_OUTS);
        if (!(fault instanceof SourceFault && fault.retry)) throw fault;
        if (this.part.bytes > farthest) failures = 0; // it gets on
        farthest = Math.max(farthest, this.part.bytes);
        if (failures === retries) throw fault;
        const ms = Math.min(LONGEST_PAUSE_MS, fault.waitMs ?? 1000 * 2 ** failures);
        failures += 1;
        log?.(`${this.file}: ${fault.message}; again in ${ms / 1000} s`);
        await this.pause(ms, signal);
      }
    }
  }

  private canResume(address: string): boolean {
    const { bytes, origin } = this.part;
    if (bytes === 0 || origin === undefined) return false;
    if (isPinned(this.checks)) return true;
    return origin.source === address && (origin.etag ?? origin.lastModified) !== undefined;
  }

  private isComplete(): boolean {
    const total = this.checks.bytes ?? this.part.origin?.total;
    return this.part.bytes === total;
  }

  private async transfer(address: string, onDrive: boolean, resume: boolean): Promise<void> {
    const { part } = this;
    if (!resume && part.bytes > 0) await part.restart();
    const before = resume ? part.origin : undefined;
    const reply = await this.ask(address, onDrive, before?.source === address ? before : undefined);
    const origin = originOf(address, reply, part.bytes);
    try {
      if (reply.status === 206 && !continues(reply, part.bytes, before, origin)) {
        await part.restart();
        throw new SourceFault('its file has changed since the first part came', true, 0);
      }
      if (reply.status === 416) {
        await part.restart();
        throw new SourceFault('it has nothing after the part that came', true, 0);
      }
      if (reply.status === 200) await part.restart();
      const encoding = reply.headers['content-encoding'] ?? 'identity';
      if (encoding !== 'identity') throw new SourceFault(`sends it encoded as ${String(encoding)}`, false);
      this.requireLength(origin.total);
      this.requireSpace(origin.total);
      part.begin(origin);
      await this.receive(reply.body, origin.total);
    } finally {
      reply.body.on('error', () => undefined).destroy();
    }
  }

  /** The answer to a request for what is still to come, Drive's page between confirmed. */
  private async ask(address: string, onDrive: boolean, same: Origin | undefined): Promise<Reply> {
    const headers: Record<string, string> = {};
    if (this.part.bytes > 0) headers.range = `bytes=${this.part.bytes}-`;
    const validator = same?.etag ?? same?.lastModified;
    if (this.part.bytes > 0 && validator !== undefined) headers['if-range'] = validator;
    const { signal } = this.options;
    const reply = await this.client.get(address, headers, signal);
    if (!isPage(reply)) return reply;
    const page = await readPage(reply.body);
    if (!onDrive) throw new SourceFault('a web page came instead of the file', false);
    const confirmed = confirmedAddress(page, address);
    if (confirmed === undefined) throw new SourceFault(driveRefusal(page), false);
    const cookies = [reply.headers['set-cookie'] ?? []].flat().map((cookie) => cookie.split(';')[0]);
    if (cookies.length > 0) headers.cookie = cookies.join('; ');
    const second = await this.client.get(confirmed, headers, signal);
    if (isPage(second)) throw new SourceFault(driveRefusal(await readPage(second.body)), false);
    return second;
  }

  private requireLength(total: number | undefined): void {
    const expected = this.checks.bytes;
    if (expected === undefined || total === undefined || total === expected) return;
    throw new SourceFault(`expected ${expected} bytes, the server has ${total}`, false);
  }

  private requireSpace(total: number | undefined): void {
    if (total === undefined) return;
    const missing = total - this.part.bytes;
    const free = (this.options.freeBytes ?? freeBytes)(dirname(this.target));
    if (missing + SPARE_BYTES <= free) return;
    throw new InputError(
      `${this.file} needs ${bytesText(missing)} more, and ${dirname(this.target)} has ${bytesText(free)} free: ` +
        'make room, or name another data root with MIMICSR_DATA',
    );
  }

  private async receive(body: Readable, total: number | undefined): Promise<void> {
    const { part } = this;
    const most = this.checks.bytes ?? total ?? Infinity;
    const progress = this.startProgress(total);
    try {
      for await (const piece of body) {
        const chunk = piece as Buffer;
        if (part.bytes === 0 && looksLikePage(chunk)) {
          throw new SourceFault('a web page came instead of the file', false);
        }
        if (part.bytes + chunk.length > most) {
          await part.restart();
          throw new SourceFault(`more than ${most} bytes came`, false);
        }
        await part.append(chunk);
        progress.update(Math.floor(part.bytes / 1e6), '');
      }
    } finally {
      progress.stop();
    }
    if (part.bytes === 0) throw new SourceFault('an empty file came', true);
    if (total !== undefined && part.bytes < total) {
      throw new SourceFault(`broke off after ${part.bytes} of ${total} bytes`, true);
    }
  }

  private startProgress(total: number | undefined): Progress {
    const factory = this.options.progress ?? silentProgress;
    return factory(`${this.file} (MB)`, Math.ceil((total ?? this.checks.bytes ?? 0) / 1e6));
  }

  private check(): Promise<string | undefined> {
    return mismatch(this.part.file, this.part.read(), this.checks, this.options.signal);
  }

  /** Puts wrong bytes aside, where nothing reads them. */
  private async reject(): Promise<void> {
    const aside = `${this.target}.rejected`;
    await this.part.putAside(aside);
    this.options.log?.(`${this.file}: kept as ${aside}, which nothing reads`);
  }
}

function isPage(reply: Reply): boolean {
  return /^(text\/html|application\/xhtml)/i.test(String(reply.headers['content-type']));
}

/** For servers that call a page something else, and for what people save by mistake. */
export function looksLikePage(chunk: Buffer): boolean {
  return /^\s*(<!doctype html|<html)/i.test(chunk.subarray(0, 512).toString('latin1'));
}

async function readPage(body: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    chunks.push(chunk as Buffer);
    bytes += (chunk as Buffer).length;
    if (bytes > LARGEST_PAGE) break;
  }
  return Buffer.concat(chunks).toString('utf8');
}
