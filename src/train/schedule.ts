/** Learning rates over a training. `step` is the 1-based iteration. */

/**
 * Cosine without warm-up or restarts (the paper's; torch CosineAnnealingLR).
 * @param total T_max, the iteration count of the recipe
 */
export function cosineRate(step: number, total: number, rate: number, minimum: number): number {
  return minimum + ((rate - minimum) * (1 + Math.cos((Math.PI * (step - 1)) / total))) / 2;
}

/**
 * Halved after each of some iterations (torch MultiStepLR with gamma 0.5).
 * @param halvings iterations after which the rate is half of what it was
 */
export function halvedRate(step: number, rate: number, halvings: readonly number[]): number {
  return rate * 0.5 ** halvings.filter((at) => step > at).length;
}
