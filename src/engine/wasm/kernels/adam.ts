/** The fused kernel of src/train/adam.ts, on native/wasm/adam.ts. */
import { sizeOf } from '../heap';
import { VALUE } from './boxes';
import type { KernelFunction } from './kernel';
import { sumAxis } from './sum';

interface AdamAttributes {
  readonly count: number;
  readonly rate: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly clip: number;
  readonly correction1: number;
  readonly correction2: number;
}

/** Floats of a gradient whose squares are summed before the sums are. */
const GROUP = 4096;

/**
 * One step in place: inputs m, v (flat, all parameters in a row), w0, w1, … and their gradients g0, g1, …; the result is
 * the gradient's global norm. Changes nothing where that is not finite. Clones of a weight share its values and change along.
 */
export const adamStep: KernelFunction = (heap, inputs, attrs: AdamAttributes) => {
  const { count, rate, beta1, beta2, epsilon, clip, correction1, correction2 } = attrs;
  const sizes = Array.from({ length: count }, (_, i) => sizeOf(inputs[`w${i}`].shape));
  const groups = sizes.map((size) => Math.ceil(size / GROUP));
  const allGroups = groups.reduce((a, b) => a + b, 0);

  const square = heap.output([]);
  heap.withScratch(allGroups, (parts) => {
    let at = parts;
    sizes.forEach((size, i) => {
      const args = [heap.address(inputs[`g${i}`]), at, size, GROUP];
      heap.run('sumSquares', args, { units: groups[i], cost: 3 * GROUP });
      at += VALUE * groups[i];
    });
    sumAxis(heap, parts, heap.address(square), 1, allGroups, 1, 1);
  });
  const norm = Math.fround(Math.sqrt(heap.value(square)));
  heap.free(square);

  if (Number.isFinite(norm)) {
    const factor = Math.min(1, clip / (norm + 1e-6));
    const numbers = [factor, beta1, 1 - beta1, beta2, 1 - beta2];
    numbers.push(rate / correction1, Math.sqrt(correction2), epsilon);
    let [m, v] = [heap.address(inputs.m), heap.address(inputs.v)];
    sizes.forEach((size, i) => {
      const [w, g] = [heap.address(inputs[`w${i}`]), heap.address(inputs[`g${i}`])];
      heap.run('adam', [w, g, m, v, ...numbers], { units: size, cost: 30, multiple: 4 });
      m += VALUE * size;
      v += VALUE * size;
    });
  }
  return heap.scalar(norm);
};
