/** Batches of matrix products, on the convolution kernel: a left matrix is an image of one row, a right one its filter. */
import { sizeOf, type Heap } from '../heap';
import { VALUE } from './boxes';
import { packedSize, TILES, transposedProducts } from './convolution';
import { allFloat, type KernelFunction } from './kernel';

export const batchMatMul: KernelFunction = (
  heap,
  { a, b },
  { transposeA, transposeB }: { transposeA: boolean; transposeB: boolean },
) => {
  if (!allFloat(a, b)) return undefined;
  const outer = a.shape.slice(0, -2);
  const batch = sizeOf(outer);
  // Broadcasting over the batch is left to the backend.
  if (batch !== sizeOf(b.shape.slice(0, -2)) || a.shape.length !== b.shape.length) return undefined;
  const [rows, inner] = transposeA ? [a.shape.at(-1)!, a.shape.at(-2)!] : [a.shape.at(-2)!, a.shape.at(-1)!];
  const columns = b.shape.at(transposeB ? -2 : -1)!;
  if (inner !== b.shape.at(transposeB ? -1 : -2)) return undefined;
  if (batch * rows * inner * columns === 0 || (transposeA && transposeB)) return undefined;
  const out = heap.output([...outer, rows, columns]);
  const [left, right, to] = [a, b, out].map((t) => heap.address(t));
  if (transposeA) {
    transposedProducts(heap, left, right, to, batch, inner, rows, columns);
    return out;
  }
  multiply(heap, left, right, to, batch, rows, inner, columns, transposeB);
  return out;
};

function multiply(
  heap: Heap,
  left: number,
  right: number,
  out: number,
  batch: number,
  rows: number,
  inner: number,
  columns: number,
  transposed: boolean,
): void {
  const size = packedSize(inner, columns);
  const [innerStep, columnStep] = transposed ? [1, inner] : [columns, 1];
  heap.withScratch(batch * size, (packed) => {
    const pack = [right, 0, packed, 1, inner, columns, 0, innerStep, columnStep];
    heap.run('packFilter', [...pack, VALUE * inner * columns, VALUE * size], {
      units: batch,
      cost: 4 * inner * columns,
    });
    const row = VALUE * inner;
    const args = [
      ...[left, packed, VALUE * size, out, 1, rows, columns, rows * row, 0, row],
      ...[1, 1, 0, 0, row, 1],
    ];
    heap.run('convolve', args, {
      units: batch * Math.ceil(rows / 4),
      cost: 8 * inner * columns,
      most: TILES,
    });
  });
}
