/**
 * Random cases for the wasm engine's own kernels, in sizes that reach their vector blocks, their remainders and their
 * groups: see kernel-cases.ts. What the cpu backend has no kernel for is compared with the op's portable composition there.
 */
import * as tf from '@tensorflow/tfjs-core';
import { gelu } from '../../src/ops/gelu';
import { layerNorm } from '../../src/ops/layer-norm';
import { pixelShuffle } from '../../src/ops/pixel-shuffle';
import { windowAttention } from '../../src/ops/window-attention';
import type { Random } from '../../src/util/random';
import { float, int, type Case, type Draw } from './kernel-cases';

type Pair = [number, number];
type Size4 = [number, number, number, number];

const run = (name: string, inputs: object, attrs: object = {}): tf.Tensor =>
  tf.engine().runKernel(name, inputs as tf.NamedTensorMap, attrs as never);

/** Value and gradients of an op: all that it computes for training. */
function trained(kernels: string, inputs: Case['inputs'], op: (...x: tf.Tensor[]) => tf.Tensor): Case {
  return {
    kernels,
    inputs,
    run: (...x) => {
      const { grads } = tf.valueAndGrads((...y: tf.Tensor[]) => {
        const out = op(...y);
        const weights = Float32Array.from({ length: out.size }, (_, i) => Math.sin(i)); // no two outputs weigh the same
        return tf.sum(tf.mul(tf.reshape(out, [-1]), tf.tensor1d(weights)));
      })(x);
      return [op(...x), ...grads];
    },
  };
}

/** Mostly few, at times enough for several blocks of eight and a remainder. */
const channels = (r: Random): number => (r.chance(0.5) ? r.integer(1, 9) : r.integer(10, 45));

interface Geometry {
  readonly x: Size4;
  readonly kernel: Pair;
  readonly strides: Pair;
  readonly dilations: Pair;
  readonly pad: [Pair, Pair, Pair, Pair];
}

/** Strides, dilations and paddings that differ by axis and side. */
function geometry(r: Random): Geometry {
  const kernel: Pair = r.pick<Pair>([[1, 1], [3, 3], [1, 11], [11, 1], [4, 4], [2, 5], [1, 3], [3, 1]]); // prettier-ignore
  const dilated = r.chance(0.3);
  const dilations: Pair = dilated ? [r.integer(1, 3), r.integer(1, 3)] : [1, 1];
  const strides: Pair = dilated || r.chance(0.4) ? [1, 1] : [r.integer(1, 4), r.integer(1, 4)];
  const side = (k: number): Pair => [r.integer(0, k), r.integer(0, k)];
  const pad: Geometry['pad'] = [[0, 0], side(kernel[0]), side(kernel[1]), [0, 0]];
  const size = (a: 0 | 1): number =>
    Math.max(1, (kernel[a] - 1) * dilations[a] + 1 - pad[a + 1][0] - pad[a + 1][1]) + r.integer(0, 19);
  return { x: [r.integer(1, 3), size(0), size(1), channels(r)], kernel, strides, dilations, pad };
}

