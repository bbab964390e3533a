/**
 * The safetensors format (github.com/huggingface/safetensors, readme "Format"): an unsigned 64-bit header length, a JSON
 * header that gives each tensor's dtype, shape and byte range, then the raw data. The kit's own format for checkpoints
 * and converted weights.
 *
 * The reader trusts nothing: the header is read by a scanner for exactly this JSON (so that a hostile one can neither
 * repeat a name nor build anything large), and the byte ranges must tile the data without hole, overlap or rest.
 * The writer gives the same bytes for the same input. Left out: element types that PyTorch weights do not use (8-bit
 * floats, complex numbers, unsigned 32 and 64 bits).
 */
import { InputError } from '../util/errors';
import { writeFileAtomic } from '../util/write-file';
import type { Dtype, StoredTensor } from './tensor-file';
import {
  arrayAt,
  bytesOf,
  bytesPerElement,
  DTYPES,
  elementCount,
  isConsistent,
  quoted,
  readWeightFile,
  storedTensor,
  withWeightFile,
} from './tensor-file';

export interface SafetensorsFile {
  /** In the order of the header. */
  readonly tensors: Map<string, StoredTensor>;
  readonly metadata: Record<string, string>;
}

// Far above any network's needs; with them the objects made for a header stay within a few times the file's size.
const MAX_HEADER_BYTES = 16 * 2 ** 20; // the format itself allows 100 MB
const MAX_TENSORS = 65_536;
const MAX_RANK = 64; // PyTorch's own limit

/** Whether bytes open like a safetensors file: its header's brace after eight bytes of length. */
export function looksLikeSafetensors(bytes: Uint8Array): boolean {
  return bytes[8] === 0x7b;
}

/** Reads a safetensors file. Throws an InputError that names the file and what is wrong with it. */
export function readSafetensors(path: string): SafetensorsFile {
  return parseSafetensors(readWeightFile(path), path);
}

/**
 * Reads safetensors bytes; `label` names them in errors (usually the path). The tensors are views of `bytes` where the
 * alignment allows it, so the caller must not overwrite it.
 */
export function parseSafetensors(bytes: Uint8Array, label: string): SafetensorsFile {
  const start = headerEnd(bytes.subarray(0, 8), bytes.length, label);
  const header = scanHeader(bytes.subarray(8, start), label);
  checkTiling(header.entries, bytes.length - start, label);

  const tensors = new Map<string, StoredTensor>();
  for (const [name, { dtype, shape, begin }] of header.entries) {
    const data = arrayAt(dtype, bytes, start + begin, elementCount(shape));
    tensors.set(name, storedTensor(dtype, shape, data));
  }
  return { tensors, metadata: Object.fromEntries(header.metadata) };
}

/**
 * The metadata alone, without reading the tensors.
 * @throws InputError as `readSafetensors`, but for what is wrong with the data
 */
export function readSafetensorsMetadata(path: string): SafetensorsFile['metadata'] {
  return withWeightFile(path, (size, read) => {
    const end = headerEnd(read(Math.min(8, size)), size, path);
    return Object.fromEntries(scanHeader(read(end - 8), path).metadata);
  });
}

/** Where the header ends, by the file's first eight bytes. */
function headerEnd(first: Uint8Array, fileBytes: number, label: string): number {
  if (first.length < 8) {
    throw new InputError(
      `${label}: not a safetensors file: expected at least 8 bytes, found ${first.length}`,
    );
  }
  const headerBytes = new DataView(first.buffer, first.byteOffset).getBigUint64(0, true);
  const room = Math.min(fileBytes - 8, MAX_HEADER_BYTES);
  if (headerBytes > BigInt(room)) {
    throw new InputError(
      `${label}: not a safetensors file, or a truncated one: the header is said to have ${headerBytes} bytes, there is room for ${room}`,
    );
  }
  return 8 + Number(headerBytes);
}

function scanHeader(bytes: Uint8Array, label: string): ReturnType<HeaderScanner['header']> {
  return new HeaderScanner(decodeUtf8(bytes, label), label).header();
}

/**
 * Writes tensors, named in the map's order, and string metadata. Atomic, and byte for byte the same for the same input.
 * Data lies by element size, largest first, so that every tensor is aligned to its element and maps without a copy.
 */
