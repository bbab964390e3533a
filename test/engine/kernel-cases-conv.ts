/** Random cases of convolutions, pools, products, normalisations and resizes: see kernel-cases.ts. */
import * as tf from '@tensorflow/tfjs-core';

import type { Random } from '../../src/util/random';
import { type Draw, float, type Input, shapeOf } from './kernel-cases';

type Pair = [number, number];
type Pad = number | 'same' | 'valid' | [Pair, Pair, Pair, Pair];

interface Geometry {
  readonly x: [number, number, number, number];
  readonly kernel: Pair;
  readonly strides: Pair;
  readonly dilations: Pair;
  readonly pad: Pad;
}

function geometry(r: Random, dilate: boolean): Geometry {
  const kernel: Pair = [r.integer(1, 4), r.integer(1, 4)];
  const dilated = dilate && r.chance(0.4);
  const dilations: Pair = dilated ? [r.integer(1, 3), r.integer(1, 3)] : [1, 1];
  const strides: Pair = dilated ? [1, 1] : [r.integer(1, 3), r.integer(1, 3)];
  const x: Geometry['x'] = [
    r.integer(1, 2),
    (kernel[0] - 1) * dilations[0] + r.integer(1, 4),
    (kernel[1] - 1) * dilations[1] + r.integer(1, 4),
    r.integer(1, 4),
  ];
  const side = (): Pair => [r.integer(0, 2), r.integer(0, 2)];
  const pad = r.pick<Pad>(['same', 'valid', r.integer(0, 2), [[0, 0], side(), side(), [0, 0]]]);
  if (typeof pad === 'number') {
    // TensorFlow.js takes the window's height for its width where the padding is one number.
    kernel[1] = kernel[0];
    strides[1] = strides[0];
    dilations[1] = dilations[0];
    x[2] = Math.max(x[2], (kernel[1] - 1) * dilations[1] + 1);
  }
  return { x, kernel, strides, dilations, pad };
}

const run = (name: string, inputs: object, attrs: object): tf.Tensor =>
  tf.engine().runKernel(name, inputs as tf.NamedTensorMap, attrs as never);

const ACTIVATIONS = ['linear', 'relu', 'relu6', 'elu', 'sigmoid', 'leakyrelu', 'prelu'] as const;

export const convolution: Draw[] = [
  (r) => {
    const g = geometry(r, true);
    const inputs = [float(r, g.x), float(r, [...g.kernel, g.x[3], r.integer(1, 4)])];
    return {
      kernels: 'Conv2D',
      inputs,
      run: (x, filter) => run('Conv2D', { x, filter }, { ...g, dataFormat: 'NHWC' }),
    };
  },
  (r) => {
    const g = geometry(r, true);
    const out = r.integer(1, 4);
    const inputs = [float(r, g.x), float(r, [...g.kernel, g.x[3], out]), float(r, [out]), float(r, [out])];
    const attrs = { ...g, dataFormat: 'NHWC', activation: r.pick(ACTIVATIONS), leakyreluAlpha: 0.3 };
    return {
      kernels: 'FusedConv2D',
      inputs,
      run: (x, filter, bias, preluActivationWeights) =>
        run('FusedConv2D', { x, filter, bias, preluActivationWeights }, attrs),
    };
  },
  (r) => {
    const g = geometry(r, false);
    const filterShape: [number, number, number, number] = [...g.kernel, g.x[3], r.integer(1, 4)];
    const info = tf.backend_util.computeConv2DInfo(g.x, filterShape, g.strides, 1, g.pad);
    const attrs = { ...g, dataFormat: 'NHWC', inputShape: g.x, filterShape };
    return {
      kernels: 'Conv2DBackpropInput Conv2DBackpropFilter',
      inputs: [float(r, g.x), float(r, filterShape), float(r, info.outShape)],
      run: (x, filter, dy) => [
        run('Conv2DBackpropInput', { dy, filter }, attrs),
        run('Conv2DBackpropFilter', { x, dy }, attrs),
      ],
    };
  },
  (r) => {
    const g = geometry(r, true);
    const inputs = [float(r, g.x), float(r, [...g.kernel, g.x[3], r.integer(1, 2)])];
    return {
      kernels: 'DepthwiseConv2dNative',
      inputs,
      run: (x, filter) => run('DepthwiseConv2dNative', { x, filter }, { ...g, dataFormat: 'NHWC' }),
    };
  },
  (r) => {
    const g = geometry(r, true);
    const inputs = [float(r, g.x), float(r, [...g.kernel, g.x[3], 1]), float(r, [g.x[3]])];
    const attrs = {
      ...g,
      dataFormat: 'NHWC',
      activation: r.pick(['linear', 'relu', 'leakyrelu']),
      leakyreluAlpha: 0.1,
    };
    return {
      kernels: 'FusedDepthwiseConv2D',
      inputs,
      run: (x, filter, bias) => run('FusedDepthwiseConv2D', { x, filter, bias }, attrs),
    };
  },
  (r) => {
    const g = geometry(r, false);
    const filterShape: [number, number, number, number] = [...g.kernel, g.x[3], r.integer(1, 2)];
    const info = tf.backend_util.computeConv2DInfo(g.x, filterShape, g.strides, 1, g.pad, undefined, true);
    const attrs = { ...g, dilations: [1, 1], inputShape: g.x, filterShape };
    return {
      kernels: 'DepthwiseConv2dNativeBackpropInput DepthwiseConv2dNativeBackpropFilter',
      inputs: [float(r, g.x), float(r, filterShape), float(r, info.outShape)],
      run: (x, filter, dy) => [
        run('DepthwiseConv2dNativeBackpropInput', { dy, filter }, attrs),
        run('DepthwiseConv2dNativeBackpropFilter', { x, dy }, attrs),
      ],
    };
  },
];

