import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { InputError } from '../../src/util/errors';
import {
  encodeSafetensors,
  parseSafetensors,
  readSafetensors,
  readSafetensorsMetadata,
  writeSafetensors,
} from '../../src/weights/safetensors';
import type { Dtype, StoredTensor } from '../../src/weights/tensor-file';
import {
  DTYPES,
  elementCount,
  float32Tensor,
  newArray,
  storedTensor,
  toFloat32,
} from '../../src/weights/tensor-file';
import { NO_SHARED, SHARED, shared } from '../shared';

const folder = mkdtempSync(join(tmpdir(), 'mimicsr-safetensors-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** A file of the given header text and data bytes. */
function fileOf(header: string, data: Uint8Array | number = 0): Uint8Array {
  const text = Buffer.from(header);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text, typeof data === 'number' ? Buffer.alloc(data) : data]);
}

const parse = (header: string, data: Uint8Array | number = 0) =>
  parseSafetensors(fileOf(header, data), 'x.safetensors');
const encode = (tensors: Map<string, StoredTensor>, metadata?: Record<string, string>) =>
  Buffer.concat(encodeSafetensors(tensors, metadata));

describe('safetensors: what is written is read back', () => {
  it('any names, types, shapes and metadata, in the given order', () => {
    const tensor = fc
      .tuple(fc.constantFrom(...DTYPES), fc.array(fc.nat(4), { maxLength: 4 }), fc.nat(255))
      .map(([dtype, shape, fill]) => {
        const data = newArray(dtype, elementCount(shape));
        new Uint8Array(data.buffer).forEach((_, i, bytes) => (bytes[i] = (fill + 7 * i) & 0xff));
        return storedTensor(dtype, shape, data);
      });
    const name = fc.oneof(
      fc.string({ unit: 'grapheme' }),
      fc.constantFrom('__proto__', 'constructor', '10', '2', 'a.b', ''),
    );
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.tuple(name, tensor), { selector: ([n]) => n, maxLength: 8 }),
        fc.dictionary(name, fc.string({ unit: 'grapheme' })),
        (entries, metadata) => {
          const bytes = encode(new Map(entries), metadata);
          const read = parseSafetensors(bytes, 'x');
          expect([...read.tensors.keys()]).toEqual(entries.map(([n]) => n));
          for (const [n, t] of entries) {
            const got = read.tensors.get(n)!;
            expect([got.dtype, got.shape]).toEqual([t.dtype, t.shape]);
            expect(Buffer.from(got.data.buffer, got.data.byteOffset, got.data.byteLength)).toEqual(
              Buffer.from(t.data.buffer),
            );
          }
          expect(Object.entries(read.metadata).sort()).toEqual(Object.entries(metadata).sort());
          expect(encode(read.tensors, read.metadata).equals(bytes)).toBe(true);
        },
      ),
      { numRuns: 300, seed: 1 },
    );
  });

  it('through a file, leaving nothing else in the folder', () => {
    const path = join(folder, 'a.safetensors');
    const weight = float32Tensor([2, 3], Float32Array.of(1, -2, 3.5, NaN, Infinity, -0));
    writeSafetensors(path, new Map([['weight', weight]]), { step: '12' });
    expect(readdirSync(folder)).toEqual(['a.safetensors']);
    const { tensors, metadata } = readSafetensors(path);
    expect(tensors.get('weight')).toEqual(weight);
    expect(metadata).toEqual({ step: '12' });
    expect(readSafetensorsMetadata(path)).toEqual({ step: '12' });
  });

  it('with the data at a multiple of 8 and every tensor aligned to its element, whatever the order of the types', () => {
    const tensors = new Map<string, StoredTensor>([
      ['mask', storedTensor('BOOL', [3], Uint8Array.of(1, 0, 1))],
      ['half', storedTensor('F16', [1], Uint16Array.of(0x3c00))],
      ['index', storedTensor('I64', [2], BigInt64Array.of(-1n, 2n ** 62n))],
      ['weight', float32Tensor([1], Float32Array.of(0.1))],
    ]);
    const bytes = encode(tensors);
    const headerBytes = Number(bytes.readBigUInt64LE(0));
    expect(headerBytes % 8).toBe(0);
    const header = JSON.parse(bytes.toString('utf8', 8, 8 + headerBytes)) as Record<
      string,
      { data_offsets: [number, number] }
    >;
    expect(Object.keys(header)).toEqual([...tensors.keys()]);
    for (const [name, { data }] of tensors)
      expect(header[name].data_offsets[0] % data.BYTES_PER_ELEMENT).toBe(0);
    expect(parseSafetensors(bytes, 'x').tensors).toEqual(tensors);
  });

  it('a tensor that is not aligned in the file is still read', () => {
    const bytes = fileOf(
      '{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}} ',
      Buffer.from([0, 0, 128, 63]),
    );
    expect(parseSafetensors(bytes, 'x').tensors.get('a')!.data).toEqual(Float32Array.of(1));
  });

  it('refuses to write a tensor whose data does not fill its shape, or one named __metadata__', () => {
    const bad = { dtype: 'F32', shape: [3], data: new Float32Array(2) } as const;
    expect(() => encodeSafetensors(new Map([['w', bad]]))).toThrow("tensor 'w': 2 values do not make");
    expect(() =>
      encodeSafetensors(new Map([['__metadata__', float32Tensor([], Float32Array.of(1))]])),
    ).toThrow(RangeError);
  });
});

