/** Initial values: PyTorch's defaults and those the networks' official code sets. Shapes are in PyTorch's order. */
import type { Random } from '../util/random';

export type Initialiser = (shape: readonly number[], random: Random) => Float32Array;

/** Every value the same: 0 for biases of norms, 1 for their weights. */
export function constant(value: number): Initialiser {
  return (shape) => new Float32Array(size(shape)).fill(value);
}

/**
 * PyTorch's default for weight and bias of Conv2d and Linear: U(-1/sqrt(fanIn), 1/sqrt(fanIn)).
 * @param fanIn inputs of one output: I / groups * kh * kw
 */
export function uniformByFanIn(fanIn: number): Initialiser {
  const bound = 1 / Math.sqrt(fanIn);
  return (shape, random) => Float32Array.from({ length: size(shape) }, () => random.uniform(-bound, bound));
}

/** N(0, std), as torch.randn. */
export function normal(std: number): Initialiser {
  return (shape, random) => {
    const values = new Float32Array(size(shape));
    random.fillNormal(values, 0, std);
    return values;
  };
}

/** N(0, std) truncated at +-2, as torch.nn.init.trunc_normal_ (the bound is absolute, not in units of std). */
export function truncatedNormal(std: number): Initialiser {
  return (shape, random) =>
    Float32Array.from({ length: size(shape) }, () => random.truncatedNormal(0, std, -2, 2));
}

/**
 * A random matrix whose rows, [O] over everything else, are orthonormal, times `gain` (Saxe et al., ICLR 2014). There must
 * be at least as many columns as rows.
 */
export function orthogonalRows(gain: number): Initialiser {
  return (shape, random) => {
    const [rows] = shape;
    const columns = size(shape) / rows;
    if (rows > columns) throw new Error(`${rows} rows of ${columns} values cannot be orthogonal`);
    const matrix = Float64Array.from({ length: rows * columns }, () => random.normal());
    const row = (i: number): Float64Array => matrix.subarray(i * columns, (i + 1) * columns);
    for (let i = 0; i < rows; i++) {
      const current = row(i);
      for (let j = 0; j < i; j++) subtract(current, dot(current, row(j)), row(j));
      const length = Math.sqrt(dot(current, current));
      for (let k = 0; k < columns; k++) current[k] /= length;
    }
    return Float32Array.from(matrix, (v) => gain * v);
  };
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let k = 0; k < a.length; k++) sum += a[k] * b[k];
  return sum;
}

/** a <- a - factor b */
function subtract(a: Float64Array, factor: number, b: Float64Array): void {
  for (let k = 0; k < a.length; k++) a[k] -= factor * b[k];
}

function size(shape: readonly number[]): number {
  return shape.reduce((a, b) => a * b, 1);
}
