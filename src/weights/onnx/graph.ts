/**
 * An ONNX graph under construction: nodes, constants, sizes as shape arithmetic, and the layout of image tensors.
 *
 * The kit computes in NHWC, ONNX's convolutions want NCHW. A value of rank 4 is therefore known in one layout or both;
 * a node takes the one it needs, and a transpose is written the first time that one is missing.
 */
import { createHash } from 'node:crypto';
import { InputError } from '../../util/errors';
import { permute } from '../../nn/parameter';
import { ELEMENT, type Attribute, type OnnxNode, type OnnxTensor } from './proto';
import { dimKey, explain, type AxisForm, type Dim, type Varying } from './sizes';
import type { Constant } from './trace';

/** A tensor of the network in the graph. */
export interface Value {
  /** In the kit's order (NHWC for rank 4). */
  readonly shape: readonly Dim[];
  readonly constant?: Constant;
  /** Names in the graph; `plain` is the kit's order of axes. */
  plain?: string;
  nchw?: string;
}

/** Axis of NCHW that holds an axis of NHWC. */
const NCHW_AXIS = [0, 2, 3, 1] as const;

export class Graph {
  readonly nodes: OnnxNode[] = [];
  readonly tensors: OnnxTensor[] = [];
  private readonly cache = new Map<string, string>();
  private names = 0;

  /** @param input name of the image, NCHW: what sizes are computed from */
  constructor(private readonly input: string) {}

  /** Adds a node with one output; its name. */
  node(op: string, inputs: readonly string[], attributes: Record<string, Attribute> = {}): string {
    return this.split(op, inputs, 1, attributes)[0];
  }

  /** Adds a node with several outputs. */
  split(
    op: string,
    inputs: readonly string[],
    count: number,
    attributes: Record<string, Attribute> = {},
  ): string[] {
    const outputs = Array.from({ length: count }, () => `${op}_${this.names++}`);
    this.nodes.push({ op, inputs, outputs, attributes });
    return outputs;
  }

  /** The name that `make` gives, made once for each key. */
  once(key: string, make: () => string): string {
    let name = this.cache.get(key);
    if (name === undefined) this.cache.set(key, (name = make()));
    return name;
  }

  /** The value in the kit's order of axes. */
  plain(value: Value): string {
    if (value.constant !== undefined) return this.constant(value.constant);
    return (value.plain ??= this.node('Transpose', [value.nchw!], { perm: [0, 2, 3, 1] }));
  }

  /** A value of rank 4 as NCHW. */
  nchw(value: Value): string {
    if (value.constant !== undefined) return this.constant(value.constant, [0, 3, 1, 2]);
    return (value.nchw ??= this.node('Transpose', [value.plain!], { perm: [0, 3, 1, 2] }));
  }

  /** A constant of the network, its axes permuted; written once. */
  constant(constant: Constant, axes?: readonly number[]): string {
    const { key, data } = constant;
    const shape = axes === undefined ? constant.shape : axes.map((a) => constant.shape[a]);
    const label = key ?? digest(data);
    return this.once(`constant ${label} ${String(constant.shape)} ${String(axes)}`, () => {
      const moved = axes !== undefined && data instanceof Float32Array;
      return this.tensor(
        key ?? 'constant',
        shape,
        moved ? permute(data, constant.shape, axes) : data,
        data instanceof Int32Array ? ELEMENT.int32 : ELEMENT.float,
      );
    });
  }

  /** A constant of float32. */
  floats(values: readonly number[], shape: readonly number[]): string {
    return this.once(`floats ${values.join(' ')} [${shape.join(' ')}]`, () =>
      this.tensor('constant', shape, Float32Array.from(values), ELEMENT.float),
    );
  }

  /** A constant of int64, [n]; a single number without brackets is a scalar. */
  integers(values: readonly number[] | number): string {
    const list = typeof values === 'number' ? [values] : values;
    return this.once(`integers ${JSON.stringify(values)}`, () =>
      this.tensor(
        'sizes',
        typeof values === 'number' ? [] : [list.length],
        BigInt64Array.from(list, BigInt),
        ELEMENT.int64,
      ),
    );
  }

  /** Sizes as a vector of int64: a constant where they are fixed, else computed from the input's shape. */
  sizes(dims: readonly Dim[]): string {
    if (dims.every((d) => typeof d === 'number')) return this.integers(dims);
    return this.once(`sizes ${dims.map(dimKey).join(', ')}`, () => {
      const parts = dims.map((d) => (typeof d === 'number' ? this.integers([d]) : this.formula(d)));
      return parts.length === 1 ? parts[0] : this.node('Concat', parts, { axis: 0 });
    });
  }

  /** A size that varies, as a vector of one. */
  private formula(dim: Varying): string {
    const formula = explain(dim);
    if (formula === undefined) {
      throw new InputError(
        'this network cannot be exported: a size inside it is no known formula of the input size ' +
          `(its values, one per trace: ${dim.values.join(', ')})`,
      );
    }
    const { batch, height, width, numerator, denominator } = formula;
    const factors = [
      ...(batch ? [this.inputSize(0)] : []),
      ...(numerator === 1 ? [] : [this.integers([numerator])]),
      ...(height.kind === 'one' ? [] : [this.axis(height, 2)]),
      ...(width.kind === 'one' ? [] : [this.axis(width, 3)]),
    ];
    const whole = factors.reduce((a, b) => this.node('Mul', [a, b]));
    return denominator === 1 ? whole : this.node('Div', [whole, this.integers([denominator])]);
  }

  /** f(n) for the input's height (axis 2) or width (axis 3). */
  private axis(form: AxisForm, axis: 2 | 3): string {
    const size = this.inputSize(axis);
    if (form.kind === 'ceil' || form.kind === 'missing') {
      const multiple = this.integers([form.multiple]);
      const up = this.once(`up ${axis} ${form.multiple}`, () => {
        const count = this.node('Div', [
          this.node('Add', [size, this.integers([form.multiple - 1])]),
          multiple,
        ]);
        return this.node('Mul', [count, multiple]);
      });
      if (form.kind === 'ceil') return up;
      return this.once(`missing ${axis} ${form.multiple}`, () => this.node('Sub', [up, size]));
    }
    return size;
  }

  private inputSize(axis: 0 | 2 | 3): string {
    const shape = this.once('shape', () => this.node('Shape', [this.input]));
    return this.once(`size ${axis}`, () => this.node('Gather', [shape, this.integers([axis])], { axis: 0 }));
  }

  private tensor(
    name: string,
    shape: readonly number[],
    data: OnnxTensor['data'],
    type: OnnxTensor['type'],
  ): string {
    const taken = this.tensors.some((t) => t.name === name);
    const unique = taken || name === 'constant' || name === 'sizes' ? `${name}_${this.names++}` : name;
    this.tensors.push({ name: unique, type, shape, data });
    return unique;
  }
}

/** The place in NCHW of an axis of NHWC. */
export function nchwAxis(axis: number): number {
  return NCHW_AXIS[axis];
}

function digest(data: Float32Array | Int32Array): string {
  return createHash('sha256')
    .update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
    .digest('hex');
}
