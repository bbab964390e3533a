/**
 * ZIP archives as PyTorch writes them (PKWARE APPNOTE 6.3, sections 4.3 and 4.4): entries stored, not compressed, so that
 * a file can hold no more than its own size. Names are keys and nothing else; no file is ever made from one.
 *
 * Left out, and refused: compression, encryption, archives in parts, entries or archives of 4 GiB and more.
 */
import { crc32 } from 'node:zlib';
import { InputError } from '../util/errors';
import { quoted } from './tensor-file';

const LOCAL_HEADER = 0x04034b50;
const CENTRAL_HEADER = 0x02014b50;
const END_RECORD = 0x06054b50;
const LOCAL_SIZE = 30;
const CENTRAL_SIZE = 46;
const END_SIZE = 22;
const ENCRYPTED = 1;
/** Sizes follow the data instead of standing in the local header. */
const SIZES_FOLLOW = 8;
const UTF8_NAMES = 0x800;

interface Entry {
  readonly name: string;
  readonly flags: number;
  readonly crc: number;
  readonly size: number;
  readonly offset: number;
}

/**
 * The entries of a ZIP archive, as views of `bytes`, in the archive's order. Every entry is checked: its two headers
 * agree, it lies inside the file, overlaps no other, and its CRC-32 is right. Throws an InputError that starts with
 * `label`.
 */
export function readStoredZip(bytes: Uint8Array, label: string): Map<string, Uint8Array> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const directory = findDirectory(view, label);
  const entries = readDirectory(bytes, view, directory, label);

  const contents = new Map<string, Uint8Array>();
  let end = 0; // of the entry before, in file order
  for (const entry of [...entries].sort((a, b) => a.offset - b.offset)) {
    if (entry.offset < end)
      throw new InputError(`${label}: ZIP entry ${quoted(entry.name)} overlaps the one before it`);
    const start = dataStart(bytes, view, entry, directory.start, label);
    end = start + entry.size;
    const data = bytes.subarray(start, end);
    const crc = crc32(data);
    if (crc !== entry.crc) {
      throw new InputError(
        `${label}: ZIP entry ${quoted(entry.name)} is damaged: expected CRC-32 ${hex(entry.crc)}, found ${hex(crc)}`,
      );
    }
    contents.set(entry.name, data);
  }
  return new Map(entries.map(({ name }) => [name, contents.get(name)!]));
}

/** Where the central directory lies, by the end record, which only a comment may follow. */
function findDirectory(view: DataView, label: string): { start: number; end: number; count: number } {
  const last = view.byteLength - END_SIZE;
  for (let at = last; at >= Math.max(0, last - 0xffff); at--) {
    if (view.getUint32(at, true) !== END_RECORD || view.getUint16(at + 20, true) !== last - at) continue;
    const count = view.getUint16(at + 10, true);
    const size = view.getUint32(at + 12, true);
    const start = view.getUint32(at + 16, true);
    if (view.getUint32(at + 4, true) !== 0 || view.getUint16(at + 8, true) !== count) {
      throw new InputError(`${label}: expected a ZIP archive in one part, found a part of several`);
    }
    if (count === 0xffff || size === 0xffffffff || start === 0xffffffff) {
      throw new InputError(
        `${label}: expected a ZIP archive of less than 4 GiB and 65535 entries, found a larger one`,
      );
    }
    if (start + size > at) {
      throw new InputError(
        `${label}: the ZIP directory is said to end at byte ${start + size}, after its end record`,
      );
    }
    return { start, end: start + size, count };
  }
  throw new InputError(`${label}: truncated: expected a ZIP archive, found no end record`);
}

function readDirectory(
  bytes: Uint8Array,
  view: DataView,
  directory: { start: number; end: number; count: number },
  label: string,
): Entry[] {
  const entries: Entry[] = [];
  const names = new Set<string>();
  let at = directory.start;
  for (let i = 0; i < directory.count; i++) {
    if (at + CENTRAL_SIZE > directory.end || view.getUint32(at, true) !== CENTRAL_HEADER) {
      throw new InputError(`${label}: expected ${directory.count} entries in the ZIP directory, found ${i}`);
    }
    const nameSize = view.getUint16(at + 28, true);
    const rest = nameSize + view.getUint16(at + 30, true) + view.getUint16(at + 32, true);
    if (at + CENTRAL_SIZE + rest > directory.end) {
      throw new InputError(`${label}: entry ${i} of the ZIP directory is longer than the directory`);
    }
    const name = nameAt(bytes, at + CENTRAL_SIZE, nameSize);
    const flags = view.getUint16(at + 8, true);
    const method = view.getUint16(at + 10, true);
    const size = view.getUint32(at + 24, true);
    if (flags & ENCRYPTED) throw new InputError(`${label}: ZIP entry ${quoted(name)} is encrypted`);
    if (method !== 0 || view.getUint32(at + 20, true) !== size) {
      throw new InputError(
        `${label}: ZIP entry ${quoted(name)}: expected stored data, as PyTorch writes it, found compression method ${method}`,
      );
    }
    if (names.has(name)) throw new InputError(`${label}: ZIP entry ${quoted(name)} occurs twice`);
    names.add(name);
    entries.push({
      name,
      flags,
      crc: view.getUint32(at + 16, true),
      size,
      offset: view.getUint32(at + 42, true),
    });
    at += CENTRAL_SIZE + rest;
  }
  if (at !== directory.end) {
    throw new InputError(`${label}: the ZIP directory goes on after its ${directory.count} entries`);
  }
  return entries;
}

