/**
 * Random cases for the kernels of one family: a name, input tensors, and the TensorFlow.js call that runs the kernel.
 * Values stay away from poles and ties, so two right implementations agree.
 */
import * as tf from '@tensorflow/tfjs-core';

import type { Random } from '../../src/util/random';

export interface Input {
  readonly shape: number[];
  readonly values: Float32Array | Int32Array | Uint8Array;
  readonly dtype: 'float32' | 'int32' | 'bool';
}

export interface Case {
  /** Kernels that this case runs on both backends. */
  readonly kernels: string;
  readonly inputs: Input[];
  readonly run: (...x: tf.Tensor[]) => tf.Tensor | tf.Tensor[];
}

export type Draw = (r: Random) => Case;

const count = (shape: number[]): number => shape.reduce((product, size) => product * size, 1);

export function float(r: Random, shape: number[], low = -2, high = 2): Input {
  return {
    shape,
    values: Float32Array.from({ length: count(shape) }, () => r.uniform(low, high)),
    dtype: 'float32',
  };
}

export function int(r: Random, shape: number[], low: number, high: number): Input {
  return {
    shape,
    values: Int32Array.from({ length: count(shape) }, () => r.integer(low, high)),
    dtype: 'int32',
  };
}

export function bool(r: Random, shape: number[]): Input {
  return {
    shape,
    values: Uint8Array.from({ length: count(shape) }, () => (r.chance(0.5) ? 1 : 0)),
    dtype: 'bool',
  };
}

export function shapeOf(r: Random, low = 0, high = 4, size = 5): number[] {
  return Array.from({ length: r.integer(low, high) }, () => r.integer(1, size));
}

/** Two shapes that broadcast against each other. */
function broadcastPair(r: Random): [number[], number[]] {
  const full = shapeOf(r, 1, 4);
  const thin = (): number[] => full.map((size) => (r.chance(0.3) ? 1 : size)).slice(r.chance(0.3) ? 1 : 0);
  return r.chance(0.5) ? [full, thin()] : [thin(), full];
}

function kernel(
  name: string,
  inputs: Record<string, tf.Tensor> | tf.Tensor[],
  attrs: object = {},
): tf.Tensor {
  return tf.engine().runKernel(name, inputs as tf.NamedTensorMap, attrs as never);
}

const UNARY_RANGE: Record<string, [number, number]> = {
  Acos: [-0.95, 0.95], Acosh: [1.1, 5], Asin: [-0.95, 0.95], Atanh: [-0.9, 0.9],
  Log: [0.1, 5], Log1p: [-0.8, 5], Reciprocal: [0.3, 3], Rsqrt: [0.2, 5], Sqrt: [0.1, 9], Tan: [-1.2, 1.2],
}; // prettier-ignore

const FLOAT_UNARY = (
  'Abs Acos Acosh Asin Asinh Atan Atanh Ceil Cos Cosh Elu Erf Exp Expm1 Floor IsFinite IsInf IsNan Log Log1p Neg ' +
  'Reciprocal Relu Relu6 Round Rsqrt Selu Sigmoid Sign Sin Sinh Softplus Sqrt Square Tan Tanh'
).split(' ');
const INT_UNARY = 'Abs Neg Square Sign Relu'.split(' ');

