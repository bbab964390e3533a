/** The fused kernels of src/ops/layer-norm.ts, on native/wasm/layer-norm.ts. */
import { sizeOf } from '../heap';
import type { KernelFunction } from './kernel';
import { sumAxis, sumOfProducts } from './sum';

/** x [..., C] to y, xhat [..., C] and rstd [..., 1]. */
export const layerNorm: KernelFunction = (heap, { x, weight, bias }, { epsilon }: { epsilon: number }) => {
  const channels = x.shape.at(-1)!;
  const y = heap.output(x.shape);
  const xhat = heap.output(x.shape);
  const rstd = heap.output([...x.shape.slice(0, -1), 1]);
  const args = [...[x, weight, bias, y, xhat, rstd].map((t) => heap.address(t)), channels, epsilon];
  heap.run('layerNorm', args, { units: sizeOf(rstd.shape), cost: 30 + 12 * channels });
  return [y, xhat, rstd];
};

/** dx [..., C], dweight [C], dbias [C]. */
export const layerNormGradient: KernelFunction = (heap, { dy, xhat, rstd, weight }) => {
  const channels = dy.shape.at(-1)!;
  const rows = sizeOf(rstd.shape);
  const dx = heap.output(dy.shape);
  const args = [...[dy, xhat, rstd, weight, dx].map((t) => heap.address(t)), channels];
  heap.run('layerNormGradient', args, { units: rows, cost: 30 + 12 * channels });
  const dweight = heap.output([channels]);
  sumOfProducts(heap, heap.address(dy), heap.address(xhat), heap.address(dweight), rows, channels);
  const dbias = heap.output([channels]);
  sumAxis(heap, heap.address(dy), heap.address(dbias), 1, rows, channels, 1);
  return [dx, dweight, dbias];
};
