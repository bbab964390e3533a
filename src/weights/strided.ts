/**
 * Views by offset and stride, as PyTorch's tensors are: is one row-major already, and if not, its elements in that order.
 */
import type { Dtype, DtypeArrays } from './tensor-file';
import { bytesOf, newArray } from './tensor-file';

/** Whether the strides of all axes longer than 1 are those of row-major order without gaps. */
export function isRowMajor(shape: readonly number[], stride: readonly number[]): boolean {
  let expected = 1;
  for (let d = shape.length - 1; d >= 0; d--) {
    if (shape[d] !== 1 && stride[d] !== expected) return false;
    expected *= shape[d];
  }
  return true;
}

/** out[i_0, i_1, ...] = source[offset + sum_d i_d * stride_d], in row-major order; `count` is the product of `shape`. */
export function gather(
  dtype: Dtype,
  source: DtypeArrays[Dtype],
  offset: number,
  shape: readonly number[],
  stride: readonly number[],
  count: number,
): DtypeArrays[Dtype] {
  const out = newArray(dtype, count);
  // Axes of length 1 would only cost time at every step. A 64-bit element is a last axis of two 32-bit ones, so that
  // three kinds of arrays do for all types, and bits stay bits.
  const axes = shape.map((size, d) => ({ size, step: stride[d] })).filter(({ size }) => size !== 1);
  const bytes = source.BYTES_PER_ELEMENT;
  if (bytes === 8) {
    for (const axis of axes) axis.step *= 2;
    axes.push({ size: 2, step: 1 });
    copyStrided(asUint32(out), asUint32(source), 2 * offset, axes);
  } else if (bytes === 4) copyStrided(asUint32(out), asUint32(source), offset, axes);
  else if (bytes === 2) copyStrided(asUint16(out), asUint16(source), offset, axes);
  else copyStrided(bytesOf(out), bytesOf(source), offset, axes);
  return out;
}

function copyStrided<T extends Uint8Array | Uint16Array | Uint32Array>(
  out: T,
  source: T,
  offset: number,
  axes: readonly { readonly size: number; readonly step: number }[],
): void {
  const inner = axes.at(-1) ?? { size: 1, step: 0 };
  const outer = axes.slice(0, -1).reverse(); // innermost first
  const index = outer.map(() => 0);
  let at = offset;
  for (let i = 0; i < out.length;) {
    for (let k = 0; k < inner.size; k++, i++) out[i] = source[at + k * inner.step];
    // Counts on: the innermost axis that is not at its end goes one further, those inside it start again.
    for (let d = 0; d < outer.length; d++) {
      at += outer[d].step;
      if (++index[d] < outer[d].size) break;
      at -= outer[d].size * outer[d].step;
      index[d] = 0;
    }
  }
}

function asUint32(data: DtypeArrays[Dtype]): Uint32Array {
  return new Uint32Array(data.buffer, data.byteOffset, data.byteLength / 4);
}

function asUint16(data: DtypeArrays[Dtype]): Uint16Array {
  return new Uint16Array(data.buffer, data.byteOffset, data.byteLength / 2);
}