export const unary: Draw[] = [
  ...FLOAT_UNARY.map((name): Draw => (r) => {
    const [low, high] = UNARY_RANGE[name] ?? [-4, 9];
    return { kernels: name, inputs: [float(r, shapeOf(r), low, high)], run: (x) => kernel(name, { x }) };
  }),
  ...INT_UNARY.map((name): Draw => (r) => ({
    kernels: name,
    inputs: [int(r, shapeOf(r), -9, 9)],
    run: (x) => kernel(name, { x }),
  })),
  (r) => ({ kernels: 'LogicalNot', inputs: [bool(r, shapeOf(r))], run: (x) => kernel('LogicalNot', { x }) }),
  (r) => {
    const alpha = r.uniform(0, 1);
    return {
      kernels: 'LeakyRelu',
      inputs: [float(r, shapeOf(r))],
      run: (x) => kernel('LeakyRelu', { x }, { alpha }),
    };
  },
  (r) => {
    const alpha = r.uniform(-1, 1);
    return { kernels: 'Step', inputs: [float(r, shapeOf(r))], run: (x) => kernel('Step', { x }, { alpha }) };
  },
  (r) => {
    const attrs = { clipValueMin: r.uniform(-1, 0), clipValueMax: r.uniform(0, 1) };
    return {
      kernels: 'ClipByValue',
      inputs: [float(r, shapeOf(r))],
      run: (x) => kernel('ClipByValue', { x }, attrs),
    };
  },
  (r) => {
    const from = r.pick([float(r, shapeOf(r), -9, 9), int(r, shapeOf(r), -9, 9), bool(r, shapeOf(r))]);
    const dtype = r.pick(['float32', 'int32', 'bool'] as const);
    return { kernels: 'Cast', inputs: [from], run: (x) => kernel('Cast', { x }, { dtype }) };
  },
  (r) => ({ kernels: 'Identity', inputs: [float(r, shapeOf(r))], run: (x) => kernel('Identity', { x }) }),
  (r) => ({
    kernels: 'OnesLike ZerosLike',
    inputs: [r.pick([float(r, shapeOf(r)), int(r, shapeOf(r), 0, 3), bool(r, shapeOf(r))])],
    run: (x) => [kernel('OnesLike', { x }), kernel('ZerosLike', { x })],
  }),
  (r) => {
    const [shape, value] = [shapeOf(r), r.integer(-5, 5)];
    const dtype = r.pick(['float32', 'int32'] as const);
    return { kernels: 'Fill', inputs: [], run: () => tf.fill(shape, value, dtype) };
  },
  (r) => {
    const [start, stop, step] = [r.integer(-5, 5), r.integer(-5, 5), r.pick([1, 2, 0.5, -1, -0.3])];
    const dtype = r.pick(['float32', 'int32'] as const);
    const stride = dtype === 'int32' ? Math.sign(step) * Math.ceil(Math.abs(step)) : step;
    return { kernels: 'Range', inputs: [], run: () => tf.range(start, stop, stride, dtype) };
  },
  (r) => {
    const [start, stop, num] = [r.uniform(-5, 5), r.uniform(-5, 5), r.integer(1, 9)];
    return { kernels: 'LinSpace', inputs: [], run: () => tf.linspace(start, stop, num) };
  },
];

const FLOAT_BINARY = (
  'Add Sub Multiply RealDiv FloorDiv Mod Pow Maximum Minimum Atan2 Equal NotEqual Greater GreaterEqual Less LessEqual ' +
  'SquaredDifference Prelu'
).split(' ');
const INT_BINARY =
  'Add Sub Multiply FloorDiv Mod Maximum Minimum Equal NotEqual Greater GreaterEqual Less LessEqual BitwiseAnd';

export const binary: Draw[] = [
  ...FLOAT_BINARY.map((name): Draw => (r) => {
    const [one, two] = broadcastPair(r);
    const first = float(r, one, name === 'Pow' ? 0.1 : -3, 3);
    const divides = ['RealDiv', 'FloorDiv', 'Mod'].includes(name);
    const second = float(r, name === 'Prelu' ? one : two, divides ? 0.7 : -3, 3);
    if (divides && r.chance(0.5)) second.values.forEach((v, i) => (second.values[i] = -v));
    const run = (a: tf.Tensor, b: tf.Tensor): tf.Tensor =>
      name === 'Prelu' ? kernel(name, { x: a, alpha: b }) : kernel(name, { a, b });
    return { kernels: name, inputs: [first, second], run };
  }),
  ...INT_BINARY.split(' ').map((name): Draw => (r) => {
    const [one, two] = broadcastPair(r);
    const second = int(r, two, 1, 5);
    return { kernels: name, inputs: [int(r, one, -9, 9), second], run: (a, b) => kernel(name, { a, b }) };
  }),
  ...['LogicalAnd', 'LogicalOr'].map((name): Draw => (r) => {
    const [one, two] = broadcastPair(r);
    return { kernels: name, inputs: [bool(r, one), bool(r, two)], run: (a, b) => kernel(name, { a, b }) };
  }),
  (r) => {
    const shape = shapeOf(r);
    return {
      kernels: 'EluGrad',
      inputs: [float(r, shape), float(r, shape)],
      run: (dy, y) => kernel('EluGrad', { dy, y }),
    };
  },
  (r) => {
    const shape = shapeOf(r);
    const inputs = Array.from({ length: r.integer(1, 4) }, () => float(r, shape));
    return { kernels: 'AddN', inputs, run: (...x) => kernel('AddN', x) };
  },
  (r) => {
    const shape = shapeOf(r, 1, 3);
    return {
      kernels: 'Select',
      inputs: [bool(r, shape), float(r, shape), float(r, shape)],
      run: (condition, t, e) => kernel('Select', { condition, t, e }),
    };
  },
];

function axesOf(r: Random, rank: number): number[] {
  const axes = Array.from({ length: rank }, (_, d) => d).filter(() => r.chance(0.5));
  return axes.length > 0 ? axes : [r.integer(0, rank - 1)];
}