export function writeSafetensors(
  path: string,
  tensors: ReadonlyMap<string, StoredTensor>,
  metadata: Readonly<Record<string, string>> = {},
): void {
  writeFileAtomic(path, encodeSafetensors(tensors, metadata));
}

/** The chunks of bytes that `writeSafetensors` writes, in order. */
export function encodeSafetensors(
  tensors: ReadonlyMap<string, StoredTensor>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array[] {
  const order = [...tensors.entries()];
  order.sort(([, a], [, b]) => bytesPerElement(b.dtype) - bytesPerElement(a.dtype)); // stable
  const offsets = new Map<string, [number, number]>();
  let end = 0;
  for (const [name, tensor] of order) {
    if (name === '__metadata__') throw new RangeError("a tensor cannot be named '__metadata__'");
    if (!isConsistent(tensor)) {
      throw new RangeError(
        `tensor '${name}': ${tensor.data.length} values do not make a ${tensor.dtype} tensor of shape [${tensor.shape.join(', ')}]`,
      );
    }
    offsets.set(name, [end, end + tensor.data.byteLength]);
    end += tensor.data.byteLength;
  }

  const parts: string[] = [];
  if (Object.keys(metadata).length > 0) parts.push(`"__metadata__":${JSON.stringify(metadata)}`);
  for (const [name, { dtype, shape }] of tensors) {
    parts.push(
      `${JSON.stringify(name)}:${JSON.stringify({ dtype, shape, data_offsets: offsets.get(name) })}`,
    );
  }
  const json = Buffer.from(`{${parts.join(',')}}`);
  const padding = (8 - (json.length % 8)) % 8; // spaces, so that the data starts at a multiple of 8
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length + padding));
  return [length, json, Buffer.alloc(padding, ' '), ...order.map(([, tensor]) => bytesOf(tensor.data))];
}

interface Entry {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** Byte range [begin, end) within the data. */
  readonly begin: number;
  readonly end: number;
}

/** Every range has the size of its tensor, and together they cover the data exactly once. */
function checkTiling(entries: ReadonlyMap<string, Entry>, dataBytes: number, label: string): void {
  for (const [name, { dtype, shape, begin, end }] of entries) {
    const expected = elementCount(shape) * bytesPerElement(dtype);
    if (end - begin !== expected) {
      throw new InputError(
        `${label}: tensor ${quoted(name)}: ${dtype} [${shape.join(', ')}] needs ${expected} bytes, its data_offsets [${begin}, ${end}] hold ${end - begin}`,
      );
    }
  }
  let at = 0;
  for (const [name, { begin, end }] of [...entries].sort(
    ([, a], [, b]) => a.begin - b.begin || a.end - b.end,
  )) {
    if (begin !== at) {
      throw new InputError(
        `${label}: tensor ${quoted(name)}: expected its data to start at byte ${at}, found ${begin}`,
      );
    }
    at = end;
  }
  if (at !== dataBytes) {
    throw new InputError(`${label}: the header describes ${at} bytes of data, the file holds ${dataBytes}`);
  }
}

function decodeUtf8(bytes: Uint8Array, label: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new InputError(`${label}: not a safetensors file: the header is not UTF-8 text`);
  }
}

/**
 * Reads the header's JSON: an object of tensor entries and at most one `__metadata__` object of strings. `JSON.parse`
 * would silently keep the last of two equal names, move names that look like numbers, and build whatever it is given.
 */
class HeaderScanner {
  private at = 0;

  constructor(
    private readonly text: string,
    private readonly label: string,
  ) {}

  header(): { entries: Map<string, Entry>; metadata: Map<string, string> } {
    const entries = new Map<string, Entry>();
    let metadata: Map<string, string> | undefined;
    this.object('the header', (name) => {
      if (name === '__metadata__') {
        if (metadata) this.fail("'__metadata__' once", 'it twice');
        metadata = this.metadata();
      } else {
        if (entries.has(name)) this.fail('every tensor once', `${quoted(name)} twice`);
        if (entries.size === MAX_TENSORS) this.fail(`at most ${MAX_TENSORS} tensors`, 'more');
        entries.set(name, this.entry(name));
      }
    });
    this.space();
    if (this.at !== this.text.length) this.fail('the end of the header', this.shown());
    return { entries, metadata: metadata ?? new Map<string, string>() };
  }

