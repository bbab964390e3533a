/**
 * Reads MATLAB's MAT-file of level 5 (.mat of `save -v6` and `-v7`; MathWorks, "MAT-File Format"), in which the authors of
 * image-quality metrics publish their models: a header of 128 bytes, then data elements, a tag (type, bytes) before each;
 * an element of type 15 is another one, deflated.
 *
 * Numbers are views of the file's bytes as they are stored, which may be narrower than their class. Left out: big-endian
 * files, complex and sparse arrays, objects, and the HDF5 files of `-v7.3`.
 */
import { inflateSync } from 'node:zlib';
import { InputError } from '../util/errors';
import { quoted, readWeightFile } from './tensor-file';

export type MatNumbers =
  Float64Array | Float32Array | Int32Array | Uint32Array | Int16Array | Uint16Array | Int8Array | Uint8Array;

/** Array dimensions as MATLAB has them; elements are in column-major order. */
export type MatValue =
  | { readonly kind: 'numbers'; readonly shape: readonly number[]; readonly data: MatNumbers }
  | { readonly kind: 'cells'; readonly shape: readonly number[]; readonly cells: readonly MatValue[] }
  | {
      readonly kind: 'structs';
      readonly shape: readonly number[];
      readonly structs: readonly ReadonlyMap<string, MatValue>[];
    };

interface NumberType {
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBufferLike, byteOffset: number, length: number): MatNumbers;
}

/** By element type: mi... of the format. */
const NUMBER_TYPES: Readonly<Record<number, NumberType>> = {
  1: Int8Array,
  2: Uint8Array,
  3: Int16Array,
  4: Uint16Array,
  5: Int32Array,
  6: Uint32Array,
  7: Float32Array,
  9: Float64Array,
  16: Uint8Array, // UTF-8
  17: Uint16Array, // UTF-16
};
const MATRIX = 14;
const COMPRESSED = 15;

/** Array classes, mx... of the format. */
const CELL = 1;
const STRUCT = 2;
const CHAR = 4;
const DOUBLE = 6;
const UINT32 = 13;

const MOST_BYTES = 2 ** 31 - 1; // inflated
const DEEPEST = 16;

/** The variables of a .mat file. Throws an InputError that names the file and what is wrong with it. */
export function readMat(path: string): Map<string, MatValue> {
  return parseMat(readWeightFile(path), path);
}

/** The variables in the bytes of a .mat file; `label` names them in errors. */
export function parseMat(bytes: Uint8Array, label: string): Map<string, MatValue> {
  if (
    bytes.length < 128 ||
    bytes[124] !== 0 ||
    bytes[125] !== 1 ||
    bytes[126] !== 0x49 ||
    bytes[127] !== 0x4d
  ) {
    const hdf5 = bytes.length >= 128 && bytes[125] === 2;
    throw new InputError(
      `${label}: expected a little-endian MAT-file of level 5${hdf5 ? ', found one of level 7.3: save it with -v7' : ''}`,
    );
  }
  const variables = new Map<string, MatValue>();
  const file = new Cursor(bytes, 128, bytes.length, label);
  while (!file.atEnd()) {
    let element = file.next();
    if (element.type === COMPRESSED) element = inflated(element, label).next();
    if (element.type !== MATRIX) throw element.body.wrong(`a variable, found element type ${element.type}`);
    const { name, value } = matrix(element.body, 0);
    variables.set(name, value);
  }
  return variables;
}

interface Element {
  readonly type: number;
  readonly body: Cursor;
}

/** A range of the file that is read element by element. */
class Cursor {
  constructor(
    private readonly bytes: Uint8Array,
    private at: number,
    private readonly end: number,
    private readonly label: string,
  ) {}

  atEnd(): boolean {
    return this.at >= this.end;
  }