export const reduce: Draw[] = [
  ...['Sum', 'Mean', 'Max', 'Min', 'Prod'].map((name): Draw => (r) => {
    const shape = shapeOf(r, 1, 4);
    const [axes, keepDims] = [axesOf(r, shape.length), r.chance(0.5)];
    const x = name !== 'Mean' && r.chance(0.3) ? int(r, shape, -2, 2) : float(r, shape);
    const attrs = { axis: axes, reductionIndices: axes, keepDims };
    return { kernels: name, inputs: [x], run: (t) => kernel(name, { x: t }, attrs) };
  }),
  ...['All', 'Any'].map((name): Draw => (r) => {
    const shape = shapeOf(r, 1, 4);
    const attrs = { axis: axesOf(r, shape.length), keepDims: r.chance(0.5) };
    return { kernels: name, inputs: [bool(r, shape)], run: (x) => kernel(name, { x }, attrs) };
  }),
  ...['ArgMax', 'ArgMin'].map((name): Draw => (r) => {
    const shape = shapeOf(r, 1, 4);
    const axis = r.integer(0, shape.length - 1);
    return { kernels: name, inputs: [int(r, shape, 0, 3)], run: (x) => kernel(name, { x }, { axis }) };
  }),
  ...['Cumsum', 'Cumprod'].map((name): Draw => (r) => {
    const shape = shapeOf(r, 1, 4);
    const attrs = { axis: r.integer(0, shape.length - 1), exclusive: r.chance(0.5), reverse: r.chance(0.5) };
    const x = r.chance(0.5) ? int(r, shape, -2, 2) : float(r, shape);
    return { kernels: name, inputs: [x], run: (t) => kernel(name, { x: t }, attrs) };
  }),
  (r) => ({ kernels: 'Softmax', inputs: [float(r, shapeOf(r, 1, 4))], run: (x) => tf.softmax(x) }),
  (r) => {
    const shape = shapeOf(r, 1, 3);
    const k = r.integer(1, shape.at(-1)!);
    const run = (x: tf.Tensor): tf.Tensor[] => Object.values(tf.topk(x, k));
    return { kernels: 'TopK', inputs: [int(r, shape, 0, 4)], run };
  },
  (r) => {
    const [rows, n, m] = [r.integer(1, 3), r.integer(1, 6), r.integer(1, 4)];
    const sorted = int(r, [rows, n], 0, 9);
    for (let i = 0; i < rows; i++) sorted.values.subarray(i * n, (i + 1) * n).sort();
    const side = r.pick(['left', 'right'] as const);
    return {
      kernels: 'SearchSorted',
      inputs: [sorted, int(r, [rows, m], -1, 10)],
      run: (s, v) => tf.searchSorted(s, v, side),
    };
  },
];