export const pool: Draw[] = [
  (r) => {
    const g = geometry(r, false);
    const attrs = { filterSize: g.kernel, strides: g.strides, pad: g.pad };
    const info = tf.backend_util.computePool2DInfo(g.x, g.kernel, g.strides, 1, g.pad);
    // A window that lies wholly in the padding has no maximum.
    const pad = info.padInfo;
    const empty =
      Math.max(pad.top, pad.bottom) >= g.kernel[0] || Math.max(pad.left, pad.right) >= g.kernel[1];
    const safe = empty ? { ...attrs, pad: 'same' as const } : attrs;
    const out = tf.backend_util.computePool2DInfo(g.x, g.kernel, g.strides, 1, safe.pad).outShape;
    return {
      kernels: 'MaxPool MaxPoolGrad AvgPool',
      inputs: [float(r, g.x), float(r, out)],
      run: (x, dy) => {
        const output = run('MaxPool', { x }, safe);
        return [output, run('MaxPoolGrad', { dy, input: x, output }, safe), run('AvgPool', { x }, safe)];
      },
    };
  },
  (r) => {
    // TensorFlow.js's own gradient is right where nothing is padded.
    const g = geometry(r, false);
    const attrs = { filterSize: g.kernel, strides: g.strides, pad: 'valid' };
    const out = tf.backend_util.computePool2DInfo(g.x, g.kernel, g.strides, 1, 'valid').outShape;
    return {
      kernels: 'AvgPoolGrad',
      inputs: [float(r, g.x), float(r, out)],
      run: (x, dy) => run('AvgPoolGrad', { dy, input: x }, attrs),
    };
  },
  (r) => {
    const g = geometry(r, false);
    const attrs = {
      filterSize: g.kernel,
      strides: g.strides,
      pad: r.pick(['same', 'valid']),
      includeBatchInIndex: r.chance(0.5),
    };
    return {
      kernels: 'MaxPoolWithArgmax',
      inputs: [float(r, g.x)],
      run: (x) => run('MaxPoolWithArgmax', { x }, attrs),
    };
  },
];