/** First byte of an entry's data, after its local header, which must say what the directory says. */
function dataStart(bytes: Uint8Array, view: DataView, entry: Entry, limit: number, label: string): number {
  const { offset, size } = entry;
  const bad = (what: string): InputError =>
    new InputError(`${label}: ZIP entry ${quoted(entry.name)} ${what}`);
  if (offset + LOCAL_SIZE > limit || view.getUint32(offset, true) !== LOCAL_HEADER) {
    throw bad(`has no local header at byte ${offset}`);
  }
  const nameSize = view.getUint16(offset + 26, true);
  const start = offset + LOCAL_SIZE + nameSize + view.getUint16(offset + 28, true);
  if (start + size > limit) throw bad(`has ${size} bytes, which the file does not hold`);
  const local = nameAt(bytes, offset + LOCAL_SIZE, nameSize);
  const sizes = [view.getUint32(offset + 18, true), view.getUint32(offset + 22, true)];
  const sizesAgree = sizes.every((s) => s === size || (s === 0 && (entry.flags & SIZES_FOLLOW) !== 0));
  if (local !== entry.name || view.getUint16(offset + 8, true) !== 0 || !sizesAgree) {
    throw bad('has a local header that contradicts the directory');
  }
  return start;
}

function nameAt(bytes: Uint8Array, at: number, size: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + at, size).toString('utf8');
}

function hex(crc: number): string {
  return crc.toString(16).padStart(8, '0');
}

/**
 * The bytes of a ZIP archive with these entries, stored, as chunks. Data starts at multiples of 64 bytes (by padding in
 * an extra field "FB"), as PyTorch does for mapping a file into memory. The same entries give the same bytes.
 */
export function encodeStoredZip(entries: ReadonlyMap<string, readonly Uint8Array[]>): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  const directory: Uint8Array[] = [];
  let at = 0;
  const add = (chunk: Uint8Array): void => {
    chunks.push(chunk);
    at += chunk.length;
  };
  for (const [name, parts] of entries) {
    const nameBytes = Buffer.from(name);
    const size = parts.reduce((n, part) => n + part.length, 0);
    const crc = parts.reduce((c, part) => crc32(part, c), 0);
    const offset = at;
    if (offset + size >= 0xffffffff) throw new RangeError('a ZIP archive of 4 GiB or more is not supported');

    const headerEnd = offset + LOCAL_SIZE + nameBytes.length + 4;
    const padding = (64 - (headerEnd % 64)) % 64;
    const extra = Buffer.alloc(4 + padding, 'Z');
    extra.write('FB');
    extra.writeUInt16LE(padding, 2);

    // Fields that both headers share: version needed, flags, method, time, date, CRC, sizes, name and extra lengths.
    const common = (extraSize: number): Buffer => {
      const b = Buffer.alloc(26);
      b.writeUInt16LE(10, 0);
      b.writeUInt16LE(UTF8_NAMES, 2);
      b.writeUInt16LE(0x21, 8); // 1 January 1980: the same bytes on any day
      b.writeUInt32LE(crc, 10);
      b.writeUInt32LE(size, 14);
      b.writeUInt32LE(size, 18);
      b.writeUInt16LE(nameBytes.length, 22);
      b.writeUInt16LE(extraSize, 24);
      return b;
    };
    add(Buffer.concat([uint32(LOCAL_HEADER), common(extra.length), nameBytes, extra]));
    for (const part of parts) add(part);

    const tail = Buffer.alloc(14); // comment length, disk, attributes, offset of the local header
    tail.writeUInt32LE(offset, 10);
    directory.push(Buffer.concat([uint32(CENTRAL_HEADER), Buffer.from([10, 0]), common(0), tail, nameBytes]));
  }
  const directoryStart = at;
  for (const record of directory) add(record);
  const end = Buffer.alloc(END_SIZE);
  end.writeUInt32LE(END_RECORD, 0);
  end.writeUInt16LE(directory.length, 8);
  end.writeUInt16LE(directory.length, 10);
  end.writeUInt32LE(at - directoryStart, 12);
  end.writeUInt32LE(directoryStart, 16);
  add(end);
  return chunks;
}

function uint32(value: number): Buffer {
  const b = Buffer.alloc(4);
  b.writeUInt32LE(value);
  return b;
}
