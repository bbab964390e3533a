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

function size(shape: readonly number[]): number {
  return shape.reduce((a, b) => a * b, 1);
}