export const shape: Draw[] = [
  (r) => {
    const from = shapeOf(r, 1, 4);
    const run = (x: tf.Tensor): tf.Tensor => x.reshape([-1, from.at(-1)!]);
    return { kernels: 'Reshape', inputs: [float(r, from)], run };
  },
  (r) => {
    const from = shapeOf(r, 1, 4);
    const axis = r.integer(-from.length - 1, from.length);
    return { kernels: 'ExpandDims', inputs: [float(r, from)], run: (x) => tf.expandDims(x, axis) };
  },
  (r) => {
    const from = shapeOf(r, 1, 5);
    const perm = Array.from(r.permutation(from.length));
    return { kernels: 'Transpose', inputs: [float(r, from)], run: (x) => tf.transpose(x, perm) };
  },
  (r) => {
    const from = shapeOf(r, 1, 4);
    const begin = from.map((size) => r.integer(0, size - 1));
    const size = from.map((n, d) => r.integer(0, n - begin[d]));
    return { kernels: 'Slice', inputs: [float(r, from)], run: (x) => tf.slice(x, begin, size) };
  },
  (r) => {
    const from = shapeOf(r, 1, 4, 6);
    const strides = from.map(() => r.pick([1, 2, 3, -1, -2]));
    const ends = from.map((n, d) => {
      const [low, high] = [r.integer(0, n - 1), r.integer(0, n - 1)].sort((a, b) => a - b);
      return strides[d] > 0 ? [low, high + 1] : [high, low];
    });
    const [begin, end] = [ends.map((e) => e[0]), ends.map((e) => e[1])];
    const [beginMask, endMask] = [r.integer(0, 3), r.integer(0, 3)];
    // The cpu backend drops an axis rightly only where no stride skips.
    const shrink = from.length > 1 && strides.every((s) => s === 1) ? 1 : 0;
    const run = (x: tf.Tensor): tf.Tensor =>
      tf.stridedSlice(x, begin, end, strides, beginMask & ~shrink, endMask & ~shrink, 0, 0, shrink);
    return { kernels: 'StridedSlice', inputs: [float(r, from)], run };
  },
  (r) => {
    const from = shapeOf(r, 1, 4);
    const axis = r.integer(0, from.length - 1);
    const inputs = Array.from({ length: r.integer(1, 4) }, () => {
      const part = from.slice();
      part[axis] = r.integer(0, 4);
      return float(r, part);
    });
    return { kernels: 'Concat', inputs, run: (...x) => tf.concat(x, axis) };
  },
  (r) => {
    const from = shapeOf(r, 0, 3);
    const axis = r.integer(0, from.length);
    const inputs = Array.from({ length: r.integer(1, 4) }, () => int(r, from, -9, 9));
    return { kernels: 'Pack', inputs, run: (...x) => tf.stack(x, axis) };
  },
  (r) => {
    const from = shapeOf(r, 1, 4);
    const axis = r.integer(0, from.length - 1);
    return { kernels: 'Unpack', inputs: [float(r, from)], run: (x) => tf.unstack(x, axis) };
  },
  (r) => {
    const from = shapeOf(r, 1, 4);
    const axis = r.integer(0, from.length - 1);
    const sizes = Array.from({ length: r.integer(1, 3) }, () => r.integer(1, 3));
    from[axis] = sizes.reduce((a, b) => a + b, 0);
    return { kernels: 'SplitV', inputs: [float(r, from)], run: (x) => tf.split(x, sizes, axis) };
  },
  (r) => {
    const from = shapeOf(r, 1, 4, 3);
    const reps = from.map(() => r.integer(1, 3));
    return { kernels: 'Tile', inputs: [float(r, from)], run: (x) => tf.tile(x, reps) };
  },
  (r) => {
    const from = shapeOf(r, 1, 4);
    const axes = axesOf(r, from.length);
    return { kernels: 'Reverse', inputs: [float(r, from)], run: (x) => tf.reverse(x, axes) };
  },
  (r) => {
    const from = [r.integer(1, 2), r.integer(1, 4), r.integer(1, 4), r.integer(1, 3)];
    const run = (x: tf.Tensor): tf.Tensor => tf.image.flipLeftRight(x as tf.Tensor4D);
    return { kernels: 'FlipLeftRight', inputs: [float(r, from)], run };
  },
  (r) => {
    const from = shapeOf(r, 1, 4);
    const paddings = from.map((): [number, number] => [r.integer(0, 2), r.integer(0, 2)]);
    const value = r.uniform(-1, 1);
    return { kernels: 'PadV2', inputs: [float(r, from)], run: (x) => tf.pad(x, paddings, value) };
  },
  (r) => {
    const from = shapeOf(r, 1, 4).map((size) => size + 1);
    const mode = r.pick(['reflect', 'symmetric'] as const);
    const room = (size: number): number => r.integer(0, mode === 'reflect' ? size - 1 : size);
    const paddings = from.map((size): [number, number] => [room(size), room(size)]);
    return { kernels: 'MirrorPad', inputs: [float(r, from)], run: (x) => tf.mirrorPad(x, paddings, mode) };
  },
  (r) => {
    const block = r.integer(2, 3);
    const from = [r.integer(1, 2), r.integer(1, 3), r.integer(1, 3), r.integer(1, 3) * block * block];
    const run = (x: tf.Tensor): tf.Tensor => tf.depthToSpace(x as tf.Tensor4D, block);
    return { kernels: 'DepthToSpace', inputs: [float(r, from)], run };
  },
  (r) => ({ kernels: 'Diag', inputs: [float(r, shapeOf(r, 1, 3, 3))], run: (x) => tf.diag(x) }),
  (r) => {
    const block = [r.integer(1, 3), r.integer(1, 3)];
    const paddings = block.map((b): number[] => [r.integer(0, 2) * b, r.integer(0, 2) * b]);
    const from = [r.integer(1, 2), block[0] * r.integer(1, 2), block[1] * r.integer(1, 2), r.integer(1, 2)];
    const run = (x: tf.Tensor): tf.Tensor[] => {
      const y = tf.spaceToBatchND(x, block, paddings);
      return [y, tf.batchToSpaceND(y, block, paddings)];
    };
    return { kernels: 'SpaceToBatchND BatchToSpaceND', inputs: [float(r, from)], run };
  },
];

