/**
 * NRQM's third features, of spatial discontinuity (Ma et al. 2017, section 3.2): the 25 singular values, largest first, of
 * the matrix whose rows are the picture's 5x5 blocks.
 */
import { EigenvalueDecomposition, Matrix } from 'ml-matrix';

const SIDE = 5;
const CELLS = SIDE * SIDE;

/**
 * Blocks do not overlap; beyond the edge the picture is 0. The values are the roots of the eigenvalues of the 25x25 Gram
 * matrix, which in float64 is exact to about 1e-10 here.
 * @param data row-major
 */
export function singularValues(data: Float64Array, width: number, height: number): number[] {
  const gram = new Float64Array(CELLS * CELLS);
  const block = new Float64Array(CELLS);
  for (let top = 0; top < height; top += SIDE) {
    for (let left = 0; left < width; left += SIDE) {
      for (let i = 0; i < CELLS; i++) {
        const y = top + Math.floor(i / SIDE);
        const x = left + (i % SIDE);
        block[i] = y < height && x < width ? data[y * width + x] : 0;
      }
      for (let i = 0; i < CELLS; i++) {
        const v = block[i];
        for (let j = i; j < CELLS; j++) gram[i * CELLS + j] += v * block[j];
      }
    }
  }
  const symmetric = Matrix.zeros(CELLS, CELLS);
  for (let i = 0; i < CELLS; i++) {
    for (let j = i; j < CELLS; j++) {
      symmetric.set(i, j, gram[i * CELLS + j]);
      symmetric.set(j, i, gram[i * CELLS + j]);
    }
  }
  const { realEigenvalues } = new EigenvalueDecomposition(symmetric, { assumeSymmetric: true });
  return realEigenvalues.map((v) => Math.sqrt(Math.max(v, 0))).sort((a, b) => b - a);
}

/** The number of blocks must be at least that of the values. */
export function hasAllSingularValues(width: number, height: number): boolean {
  return Math.ceil(width / SIDE) * Math.ceil(height / SIDE) >= CELLS;
}