  next(): Element {
    const { bytes, at, end } = this;
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    if (at + 8 > end) throw this.wrong('a data element, found the end');
    const tag = view.getUint32(at, true);
    // A short element has its size in the upper half of the type, and its data in the tag.
    const short = tag >>> 16 !== 0;
    const size = short ? tag >>> 16 : view.getUint32(at + 4, true);
    const start = short ? at + 4 : at + 8;
    const type = tag & 0xffff;
    if (start + size > (short ? at + 8 : end))
      throw this.wrong(`${size} bytes, found the end: the file is cut short`);
    // All but deflated elements are padded to 8 bytes.
    this.at = short
      ? at + 8
      : type === COMPRESSED
        ? start + size
        : Math.min(start + Math.ceil(size / 8) * 8, end);
    return { type, body: new Cursor(bytes, start, start + size, this.label) };
  }

  /** All that is left. */
  rest(): Uint8Array {
    return this.bytes.subarray(this.at, this.end);
  }

  wrong(expected: string): InputError {
    return new InputError(`${this.label}: expected ${expected} (byte ${this.at})`);
  }
}

function inflated({ body }: Element, label: string): Cursor {
  let bytes: Buffer;
  try {
    bytes = inflateSync(body.rest(), { maxOutputLength: MOST_BYTES });
  } catch (error) {
    throw body.wrong(`a deflated variable of less than 2 GiB (${(error as Error).message})`);
  }
  return new Cursor(bytes, 0, bytes.length, label);
}

/** An array: flags, dimensions, name, then what its class holds. */
function matrix(body: Cursor, depth: number): { name: string; value: MatValue } {
  if (depth > DEEPEST) throw body.wrong('arrays nested less deeply');
  if (body.atEnd()) return { name: '', value: { kind: 'numbers', shape: [0, 0], data: new Float64Array() } };
  const flags = numbers(body.next())[0];
  const arrayClass = flags & 0xff;
  const shape = Array.from(numbers(body.next()));
  const name = text(body.next());
  const length = shape.reduce((n, d) => n * d, 1);
  if (shape.some((d) => d < 0) || !(length <= MOST_BYTES)) {
    throw body.wrong(`dimensions of an array, found [${shape.join(', ')}]`);
  }
  if ((flags & 0x800) !== 0) throw body.wrong(`real numbers in ${quoted(name)}, found complex ones`);
  const child = (): MatValue => {
    const element = body.next();
    if (element.type !== MATRIX)
      throw body.wrong(`an array in ${quoted(name)}, found element type ${element.type}`);
    return matrix(element.body, depth + 1).value;
  };
  if (arrayClass === CELL) {
    const cells: MatValue[] = [];
    while (cells.length < length) cells.push(child());
    return { name, value: { kind: 'cells', shape, cells } };
  }
  if (arrayClass === STRUCT) {
    const nameLength = numbers(body.next())[0];
    const names = text(body.next(), true);
    const fields = Array.from({ length: nameLength > 0 ? names.length / nameLength : 0 }, (_, i) =>
      names.slice(i * nameLength, (i + 1) * nameLength).replace(/\0.*$/s, ''),
    );
    const structs: Map<string, MatValue>[] = [];
    while (structs.length < length && fields.length > 0) {
      structs.push(new Map(fields.map((field) => [field, child()])));
    }
    return { name, value: { kind: 'structs', shape, structs } };
  }
  if (arrayClass !== CHAR && !(arrayClass >= DOUBLE && arrayClass <= UINT32)) {
    throw body.wrong(`numbers, text, cells or structs in ${quoted(name)}, found array class ${arrayClass}`);
  }
  const data = numbers(body.next());
  if (data.length !== length) {
    throw body.wrong(`${length} values in ${quoted(name)}, found ${data.length}`);
  }
  return { name, value: { kind: 'numbers', shape, data } };
}

function numbers({ type, body }: Element): MatNumbers {
  const numberType = NUMBER_TYPES[type] as NumberType | undefined;
  if (numberType === undefined) throw body.wrong(`numbers, found element type ${type}`);
  const bytes = body.rest();
  const size = numberType.BYTES_PER_ELEMENT;
  const length = Math.floor(bytes.length / size);
  if (bytes.byteOffset % size === 0) return new numberType(bytes.buffer, bytes.byteOffset, length);
  return new numberType(bytes.slice().buffer, 0, length);
}

function text(element: Element, whole = false): string {
  const string = Buffer.from(element.body.rest()).toString('latin1');
  return whole ? string : string.replace(/\0.*$/s, '');
}