export const index: Draw[] = [
  (r) => {
    const from = shapeOf(r, 1, 4);
    const axis = r.integer(0, from.length - 1);
    const indices = int(r, shapeOf(r, 1, 2), 0, from[axis] - 1);
    return { kernels: 'GatherV2', inputs: [float(r, from), indices], run: (x, i) => tf.gather(x, i, axis) };
  },
  (r) => {
    const from = [r.integer(1, 3), r.integer(1, 4), r.integer(1, 3)];
    const indices = int(r, [from[0], r.integer(1, 4)], 0, from[1] - 1);
    return { kernels: 'GatherV2', inputs: [float(r, from), indices], run: (x, i) => tf.gather(x, i, 1, 1) };
  },
  (r) => {
    const from = shapeOf(r, 1, 4);
    const depth = r.integer(1, from.length);
    const rows = Array.from({ length: r.integer(1, 4) }, () =>
      from.slice(0, depth).map((n) => r.integer(0, n - 1)),
    );
    const indices: Input = {
      shape: [rows.length, depth],
      values: Int32Array.from(rows.flat()),
      dtype: 'int32',
    };
    return { kernels: 'GatherNd', inputs: [float(r, from), indices], run: (x, i) => tf.gatherND(x, i) };
  },
  (r) => {
    const to = shapeOf(r, 1, 3);
    const depth = r.integer(1, to.length);
    const rows = Array.from({ length: r.integer(1, 4) }, () =>
      to.slice(0, depth).map((n) => r.integer(0, n - 1)),
    );
    const indices: Input = {
      shape: [rows.length, depth],
      values: Int32Array.from(rows.flat()),
      dtype: 'int32',
    };
    const updates = float(r, [rows.length, ...to.slice(depth)]);
    return { kernels: 'ScatterNd', inputs: [indices, updates], run: (i, u) => tf.scatterND(i, u, to) };
  },
  (r) => {
    const to = shapeOf(r, 1, 3);
    const rows = Array.from(r.permutation(to[0])).slice(0, r.integer(1, to[0]));
    const indices: Input = { shape: [rows.length, 1], values: Int32Array.from(rows), dtype: 'int32' };
    return {
      kernels: 'TensorScatterUpdate',
      inputs: [float(r, to), indices, float(r, [rows.length, ...to.slice(1)])],
      run: (tensor, indices, updates) => kernel('TensorScatterUpdate', { tensor, indices, updates }),
    };
  },
  (r) => {
    const to = shapeOf(r, 1, 2);
    const places = Array.from(r.permutation(count(to))).slice(0, r.integer(1, count(to)));
    const rows = places.map((p) => (to.length === 1 ? [p] : [Math.floor(p / to[1]), p % to[1]]));
    const indices: Input = {
      shape: [rows.length, to.length],
      values: Int32Array.from(rows.flat()),
      dtype: 'int32',
    };
    const fallback = r.uniform();
    return {
      kernels: 'SparseToDense',
      inputs: [indices, float(r, [rows.length])],
      run: (i, v) => tf.sparseToDense(i, v, to, fallback),
    };
  },
  (r) => {
    const from = shapeOf(r, 1, 3);
    const segments = r.integer(1, 4);
    return {
      kernels: 'UnsortedSegmentSum',
      inputs: [float(r, from), int(r, [from[0]], 0, segments - 1)],
      run: (x, ids) => tf.unsortedSegmentSum(x, ids as tf.Tensor1D, segments),
    };
  },
  (r) => {
    const depth = r.integer(2, 5);
    const [on, off] = [r.uniform(), r.uniform()];
    return {
      kernels: 'OneHot',
      inputs: [int(r, shapeOf(r, 1, 3), -1, depth)],
      run: (i) => tf.oneHot(i, depth, on, off),
    };
  },
  (r) => {
    const size = r.integer(1, 6);
    const n = r.integer(1, 9);
    return {
      kernels: 'Bincount',
      inputs: [int(r, [n], 0, 7), float(r, [r.chance(0.5) ? n : 0])],
      run: (x, w) => tf.bincount(x as tf.Tensor1D, w as tf.Tensor1D, size),
    };
  },
  (r) => {
    const size = r.integer(1, 6);
    const from = [r.integer(1, 3), r.integer(1, 5)];
    const weights = r.chance(0.5) ? from : [0];
    const binary = r.chance(0.3);
    return {
      kernels: 'DenseBincount',
      inputs: [int(r, from, 0, 7), float(r, weights)],
      run: (x, w) => tf.denseBincount(x as tf.Tensor2D, w as tf.Tensor2D, size, binary),
    };
  },
];
