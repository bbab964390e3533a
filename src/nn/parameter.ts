/**
 * A named array of a module: a weight that is trained, or a buffer that is kept (running statistics).
 *
 * Outside it has PyTorch's shape and layout, so that official state dicts fit key for key; inside it is a tf.Variable in
 * TensorFlow.js's layout (NHWC kernels). The variable exists once the parameter has been initialised or loaded.
 */
import * as tf from '@tensorflow/tfjs-core';
import type { Initialiser } from './init';
import type { Random } from '../util/random';

/** How PyTorch's axes become TensorFlow.js's: `axes[i]` is the PyTorch axis that axis i holds. */
const LAYOUTS = {
  /** Same order: biases, norms, tables. */
  plain: undefined,
  /** (O, I, kh, kw) to [kh, kw, I, O]; transposed: (I, O, kh, kw) to [kh, kw, O, I]. */
  conv: [2, 3, 1, 0],
  /** (C, 1, kh, kw) to [kh, kw, C, 1]. */
  depthwise: [2, 3, 0, 1],
  /** (out, in) to [in, out]. */
  linear: [1, 0],
  /** (1, O, I, kh, kw) to [kh, kw, I, O, 1]: one filter for every picture of a batch. */
  modulated: [3, 4, 2, 1, 0],
  /** (1, O, I, kh, kw) to [kh, kw, O, I, 1]: the same for a transposed convolution. */
  modulatedTransposed: [3, 4, 1, 2, 0],
} as const;

export type Layout = keyof typeof LAYOUTS;

export interface ParameterOptions {
  /** Default 'plain'. */
  readonly layout?: Layout;
  /** False for buffers. Default true. */
  readonly trainable?: boolean;
}

export class Parameter {
  readonly layout: Layout;
  private trained: boolean;
  private state?: tf.Variable;

  /** @param shape in PyTorch's order */
  constructor(
    readonly shape: readonly number[],
    private readonly initialiser: Initialiser,
    options: ParameterOptions = {},
  ) {
    this.layout = options.layout ?? 'plain';
    this.trained = options.trainable ?? true;
  }

  get trainable(): boolean {
    return this.trained;
  }

  /** From now on a constant: no optimiser takes it, and convolutions compute no gradient for it. */
  freeze(): void {
    this.trained = false;
    if (this.state !== undefined) this.state.trainable = false;
  }

  get size(): number {
    return this.shape.reduce((a, b) => a * b, 1);
  }

  /** @throws Error if neither initialised nor loaded */
  get variable(): tf.Variable {
    if (this.state === undefined) throw new Error('parameter used before it was initialised or loaded');
    return this.state;
  }

  /** The tensor in TensorFlow.js's layout. */
  value<T extends tf.Tensor = tf.Tensor>(): T {
    return this.variable as unknown as T;
  }

  /** Draws the initial values. */
  initialise(random: Random): void {
    this.load(this.initialiser(this.shape, random));
  }

  /** Takes `size` values in PyTorch's layout. */
  load(values: Float32Array): void {
    const axes = LAYOUTS[this.layout];
    const shape = axes ? axes.map((a) => this.shape[a]) : [...this.shape];
    const data = axes ? permute(values, this.shape, axes) : values.slice();
    const tensor = tf.tensor(data, shape, 'float32');
    if (this.state === undefined) this.state = tf.variable(tensor, this.trainable);
    else this.state.assign(tensor);
    tensor.dispose();
  }

  /** The values in PyTorch's layout. */
  async values(): Promise<Float32Array> {
    const data = (await this.variable.data()) as Float32Array;
    return this.toPyTorch(data);
  }

  /** Values of a tensor laid out like this parameter's (its gradient, say), in PyTorch's layout. */
  toPyTorch(data: Float32Array): Float32Array {
    const axes = LAYOUTS[this.layout];
    if (axes === undefined) return data.slice();
    const shape = axes.map((a) => this.shape[a]);
    return permute(
      data,
      shape,
      this.shape.map((_, i) => (axes as readonly number[]).indexOf(i)),
    );
  }

  dispose(): void {
    this.state?.dispose();
    this.state = undefined;
  }
}

/** Transposes row-major `data` of `shape`: axis i of the result is axis `axes[i]` of the input. */
export function permute(data: Float32Array, shape: readonly number[], axes: readonly number[]): Float32Array {
  const strides = new Array<number>(shape.length).fill(1);
  for (let i = shape.length - 2; i >= 0; i--) strides[i] = strides[i + 1] * shape[i + 1];
  const sizes = axes.map((a) => shape[a]);
  const steps = axes.map((a) => strides[a]);
  const out = new Float32Array(data.length);
  const index = new Array<number>(sizes.length).fill(0);
  for (let i = 0, from = 0; i < out.length; i++) {
    out[i] = data[from];
    for (let axis = sizes.length - 1; axis >= 0; axis--) {
      from += steps[axis];
      if (++index[axis] < sizes[axis]) break;
      from -= steps[axis] * sizes[axis];
      index[axis] = 0;
    }
  }
  return out;
}