export const convolutions: Draw[] = [
  (r) => {
    const g = geometry(r);
    const inputs = [float(r, g.x), float(r, [...g.kernel, g.x[3], channels(r)])];
    const attrs = { ...g, dataFormat: 'NHWC' };
    return { kernels: 'Conv2D', inputs, run: (x, filter) => run('Conv2D', { x, filter }, attrs) };
  },
  (r) => {
    const g = geometry(r);
    const out = channels(r);
    const activation = r.pick(['linear', 'relu', 'leakyrelu']);
    const attrs = { ...g, dataFormat: 'NHWC', activation, leakyreluAlpha: 0.3 };
    return {
      kernels: 'FusedConv2D',
      inputs: [float(r, g.x), float(r, [...g.kernel, g.x[3], out]), float(r, [out])],
      run: (x, filter, bias) => run('FusedConv2D', { x, filter, bias }, attrs),
    };
  },
  (r) => {
    const { x, kernel, strides, pad } = geometry(r);
    const filterShape: Size4 = [...kernel, x[3], channels(r)];
    const room: Size4 = [x[0], x[1] + kernel[0], x[2] + kernel[1], x[3]];
    const info = tf.backend_util.computeConv2DInfo(room, filterShape, strides, 1, pad);
    const attrs = { strides, pad, dataFormat: 'NHWC', inputShape: room, filterShape };
    return {
      kernels: 'Conv2DBackpropInput Conv2DBackpropFilter',
      inputs: [float(r, room), float(r, filterShape), float(r, info.outShape)],
      run: (x, filter, dy) => [
        run('Conv2DBackpropInput', { dy, filter }, attrs),
        run('Conv2DBackpropFilter', { x, dy }, attrs),
      ],
    };
  },
  (r) => {
    const g = geometry(r);
    const c = g.x[3];
    const activation = r.pick(['linear', 'relu', 'leakyrelu']);
    const attrs = { ...g, activation, leakyreluAlpha: 0.3 };
    return {
      kernels: 'DepthwiseConv2dNative FusedDepthwiseConv2D',
      inputs: [float(r, g.x), float(r, [...g.kernel, c, 1]), float(r, [c])],
      run: (x, filter, bias) => [
        run('DepthwiseConv2dNative', { x, filter }, g),
        run('FusedDepthwiseConv2D', { x, filter, bias }, attrs),
      ],
    };
  },
  (r) => {
    const { x, kernel, strides, pad } = geometry(r);
    const filterShape: Size4 = [...kernel, x[3], 1];
    const room: Size4 = [x[0], x[1] + kernel[0], x[2] + kernel[1], x[3]];
    const info = tf.backend_util.computeConv2DInfo(room, filterShape, strides, 1, pad, 'floor', true);
    const attrs = { strides, dilations: 1, pad, dimRoundingMode: 'floor', inputShape: room, filterShape };
    return {
      kernels: 'DepthwiseConv2dNativeBackpropInput DepthwiseConv2dNativeBackpropFilter',
      inputs: [float(r, room), float(r, filterShape), float(r, info.outShape)],
      run: (x, filter, dy) => [
        run('DepthwiseConv2dNativeBackpropInput', { dy, filter }, attrs),
        run('DepthwiseConv2dNativeBackpropFilter', { x, dy }, attrs),
      ],
    };
  },
];

/** One of the axes' sizes is long enough for several groups of a sum. */
function longShape(r: Random, rank: number): number[] {
  const shape = Array.from({ length: rank }, () => r.integer(1, rank > 3 ? 3 : 6));
  shape[r.integer(0, rank - 1)] = r.integer(1, 600);
  return shape;
}

export const sums: Draw[] = ['Sum', 'Mean'].map((name) => (r) => {
  const shape = longShape(r, r.integer(1, 5));
  const axis = shape.map((_, i) => i).filter(() => r.chance(0.5));
  const attrs = { axis: axis.length === 0 ? null : axis, keepDims: r.chance(0.5) };
  // Means of values away from 0, so that the tolerance is one of the result.
  return { kernels: name, inputs: [float(r, shape, 0, 2)], run: (x) => run(name, { x }, attrs) };
});

const OPERATORS = ['Add', 'Sub', 'Multiply', 'RealDiv'];

export const arithmetic: Draw[] = [
  ...OPERATORS.map((name): Draw => (r) => {
    const full = longShape(r, r.integer(1, 5));
    const thin = (): number[] => full.map((n) => (r.chance(0.4) ? 1 : n)).slice(r.chance(0.3) ? 1 : 0);
    const [a, b] = r.chance(0.5) ? [full, thin()] : [thin(), full];
    return {
      kernels: name,
      inputs: [float(r, a), float(r, b, 0.5, 2)],
      run: (a, b) => run(name, { a, b }),
    };
  }),
  (r) => ({
    kernels: 'Softmax',
    inputs: [float(r, longShape(r, r.integer(1, 3)), -30, 30)],
    run: (x) => tf.softmax(x),
  }),
  (r) => {
    const shape = longShape(r, 3);
    const inputs = Array.from({ length: r.integer(2, 5) }, () => float(r, shape));
    return { kernels: 'AddN', inputs, run: (...x) => run('AddN', x) };
  },
  (r) => ({
    kernels: 'Step Sign',
    inputs: [float(r, longShape(r, 2))],
    run: (x) => [run('Step', { x }, { alpha: 0.2 }), run('Sign', { x })],
  }),
  (r) => {
    const [batch, m, k, n] = [r.integer(1, 5), r.integer(1, 40), r.integer(1, 40), r.integer(1, 40)];
    const [transposeA, transposeB] = r.pick([[false, false], [true, false], [false, true], [true, true]]); // prettier-ignore
    const [one, two] = r.pick([[batch, batch], [1, batch], [batch, 1]]); // prettier-ignore
    return {
      kernels: 'BatchMatMul',
      inputs: [
        float(r, transposeA ? [one, k, m] : [one, m, k]),
        float(r, transposeB ? [two, n, k] : [two, k, n]),
      ],
      run: (a, b) => run('BatchMatMul', { a, b }, { transposeA, transposeB }),
    };
  },
];

