/**
 * What every weight file holds: named tensors as they are stored, before any network has a say. Shapes and layouts are
 * the file's own (PyTorch order for PyTorch weights); a network transposes when it takes them in.
 *
 * Data is little-endian, as both file formats are and as every platform that Node runs the kit on is.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { InputError } from '../util/errors';

/** The array that holds each element type; half-width floats stay as their 16-bit patterns, booleans as 0 and 1. */
export interface DtypeArrays {
  F64: Float64Array;
  F32: Float32Array;
  F16: Uint16Array;
  BF16: Uint16Array;
  I64: BigInt64Array;
  I32: Int32Array;
  I16: Int16Array;
  I8: Int8Array;
  U16: Uint16Array;
  U8: Uint8Array;
  BOOL: Uint8Array;
}
export type Dtype = keyof DtypeArrays;

/** A tensor as a file stores it: row-major, `data.length` is the product of `shape` (1 for a scalar, shape []). */
export type StoredTensor = {
  [D in Dtype]: { readonly dtype: D; readonly shape: readonly number[]; readonly data: DtypeArrays[D] };
}[Dtype];

/** A tensor of float32 values, the form in which weights reach a network. */
export interface TensorRecord {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

interface ArrayClass {
  readonly BYTES_PER_ELEMENT: number;
  new (length: number): DtypeArrays[Dtype];
  new (buffer: ArrayBufferLike, byteOffset: number, length: number): DtypeArrays[Dtype];
}

const ARRAYS: { readonly [D in Dtype]: ArrayClass } = {
  F64: Float64Array,
  F32: Float32Array,
  F16: Uint16Array,
  BF16: Uint16Array,
  I64: BigInt64Array,
  I32: Int32Array,
  I16: Int16Array,
  I8: Int8Array,
  U16: Uint16Array,
  U8: Uint8Array,
  BOOL: Uint8Array,
};

/** All element types, by the names that safetensors gives them. */
export const DTYPES: readonly Dtype[] = Object.keys(ARRAYS) as Dtype[];

/** Bytes of one element. */
export function bytesPerElement(dtype: Dtype): number {
  return ARRAYS[dtype].BYTES_PER_ELEMENT;
}

/** Whether the values are floating-point numbers (weights), rather than counters, indices or masks. */
export function isFloat(dtype: Dtype): boolean {
  return dtype === 'F32' || dtype === 'F64' || dtype === 'F16' || dtype === 'BF16';
}

/** A zero-filled array of `length` elements. */
export function newArray(dtype: Dtype, length: number): DtypeArrays[Dtype] {
  return new ARRAYS[dtype](length);
}

/** A tensor of `dtype`; the caller vouches that `data` is an array of that type. */
export function storedTensor(dtype: Dtype, shape: readonly number[], data: DtypeArrays[Dtype]): StoredTensor {
  return { dtype, shape, data } as StoredTensor;
}

/** A float32 tensor. Throws a RangeError if the data does not fill the shape. */
export function float32Tensor(shape: readonly number[], data: Float32Array): StoredTensor {
  if (elementCount(shape) !== data.length) {
    throw new RangeError(`shape [${shape.join(', ')}] does not hold ${data.length} values`);
  }
  return { dtype: 'F32', shape, data };
}

/** Product of `shape`; 1 for a scalar. */
export function elementCount(shape: readonly number[]): number {
  // Without the test, a hostile shape could overflow before it reaches its 0, and Infinity times 0 is no number.
  return shape.includes(0) ? 0 : shape.reduce((n, d) => n * d, 1);
}

/** Whether `tensor.data` is the array type of its dtype and fills its shape of non-negative integers. */
export function isConsistent(tensor: StoredTensor): boolean {
  return (
    tensor.data instanceof ARRAYS[tensor.dtype] &&
    tensor.shape.every((d) => Number.isSafeInteger(d) && d >= 0) &&
    elementCount(tensor.shape) === tensor.data.length
  );
}

/** `count` elements of `bytes` from `offset`: a view where the alignment allows one, else a copy. */
export function arrayAt(dtype: Dtype, bytes: Uint8Array, offset: number, count: number): DtypeArrays[Dtype] {
  const type = ARRAYS[dtype];
  const at = bytes.byteOffset + offset;
  if (at % type.BYTES_PER_ELEMENT === 0) return new type(bytes.buffer, at, count);
  const copy = new type(count);
  bytesOf(copy).set(bytes.subarray(offset, offset + copy.byteLength));
  return copy;
}

/** The bytes of an array, as a view. */
export function bytesOf(data: DtypeArrays[Dtype]): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/**
 * The values as float32: F32 is returned as it is (not copied), F16 and BF16 are exact, F64 and integers are rounded to
 * the nearest float32, booleans become 0 and 1.
 */
export function toFloat32(tensor: StoredTensor): Float32Array {
  switch (tensor.dtype) {
    case 'F32':
      return tensor.data;
    case 'F16':
      return halfToFloat32(tensor.data);
    case 'BF16': {
      // A bfloat16 is the upper half of a float32.
      const out = new Float32Array(tensor.data.length);
      const bits = new Uint32Array(out.buffer);
      for (let i = 0; i < bits.length; i++) bits[i] = tensor.data[i] << 16;
      return out;
    }
    case 'I64': {
      const out = new Float32Array(tensor.data.length);
      for (let i = 0; i < out.length; i++) out[i] = Number(tensor.data[i]);
      return out;
    }
    case 'F64':
    case 'I32':
    case 'I16':
    case 'I8':
    case 'U16':
    case 'U8':
    case 'BOOL':
      return Float32Array.from(tensor.data);
  }
}

/** The values of IEEE 754 half-precision bit patterns (1 sign bit, 5 exponent bits of bias 15, 10 fraction bits). */
function halfToFloat32(half: Uint16Array): Float32Array {
  const out = new Float32Array(half.length);
  const bits = new Uint32Array(out.buffer);
  for (let i = 0; i < half.length; i++) {
    const sign = half[i] & 0x8000;
    const exponent = half[i] & 0x7c00;
    const fraction = half[i] & 0x3ff;
    if (exponent === 0) out[i] = (sign ? -1 : 1) * fraction * 2 ** -24;
    else if (exponent === 0x7c00) bits[i] = (sign << 16) | 0x7f800000 | (fraction << 13);
    else bits[i] = (sign << 16) | (((exponent | fraction) << 13) + ((127 - 15) << 23));
  }
  return out;
}

/** A name from a file as a message shows it: in quotes, without control characters, the middle left out if long. */
export function quoted(name: string): string {
  const short = name.length <= 120 ? name : `${name.slice(0, 80)}…${name.slice(-20)}`;
  return `'${short.replace(/\p{C}/gu, '\ufffd')}'`;
}

/** Node reads at most this many bytes into one buffer; no network of this kit comes near it. */
const MAX_FILE_BYTES = 2 ** 31 - 1;

/** A weight file's bytes. Throws an InputError if it is not a readable regular file of less than 2 GiB. */
export function readWeightFile(path: string): Uint8Array {
  return withWeightFile(path, (size, read) => {
    if (size > MAX_FILE_BYTES) {
      throw new InputError(`${path}: expected a weight file of less than 2 GiB, found ${size} bytes`);
    }
    return read(size);
  });
}

/**
 * A weight file's bytes part by part, in order.
 * @param use `read` gives the next so many bytes
 * @throws InputError if it is not a readable regular file, or ends too early
 */
export function withWeightFile<T>(
  path: string,
  use: (size: number, read: (length: number) => Uint8Array) => T,
): T {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch (error) {
    throw new InputError(`${path}: cannot read the weight file (${(error as NodeJS.ErrnoException).code})`);
  }
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) throw new InputError(`${path}: expected a weight file, found a folder or a device`);
    return use(stat.size, (length) => {
      // Own memory, not a slice of Node's shared pool: tensors are views of it and need its alignment.
      const bytes = new Uint8Array(length);
      let at = 0;
      while (at < length) {
        const got = readSync(fd, bytes, at, length - at, null);
        if (got === 0) throw new InputError(`${path}: expected ${length} bytes, the file ended after ${at}`);
        at += got;
      }
      return bytes;
    });
  } finally {
    closeSync(fd);
  }
}
