import { encodeStoredZip } from '../../src/weights/zip';

/**
 * Hand-made pickles and checkpoints, right and wrong, for the readers' tests. A pickle is a list of opcodes, each a
 * string of latin-1 characters or a Buffer (docs.python.org/3/library/pickletools gives the characters).
 */
export type Opcodes = readonly (string | Uint8Array)[];

export function bytesOfOpcodes(...opcodes: Opcodes): Buffer {
  return Buffer.concat(opcodes.map((op) => (typeof op === 'string' ? Buffer.from(op, 'latin1') : op)));
}

/** A whole pickle of protocol 2. */
export function pickle(...opcodes: Opcodes): Buffer {
  return bytesOfOpcodes('\x80\x02', ...opcodes, '.');
}

export function uint32(value: number): Buffer {
  const b = Buffer.alloc(4);
  b.writeUInt32LE(value);
  return b;
}

export function int64(value: number | bigint): Buffer {
  const b = Buffer.alloc(8);
  b.writeBigInt64LE(BigInt(value));
  return b;
}

/** BINUNICODE. */
export function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return bytesOfOpcodes('X', uint32(bytes.length), bytes);
}

/** LONG1 of eight bytes. */
export function integer(value: number | bigint): Buffer {
  return bytesOfOpcodes('\x8a\x08', int64(value));
}

export function tuple(values: readonly number[]): Buffer {
  return bytesOfOpcodes('(', ...values.map(integer), 't');
}

export interface View {
  readonly type?: string;
  readonly key?: string;
  readonly count: number;
  readonly offset?: number;
  readonly size: readonly number[];
  readonly stride: readonly number[];
}

export function storage({ type = 'FloatStorage', key = '0', count }: View): Buffer {
  return bytesOfOpcodes(
    '(',
    text('storage'),
    `ctorch\n${type}\n`,
    text(key),
    text('cpu'),
    integer(count),
    'tQ',
  );
}

/** A call of `torch._utils._rebuild_tensor_v2`. */
export function tensor(view: View): Buffer {
  return bytesOfOpcodes(
    'ctorch._utils\n_rebuild_tensor_v2\n(',
    storage(view),
    integer(view.offset ?? 0),
    tuple(view.size),
    tuple(view.stride),
    '\x89ccollections\nOrderedDict\n)RtR',
  );
}

/** A checkpoint of the ZIP form. */
export function zipForm(
  object: Uint8Array,
  storages: Readonly<Record<string, Uint8Array>> = {},
  more: Readonly<Record<string, Uint8Array>> = {},
): Buffer {
  const entries = new Map([['archive/data.pkl', [object]]]);
  for (const [key, data] of Object.entries(storages)) entries.set(`archive/data/${key}`, [data]);
  for (const [name, data] of Object.entries(more)) entries.set(name, [data]);
  return Buffer.concat(encodeStoredZip(entries));
}

/** A checkpoint of the form before PyTorch 1.6; `counts` overrides the element counts (of 4-byte elements). */
export function oldForm(
  object: Uint8Array,
  storages: Readonly<Record<string, Uint8Array>> = {},
  counts: Readonly<Record<string, number>> = {},
): Buffer {
  const keys = Object.keys(storages);
  return Buffer.concat([
    pickle('\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19'),
    pickle('M\xe9\x03'),
    pickle('}', text('little_endian'), '\x88s'),
    object,
    pickle('](', ...keys.map(text), 'e'),
    ...keys.flatMap((key) => [int64(counts[key] ?? storages[key].length / 4), storages[key]]),
  ]);
}

/** The bytes of float32 values. */
export function floats(...values: number[]): Uint8Array {
  return new Uint8Array(Float32Array.from(values).buffer);
}