export const moves: Draw[] = [
  (r) => {
    const shape = longShape(r, r.integer(1, 6));
    const perm = [...r.permutation(shape.length)];
    return { kernels: 'Transpose', inputs: [float(r, shape)], run: (x) => tf.transpose(x, perm) };
  },
  (r) => {
    const shape = longShape(r, r.integer(1, 5));
    const begin = shape.map((n) => r.integer(0, n - 1));
    const size = shape.map((n, i) => r.integer(1, n - begin[i]));
    return { kernels: 'Slice', inputs: [float(r, shape)], run: (x) => tf.slice(x, begin, size) };
  },
  (r) => {
    const shape = longShape(r, r.integer(1, 4));
    const axis = r.integer(0, shape.length - 1);
    const sizes = Array.from({ length: r.integer(1, 4) }, () => r.integer(1, 40));
    const whole = shape.with(axis, sizes.reduce((a, b) => a + b, 0)); // prettier-ignore
    return {
      kernels: 'SplitV Concat',
      inputs: [float(r, whole)],
      run: (x) => {
        const parts = tf.split(x, sizes, axis);
        return [...parts, tf.concat([...parts].reverse(), axis)];
      },
    };
  },
  (r) => {
    const shape = longShape(r, r.integer(1, 4));
    const paddings = shape.map((): Pair => [r.integer(0, 3), r.integer(0, 3)]);
    return { kernels: 'PadV2', inputs: [float(r, shape)], run: (x) => tf.pad(x, paddings, 0.5) };
  },
  (r) => {
    const shape = longShape(r, r.integer(1, 4));
    const axes = shape.map((_, i) => i).filter(() => r.chance(0.5));
    return { kernels: 'Reverse', inputs: [float(r, shape)], run: (x) => tf.reverse(x, axes) };
  },
  (r) => {
    const [scale, c] = [r.integer(1, 4), r.integer(1, 5)];
    const shape = [r.integer(1, 3), r.integer(1, 9), r.integer(1, 9), c * scale * scale];
    return trained('PixelShuffle PixelUnshuffle', [float(r, shape)], (x) =>
      pixelShuffle(x as tf.Tensor4D, scale),
    );
  },
  (r) => {
    const shape = longShape(r, r.integer(1, 3));
    const indices = int(r, longShape(r, r.integer(1, 2)), 0, shape[0] - 1);
    return { kernels: 'GatherV2', inputs: [float(r, shape), indices], run: (x, i) => tf.gather(x, i) };
  },
  (r) => ({
    kernels: 'Identity Cast',
    inputs: [float(r, longShape(r, 2))],
    run: (x) => [
      tf.clone(x),
      run('Cast', { x }, { dtype: 'float32' }),
      run('Cast', { x }, { dtype: 'int32' }),
    ],
  }),
];

export const fused: Draw[] = [
  // Values on both sides of the kernel's two formulas, and far out.
  (r) => trained('Gelu GeluGrad', [float(r, longShape(r, 2), -7, 7)], (x) => gelu(x)),
  (r) => {
    const [c, epsilon] = [channels(r) + 1, r.pick([1e-5, 1e-6])];
    const shape = [...longShape(r, r.integer(0, 2)), c];
    return trained(
      'LayerNorm LayerNormGrad',
      [float(r, shape), float(r, [c]), float(r, [c])],
      (x, weight, bias) => layerNorm(x, weight as tf.Tensor1D, bias as tf.Tensor1D, epsilon),
    );
  },
  (r) => {
    const groups = r.integer(1, 2);
    const heads = groups * r.integer(1, 2);
    const [wh, ww] = [r.integer(1, 4), r.integer(2, 5)];
    // Two groups have each other's window turned, as in DAT: both divide the image.
    const unit = groups === 1 ? [wh, ww] : [wh * ww, wh * ww];
    const [height, width] = [unit[0] * r.integer(1, 2), unit[1] * r.integer(1, 2)];
    const shifted = r.chance(0.6);
    const windows: Pair[] = groups === 1 ? [[wh, ww]] : [[wh, ww], [ww, wh]]; // prettier-ignore
    const options = {
      heads,
      scale: r.uniform(0.2, 1),
      groups: windows.map((window) => ({
        window,
        shift: window.map((n) => (shifted ? Math.floor(n / 2) : 0)) as Pair,
      })),
    };
    const c = heads * r.integer(1, 11);
    const inputs = [
      float(r, [r.integer(1, 2), height, width, 3 * c], -1, 1),
      float(r, [heads, wh * ww, wh * ww], -1, 1),
    ];
    return trained('WindowAttention WindowAttentionGrad', inputs, (qkv, bias) =>
      windowAttention(qkv as tf.Tensor4D, bias as tf.Tensor3D, options),
    );
  },
];
