/**
 * Cosine learning-rate schedule without warm-up or restarts (the paper's; torch CosineAnnealingLR).
 * @param step 1-based iteration
 * @param total T_max, the iteration count of the recipe
 */
export function cosineRate(step: number, total: number, rate: number, minimum: number): number {
  return minimum + ((rate - minimum) * (1 + Math.cos((Math.PI * (step - 1)) / total))) / 2;
}
