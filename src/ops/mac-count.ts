/**
 * Counting multiply-accumulates: each op that is a convolution, a linear layer or an attention product reports the
 * products of its definition, however the running engine computes them. Biases, norms, softmax and resizes do not
 * count, as in the tables of the SR literature.
 */

let counted: number | undefined;

/** Called by an op for every forward evaluation; costs nothing unless `countMacs` is running. */
export function addMacs(products: number): void {
  if (counted !== undefined) counted += products;
}

/** Multiply-accumulates of the ops that `run` (synchronously) evaluates. Calls do not nest. */
export function countMacs(run: () => void): number {
  if (counted !== undefined) throw new Error('countMacs is already running');
  counted = 0;
  try {
    run();
    return counted;
  } finally {
    counted = undefined;
  }
}