describe('safetensors: values as float32', () => {
  it('every half-precision pattern has the value that its definition gives', () => {
    const all = Uint16Array.from({ length: 65536 }, (_, i) => i);
    const half = toFloat32(storedTensor('F16', [65536], all));
    const known: [number, number][] = [
      [0x0000, 0],
      [0x0001, 2 ** -24],
      [0x03ff, 1023 * 2 ** -24],
      [0x0400, 2 ** -14],
      [0x3c00, 1],
      [0xc000, -2],
      [0x7bff, 65504],
      [0x7c00, Infinity],
      [0xfc00, -Infinity],
    ];
    for (const [bits, value] of known) expect(half[bits]).toBe(value);
    expect(half[0x8000]).toBe(-0);
    expect(half[0x7e00]).toBeNaN();
    expect(half.subarray(1, 0x7c01).every((value, i) => value > half[i])).toBe(true);
  });

  it.each<[Dtype, StoredTensor['data'], number[]]>([
    ['BF16', Uint16Array.of(0x3f80, 0xc040, 0x7f80), [1, -3, Infinity]],
    ['F64', Float64Array.of(0.1, -2), [Math.fround(0.1), -2]],
    ['I64', BigInt64Array.of(-5n, 7n), [-5, 7]],
    ['I32', Int32Array.of(-5, 7), [-5, 7]],
    ['I16', Int16Array.of(-5, 7), [-5, 7]],
    ['I8', Int8Array.of(-5, 7), [-5, 7]],
    ['U16', Uint16Array.of(65535), [65535]],
    ['U8', Uint8Array.of(255), [255]],
    ['BOOL', Uint8Array.of(0, 1), [0, 1]],
  ])('%s', (dtype, data, values) => {
    expect([...toFloat32(storedTensor(dtype, [data.length], data))]).toEqual(values);
  });
});

