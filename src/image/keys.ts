/**
 * Weights of Keys' cubic convolution (1981, a = -1/2) at the fraction `t` in [0,1) between the second and the third of
 * four neighbours.
 */
export function keysWeights(t: number, weights: Float64Array): void {
  weights[0] = ((-0.5 * t + 1) * t - 0.5) * t;
  weights[1] = (1.5 * t - 2.5) * t * t + 1;
  weights[2] = ((-1.5 * t + 2) * t + 0.5) * t;
  weights[3] = (0.5 * t - 0.5) * t * t;
}