  private metadata(): Map<string, string> {
    const metadata = new Map<string, string>();
    this.object("'__metadata__'", (key) => {
      if (metadata.has(key)) this.fail('every metadata key once', `${quoted(key)} twice`);
      if (metadata.size === MAX_TENSORS) this.fail(`at most ${MAX_TENSORS} metadata keys`, 'more');
      metadata.set(key, this.string());
    });
    return metadata;
  }

  private entry(name: string): Entry {
    let dtype: Dtype | undefined;
    let shape: number[] | undefined;
    let offsets: number[] | undefined;
    this.object(`tensor ${quoted(name)}`, (key) => {
      if (key === 'dtype' && dtype === undefined) {
        const found = this.string();
        dtype = DTYPES.find((d) => d === found);
        if (dtype === undefined)
          this.fail(`${quoted(name)} with a dtype among ${DTYPES.join(', ')}`, quoted(found));
      } else if (key === 'shape' && shape === undefined) {
        shape = this.integers(MAX_RANK);
      } else if (key === 'data_offsets' && offsets === undefined) {
        offsets = this.integers(2);
      } else {
        this.fail(`${quoted(name)} with dtype, shape and data_offsets once each`, quoted(key));
      }
    });
    if (dtype === undefined || shape === undefined || offsets?.length !== 2) {
      return this.fail(`${quoted(name)} with dtype, shape and two data_offsets`, 'less');
    }
    if (!Number.isSafeInteger(elementCount(shape) * 8))
      this.fail(`${quoted(name)} with a sane shape`, `[${shape.join(', ')}]`);
    return { dtype, shape, begin: offsets[0], end: offsets[1] };
  }

  /** An object; `member` reads the value of each key. */
  private object(what: string, member: (key: string) => void): void {
    if (!this.skip('{')) this.fail(`${what} as a JSON object`, this.shown());
    if (this.skip('}')) return;
    do {
      const key = this.string();
      if (!this.skip(':')) this.fail(`':' after ${quoted(key)}`, this.shown());
      member(key);
    } while (this.skip(','));
    if (!this.skip('}')) this.fail(`',' or '}' in ${what}`, this.shown());
  }

  /** An array of at most `limit` non-negative integers. */
  private integers(limit: number): number[] {
    const values: number[] = [];
    if (!this.skip('[')) this.fail('an array of integers', this.shown());
    if (this.skip(']')) return values;
    do {
      this.space();
      const number = /(?:0|[1-9][0-9]{0,15})(?![0-9.eE])/y;
      number.lastIndex = this.at;
      const match = number.exec(this.text);
      const value = match ? Number(match[0]) : NaN;
      if (!match || !Number.isSafeInteger(value)) this.fail('a non-negative integer', this.shown());
      if (values.length === limit) this.fail(`at most ${limit} integers`, 'more');
      this.at += match[0].length;
      values.push(value);
    } while (this.skip(','));
    if (!this.skip(']')) this.fail("',' or ']' in an array of integers", this.shown());
    return values;
  }

  private string(): string {
    this.space();
    const from = this.at;
    if (this.text[from] !== '"') this.fail('a string', this.shown());
    let to = from + 1;
    while (to < this.text.length && this.text[to] !== '"') to += this.text[to] === '\\' ? 2 : 1;
    try {
      const value = JSON.parse(this.text.slice(from, to + 1)) as string;
      this.at = to + 1;
      return value;
    } catch {
      return this.fail('a string', this.shown());
    }
  }

  /** Steps over `character`, after white space, if it is next. */
  private skip(character: string): boolean {
    this.space();
    if (this.text[this.at] !== character) return false;
    this.at++;
    return true;
  }

  private space(): void {
    while (' \t\n\r'.includes(this.text[this.at] ?? 'x')) this.at++;
  }

  private shown(): string {
    return this.at < this.text.length ? JSON.stringify(this.text.slice(this.at, this.at + 20)) : 'its end';
  }

  private fail(expected: string, found: string): never {
    throw new InputError(
      `${this.label}: not a valid safetensors header: expected ${expected}, found ${found} (character ${this.at})`,
    );
  }
}
