/** The fused kernels of src/ops/window-attention.ts, on native/wasm/window-attention.ts. */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { Heap } from '../heap';
import { VALUE } from './boxes';
import { packedSize } from './convolution';
import type { KernelFunction } from './kernel';
import { sumAxis } from './sum';

interface Attributes {
  readonly heads: number;
  readonly scale: number;
  /** Rows and columns of each group's windows, and of their shifts. */
  readonly window: readonly number[];
  readonly shift: readonly number[];
}

/** So many parts share the windows of one head: enough for many threads, and few enough for a copy of the bias each. */
const PARTS = 8;

/** qkv [B, H, W, 3C], bias [heads, N, N] to y [B, H, W, C] and lse [B, H W / N, heads, N]. */
export const windowAttention: KernelFunction = (heap, { qkv, bias }, attrs: Attributes) => {
  const sizes = sizesOf(qkv, bias, attrs);
  const { batch, height, width, channels, n } = sizes;
  const y = heap.output([batch, height, width, channels]);
  const lse = heap.output([batch, (height * width) / n, attrs.heads, n]);
  const slot = slotSize(sizes, 3, 1);
  const tensors = [qkv, bias, y, lse].map((t) => heap.address(t));
  forEachGroup(heap, 'windowAttention', tensors, slot, sizes, attrs, 4);
  return [y, lse];
};

/** dy, y [B, H, W, C], qkv, bias, lse to dqkv [B, H, W, 3C] and dbias [heads, N, N]. */
export const windowAttentionGradient: KernelFunction = (
  heap,
  { dy, y, qkv, bias, lse },
  attrs: Attributes,
) => {
  const sizes = sizesOf(qkv, bias, attrs);
  const dqkv = heap.output(qkv.shape);
  const dbias = heap.output(bias.shape);
  const floats = attrs.heads * sizes.n * sizes.n;
  heap.withScratch(sizes.parts * floats, (biasParts) => {
    const tensors = [...[dy, y, qkv, bias, lse, dqkv].map((t) => heap.address(t)), biasParts];
    const slot = slotSize(sizes, 5, 2);
    forEachGroup(heap, 'windowAttentionGradient', tensors, slot, sizes, attrs, 10);
    sumAxis(heap, biasParts, heap.address(dbias), 1, sizes.parts, floats, 1);
  });
  return [dqkv, dbias];
};

interface Sizes {
  readonly batch: number;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  /** Tokens of a window. */
  readonly n: number;
  /** Channels of a head. */
  readonly d: number;
  readonly parts: number;
}

function sizesOf(qkv: TensorInfo, bias: TensorInfo, { heads }: Attributes): Sizes {
  const [batch, height, width, three] = qkv.shape;
  const n = bias.shape[1];
  const channels = three / 3;
  const parts = Math.min(PARTS, (batch * height * width) / n);
  return { batch, height, width, channels, n, d: channels / heads, parts };
}

/** Floats of a unit's scratch: so many arrays of N x d, a packed matrix, the zones, so many matrices of N x N. */
function slotSize({ n, d }: Sizes, arrays: number, matrices: number): number {
  const vectors = (floats: number): number => 4 * Math.ceil(floats / 4);
  const packed = Math.max(packedSize(d, n), packedSize(n, d));
  return vectors(arrays * vectors(n * d) + packed + vectors(n) + matrices * n * n);
}

/** Runs the kernel for every group of heads. `effort`: operations for every product of two matrices' values, about. */
function forEachGroup(
  heap: Heap,
  kernel: string,
  tensors: readonly number[],
  slot: number,
  { batch, height, width, channels, n, d, parts }: Sizes,
  { heads, scale, window, shift }: Attributes,
  effort: number,
): void {
  const groups = window.length / 2;
  const headsOfGroup = heads / groups;
  const units = headsOfGroup * parts;
  heap.withScratch(units * slot, (scratch) => {
    for (let g = 0; g < groups; g++) {
      const [wh, ww, sh, sw] = [...window.slice(2 * g, 2 * g + 2), ...shift.slice(2 * g, 2 * g + 2)];
      const args = [
        ...[...tensors, scratch, VALUE * slot, batch, height, width, channels, heads, g * headsOfGroup],
        ...[wh, ww, sh, sw, parts, scale],
      ];
      const windows = (batch * height * width) / n / parts;
      heap.run(kernel, args, { units, cost: windows * n * n * (effort * d + 30) });
    }
  });
}
