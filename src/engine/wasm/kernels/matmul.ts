/** Batches of matrix products, on the convolution kernel: a left matrix is an image of one row, a right one its filter. */
import { backend_util, type TensorInfo } from '@tensorflow/tfjs-core';
import { sizeOf, type Heap } from '../heap';
import { VALUE } from './boxes';
import { packedSize, TILES } from './convolution';
import { allFloat, type KernelFunction } from './kernel';

interface Attributes {
  readonly transposeA: boolean;
  readonly transposeB: boolean;
}

/** `batch` products of [rows, inner] and [inner, columns]. */
interface Products {
  readonly batch: number;
  readonly rows: number;
  readonly inner: number;
  readonly columns: number;
  /** Addresses of the first matrices, and bytes from one to the next, 0 where all products share one. */
  readonly left: number;
  readonly leftStep: number;
  readonly right: number;
  readonly rightStep: number;
  readonly out: number;
}

export const batchMatMul: KernelFunction = (heap, { a, b }, { transposeA, transposeB }: Attributes) => {
  if (!allFloat(a, b) || (transposeA && transposeB)) return undefined;
  const [rows, inner] = transposeA ? [a.shape.at(-1)!, a.shape.at(-2)!] : a.shape.slice(-2);
  const columns = b.shape.at(transposeB ? -2 : -1)!;
  const [batchA, batchB] = [a, b].map((x) => sizeOf(x.shape.slice(0, -2)));
  const outer = backend_util.assertAndGetBroadcastShape(a.shape.slice(0, -2), b.shape.slice(0, -2));
  const batch = sizeOf(outer);
  // A batch is taken whole or is one matrix for all; other broadcasting is left to the backend.
  const simple = [batchA, batchB].every((n) => n === batch || n === 1);
  if (!simple || inner !== b.shape.at(transposeB ? -1 : -2)) return undefined;
  if (batch * rows * inner * columns === 0) return undefined;
  const out = heap.output([...outer, rows, columns]);
  const step = (x: TensorInfo, own: number): number => (own === 1 ? 0 : (VALUE * sizeOf(x.shape)) / own);
  const products: Products = {
    ...{ batch, rows, inner, columns },
    ...{ left: heap.address(a), leftStep: step(a, batchA) },
    ...{ right: heap.address(b), rightStep: step(b, batchB) },
    out: heap.address(out),
  };
  if (transposeA) multiplyTransposed(heap, products);
  else multiply(heap, products, transposeB);
  return out;
};

/** The left matrices are stored as [inner, rows]: each product is the gradient of a 1x1 filter. */
function multiplyTransposed(heap: Heap, products: Products): void {
  const { batch, rows, inner, columns, left, leftStep, right, rightStep, out } = products;
  if (batch > 1) {
    const args = [left, leftStep, right, rightStep, out, inner, rows, columns];
    heap.run('transposedProducts', args, { units: batch, cost: 2 * rows * inner * columns });
    return;
  }
  const row = VALUE * rows;
  const args = [left, right, out, 1, 1, inner, columns, 0, 0, row, 1, 0, 0, row];
  heap.run('filterGradient', args, { units: Math.ceil(rows / 4), cost: 8 * inner * columns });
}

/** `transposed`: the right matrices are stored as [columns, inner]. */
function multiply(heap: Heap, products: Products, transposed: boolean): void {
  const { batch, rows, inner, columns, left, leftStep, right, rightStep, out } = products;
  const size = packedSize(inner, columns);
  const [innerStep, columnStep] = transposed ? [1, inner] : [columns, 1];
  const filters = rightStep === 0 ? 1 : batch;
  heap.withScratch(filters * size, (packed) => {
    const pack = [right, 0, packed, 1, inner, columns, 0, innerStep, columnStep, rightStep, VALUE * size];
    heap.run('packFilter', pack, { units: filters, cost: 4 * inner * columns });
    const row = VALUE * inner;
    const args = [
      ...[left, packed, rightStep === 0 ? 0 : VALUE * size, out, 1, rows, columns, leftStep, 0, row],
      ...[1, 1, 0, 0, row, 1],
    ];
    heap.run('convolve', args, {
      units: batch * Math.ceil(rows / 4),
      cost: 8 * inner * columns,
      most: TILES,
    });
  });
}