export const product: Draw[] = [
  (r) => {
    const [m, k, n] = [r.integer(1, 6), r.integer(1, 6), r.integer(1, 6)];
    const [transposeA, transposeB] = [r.chance(0.5), r.chance(0.5)];
    // The cpu backend broadcasts all leading axes or none.
    const batch = shapeOf(r, 0, 2, 3);
    const a = [...(r.chance(0.3) ? batch.map(() => 1) : batch), ...(transposeA ? [k, m] : [m, k])];
    const b = [...batch, ...(transposeB ? [n, k] : [k, n])];
    return {
      kernels: 'BatchMatMul',
      inputs: [float(r, a), float(r, b)],
      run: (x, y) => tf.matMul(x, y, transposeA, transposeB),
    };
  },
  (r) => {
    const [m, k, n] = [r.integer(1, 6), r.integer(1, 6), r.integer(1, 6)];
    const attrs = {
      transposeA: r.chance(0.5),
      transposeB: r.chance(0.5),
      activation: r.pick(ACTIVATIONS),
      leakyreluAlpha: 0.1,
    };
    return {
      kernels: '_FusedMatMul',
      inputs: [
        float(r, attrs.transposeA ? [1, k, m] : [1, m, k]),
        float(r, attrs.transposeB ? [1, n, k] : [1, k, n]),
        float(r, [n]),
        float(r, [n]),
      ],
      run: (a, b, bias, preluActivationWeights) =>
        run('_FusedMatMul', { a, b, bias, preluActivationWeights }, attrs),
    };
  },
  (r) => {
    const from = shapeOf(r, 2, 4);
    const c = from.at(-1)!;
    const [withScale, withOffset] = [r.chance(0.7), r.chance(0.7)];
    return {
      kernels: 'FusedBatchNorm',
      inputs: [float(r, from), float(r, [c]), float(r, [c], 0.1, 2), float(r, [c]), float(r, [c])],
      run: (x, mean, variance, scale, offset) =>
        run(
          'FusedBatchNorm',
          { x, mean, variance, ...(withScale && { scale }), ...(withOffset && { offset }) },
          { varianceEpsilon: 1e-3 },
        ),
    };
  },
  (r) => {
    const from = [r.integer(1, 2), r.integer(1, 3), r.integer(1, 3), r.integer(1, 7)];
    const attrs = {
      depthRadius: r.integer(1, 3),
      bias: r.uniform(0.5, 2),
      alpha: r.uniform(0.1, 1),
      beta: r.uniform(0.2, 1),
    };
    return {
      kernels: 'LRN LRNGrad',
      inputs: [float(r, from), float(r, from)],
      run: (x, dy) => {
        const y = run('LRN', { x }, attrs);
        return [y, run('LRNGrad', { x, y, dy }, attrs)];
      },
    };
  },
  (r) => {
    const [i, j, k] = [r.integer(1, 4), r.integer(1, 4), r.integer(1, 4)];
    const equation = r.pick(['ij,jk->ik', 'ij,jk->ijk', 'ij,jk->ki']);
    return {
      kernels: 'Einsum',
      inputs: [float(r, [i, j]), float(r, [j, k])],
      run: (a, b) => tf.einsum(equation, a, b),
    };
  },
];

export const resize: Draw[] = [
  (r) => {
    const from = [r.integer(1, 2), r.integer(1, 6), r.integer(1, 6), r.integer(1, 3)];
    const size: Pair = [r.integer(1, 9), r.integer(1, 9)];
    const [align, half] = r.pick([[false, false], [true, false], [false, true]]); // prettier-ignore
    return {
      kernels: 'ResizeBilinear ResizeNearestNeighbor',
      inputs: [float(r, from)],
      run: (x) => [
        tf.image.resizeBilinear(x as tf.Tensor4D, size, align, half),
        tf.image.resizeNearestNeighbor(x as tf.Tensor4D, size, align, half),
      ],
    };
  },
];

/** A linear (or, for a maximum, positively homogeneous) kernel and its gradient kernel. */
export interface Transpose {
  readonly gradient: string;
  readonly inputs: Input[];
  readonly forward: (x: tf.Tensor) => tf.Tensor;
  readonly backward: (x: tf.Tensor, dy: tf.Tensor) => tf.Tensor;
}

/**
 * Gradients that the cpu backend gets wrong (padded averages, non-square or half-pixel resizes), so they are
 * held to <f(x), dy> = <x, f'(dy)> instead.
 */
export const transposes: ((r: Random) => Transpose)[] = [
  ...['ResizeBilinear', 'ResizeNearestNeighbor'].map((name) => (r: Random): Transpose => {
    const from = [r.integer(1, 2), r.integer(1, 6), r.integer(1, 6), r.integer(1, 3)];
    const size: Pair = [r.integer(1, 9), r.integer(1, 9)];
    const [alignCorners, halfPixelCenters] = r.pick([[false, false], [true, false], [false, true]]); // prettier-ignore
    const attrs = { alignCorners, halfPixelCenters, size };
    return {
      gradient: `${name}Grad`,
      inputs: [float(r, from), float(r, [from[0], ...size, from[3]])],
      forward: (images) => run(name, { images }, attrs),
      backward: (images, dy) => run(`${name}Grad`, { images, dy }, attrs),
    };
  }),
  ...['MaxPool', 'AvgPool'].map((name) => (r: Random): Transpose => {
    const g = geometry(r, false);
    const attrs = { filterSize: g.kernel, strides: g.strides, pad: 'same' };
    const out = tf.backend_util.computePool2DInfo(g.x, g.kernel, g.strides, 1, 'same').outShape;
    return {
      gradient: `${name}Grad`,
      inputs: [float(r, g.x), float(r, out)],
      forward: (x) => run(name, { x }, attrs),
      backward: (input, dy) => run(`${name}Grad`, { dy, input, output: dy }, attrs),
    };
  }),
];