describe('safetensors: a file that is not right is refused with its name, what was expected and what was found', () => {
  const f32 = (shape: string, offsets: string) =>
    `{"dtype":"F32","shape":${shape},"data_offsets":${offsets}}`;
  it.each<[string, string, number, RegExp]>([
    ['a header that is not JSON', 'hello', 0, /expected the header as a JSON object, found "hello"/],
    ['rest after the header', '{} x', 0, /expected the end of the header, found "x"/],
    [
      'an unfinished header',
      `{"a":${f32('[1]', '[0,4]')}`,
      4,
      /expected ',' or '}' in the header, found its end/,
    ],
    [
      'a name twice',
      `{"a":${f32('[0]', '[0,0]')},"a":${f32('[0]', '[0,0]')}}`,
      0,
      /every tensor once, found 'a' twice/,
    ],
    [
      'a name twice, spelt otherwise',
      `{"a":${f32('[0]', '[0,0]')},"\\u0061":${f32('[0]', '[0,0]')}}`,
      0,
      /'a' twice/,
    ],
    ['metadata twice', '{"__metadata__":{},"__metadata__":{}}', 0, /'__metadata__' once/],
    ['metadata that is not text', '{"__metadata__":{"a":1}}', 0, /expected a string, found "1}}"/],
    [
      'an unknown dtype',
      '{"a":{"dtype":"F31","shape":[],"data_offsets":[0,4]}}',
      4,
      /'a' with a dtype among .*F32.*, found 'F31'/,
    ],
    ['an unknown field', '{"a":{"dtype":"F32","shape":[],"stride":[0,4]}}', 4, /once each, found 'stride'/],
    ['a missing field', '{"a":{"dtype":"F32","shape":[]}}', 4, /two data_offsets, found less/],
    ['a negative size', `{"a":${f32('[-1]', '[0,4]')}}`, 4, /a non-negative integer, found "-1/],
    ['a fractional size', `{"a":${f32('[1.0]', '[0,4]')}}`, 4, /a non-negative integer, found "1.0/],
    ['a size beyond 2^53', `{"a":${f32('[9007199254740993]', '[0,4]')}}`, 4, /a non-negative integer/],
    ['a shape that overflows', `{"a":${f32('[1000000000,1000000000]', '[0,4]')}}`, 4, /a sane shape/],
    ['65 dimensions', `{"a":${f32(`[${Array(65).fill(1).join()}]`, '[0,4]')}}`, 4, /at most 64 integers/],
    [
      'a range of another size than the tensor',
      `{"a":${f32('[2]', '[0,4]')}}`,
      4,
      /tensor 'a': F32 \[2\] needs 8 bytes, its data_offsets \[0, 4\] hold 4/,
    ],
    ['a range that ends before it starts', `{"a":${f32('[1]', '[4,0]')}}`, 4, /needs 4 bytes, .* hold -4/],
    [
      'overlapping ranges',
      `{"a":${f32('[2]', '[0,8]')},"b":${f32('[1]', '[4,8]')}}`,
      8,
      /tensor 'b': expected its data to start at byte 8, found 4/,
    ],
    [
      'a hole',
      `{"a":${f32('[1]', '[0,4]')},"b":${f32('[1]', '[8,12]')}}`,
      12,
      /tensor 'b': expected its data to start at byte 4, found 8/,
    ],
    [
      'data missing at the end',
      `{"a":${f32('[2]', '[0,8]')}}`,
      7,
      /describes 8 bytes of data, the file holds 7/,
    ],
    [
      'data too much at the end',
      `{"a":${f32('[2]', '[0,8]')}}`,
      9,
      /describes 8 bytes of data, the file holds 9/,
    ],
  ])('%s', (_, header, data, message) => {
    expect(() => parse(header, data)).toThrow(message);
    expect(() => parse(header, data)).toThrow(InputError);
    expect(() => parse(header, data)).toThrow(/^x\.safetensors: /);
  });

  it('a file shorter than its own header', () => {
    expect(() => parseSafetensors(new Uint8Array(7), 'x')).toThrow(/at least 8 bytes, found 7/);
    const long = new Uint8Array(16).fill(0xff, 0, 8);
    expect(() => parseSafetensors(long, 'x')).toThrow(
      /header is said to have 18446744073709551615 bytes.* room for 8/,
    );
    expect(() => parseSafetensors(fileOf(Buffer.from([0x7b, 0xff, 0x7d]).toString('latin1')), 'x')).toThrow(
      InputError,
    );
  });

  it('so is one of which the metadata alone is read', () => {
    const path = join(folder, 'short.safetensors');
    for (const [bytes, message] of [
      [new Uint8Array(7), /short\.safetensors: .*at least 8 bytes, found 7/],
      [new Uint8Array(16).fill(0xff, 0, 8), /short\.safetensors: .* room for 8/],
      [fileOf('{"__metadata__":'), /short\.safetensors: not a valid safetensors header/],
    ] as const) {
      writeFileSync(path, bytes);
      expect(() => readSafetensorsMetadata(path)).toThrow(message);
    }
  });

  it('a header that is not UTF-8', () => {
    const bytes = Buffer.concat([Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]), Buffer.from([0xff])]);
    expect(() => parseSafetensors(bytes, 'x')).toThrow(/not UTF-8/);
  });

  it('more tensors than any network has', () => {
    const entry = f32('[0]', '[0,0]');
    const header = `{${Array.from({ length: 65_537 }, (_, i) => `"${i}":${entry}`).join()}}`;
    expect(() => parse(header)).toThrow(/at most 65536 tensors/);
  });

  it('a path that is missing, a folder, or empty', () => {
    expect(() => readSafetensors(join(folder, 'none.safetensors'))).toThrow(
      /none\.safetensors: cannot read .*ENOENT/,
    );
    expect(() => readSafetensorsMetadata(join(folder, 'none.safetensors'))).toThrow(
      /none\.safetensors: cannot read .*ENOENT/,
    );
    expect(() => readSafetensorsMetadata(folder)).toThrow(/expected a weight file, found a folder/);
    expect(() => readSafetensors(folder)).toThrow(/expected a weight file, found a folder/);
    writeFileSync(join(folder, 'empty.safetensors'), '');
    expect(() => readSafetensors(join(folder, 'empty.safetensors'))).toThrow(InputError);
  });

  it('a name of a million characters does not fill the message', () => {
    const name = 'n'.repeat(1e6);
    const entry = f32('[1]', '[0,5]');
    expect(() => parse(`{"${name}":${entry}}`, 5)).toThrow(/^.{1,400}$/);
  });
});

describe.skipIf(!SHARED)(`safetensors written by others (${NO_SHARED})`, () => {
  it('is read whole and, written again, holds the same', () => {
    const path = shared('data', 'weights', 'raft-small.safetensors');
    const { tensors, metadata } = readSafetensors(path);
    expect(tensors.size).toBeGreaterThan(100);
    const again = parseSafetensors(encode(tensors, metadata), 'again');
    expect(encode(again.tensors, again.metadata).equals(encode(tensors, metadata))).toBe(true);
    const values = [...tensors.values()].reduce((n, t) => n + t.data.byteLength, 0);
    expect(readFileSync(path).length).toBeGreaterThan(values);
  });
});
