/**
 * The kernels that the kit's networks call, each as its output shapes and as ONNX nodes (operator set 17).
 *
 * A node works in the layout in which its input is known, the kit's own order first: transformers stay in NHWC between
 * their convolutions, convolutional networks in NCHW throughout.
 */
import * as tf from '@tensorflow/tfjs-core';
import { permute } from '../../nn/parameter';
import { InputError } from '../../util/errors';
import { channelAttentionRule, windowAttentionRule } from './attention';
import { nchwAxis, type Graph, type Value } from './graph';
import { ELEMENT, type Attribute } from './proto';
import { combine, dimKey, sameDim, type Dim } from './sizes';
import type { Constant, RecordingRule } from './trace';

type Attributes = Readonly<Record<string, unknown>>;
type Inputs = Readonly<Record<string, Value>>;
export type Shapes = readonly (readonly Dim[])[];

export interface KernelRule extends RecordingRule {
  /** Writes the kernel; its outputs, of the given shapes. Outputs that only gradients use are left out. */
  emit(graph: Graph, inputs: Inputs, attrs: Attributes, shapes: Shapes): Value[];
}

/** Whether to work in the kit's order of axes: where some image among the inputs is known in it. */
function prefersPlain(values: readonly Value[]): boolean {
  const images = values.filter((v) => v.shape.length === 4 && v.constant === undefined);
  return images.length === 0 || images.some((v) => v.plain !== undefined);
}

/** A kernel of one input and the shape of it, in any layout. */
function unary(name: string, emit: (graph: Graph, x: string, attrs: Attributes) => string): KernelRule {
  return {
    shapes: (inputs) => [inputs[name]],
    emit: (graph, inputs, attrs, [shape]) => {
      const x = inputs[name];
      return prefersPlain([x])
        ? [{ shape, plain: emit(graph, graph.plain(x), attrs) }]
        : [{ shape, nchw: emit(graph, graph.nchw(x), attrs) }];
    },
  };
}

const binary = (op: string): KernelRule => ({
  shapes: ({ a, b }) => [broadcast(a, b)],
  emit: (graph, { a, b }, _, [shape]) =>
    prefersPlain([a, b])
      ? [{ shape, plain: graph.node(op, [graph.plain(a), graph.plain(b)]) }]
      : [{ shape, nchw: graph.node(op, [besideNchw(graph, a), besideNchw(graph, b)]) }],
});

/** A value that broadcasts against NCHW as it would against NHWC. */
function besideNchw(graph: Graph, value: Value): string {
  const { shape, constant } = value;
  if (shape.length === 4) return graph.nchw(value);
  if (shape.length === 0) return graph.plain(value);
  if (shape.length > 1)
    throw unsupported('a sum or product of an image and a tensor of rank 2 or 3', [shape]);
  const expanded = [shape[0] as number, 1, 1];
  if (constant !== undefined) return graph.constant({ ...constant, shape: expanded });
  return graph.node('Reshape', [graph.plain(value), graph.integers(expanded)]);
}

function broadcast(a: readonly number[], b: readonly number[]): number[] {
  return tf.broadcast_util.assertAndGetBroadcastShape([...a], [...b]);
}

/** Axes as numbers from 0; the kernels take negative ones too. */
function axesOf(axis: unknown, rank: number): number[] {
  return ([axis].flat() as number[]).map((i) => (i < 0 ? i + rank : i));
}

interface ConvAttributes {
  readonly strides: readonly [number, number];
  readonly pad: readonly (readonly [number, number])[];
  readonly dilations: readonly [number, number];
  readonly activation?: string;
  readonly leakyreluAlpha?: number;
}

/** Convolution, bias and activation; a 1x1 convolution of an image in NHWC is a product with a matrix. */
const convolution = (depthwise: boolean): KernelRule => ({
  shapes: ({ x, filter }, attrs) => {
    const { strides, pad, dilations } = attrs as unknown as ConvAttributes;
    const size = (i: 0 | 1): number =>
      Math.floor(
        (x[i + 1] + pad[i + 1][0] + pad[i + 1][1] - dilations[i] * (filter[i] - 1) - 1) / strides[i],
      ) + 1;
    return [[x[0], size(0), size(1), depthwise ? filter[2] * filter[3] : filter[3]]];
  },
  emit: (graph, { x, filter, bias }, attrs, [shape]) => {
    const { strides, pad, dilations, activation, leakyreluAlpha } = attrs as unknown as ConvAttributes;
    const weight = filter.constant;
    if (weight === undefined) throw unsupported('a convolution with a computed filter', [filter.shape]);
    const [kh, kw, inner, outer] = weight.shape;
    const activate = (y: string): string => {
      if (activation === undefined || activation === 'linear') return y;
      if (activation === 'relu') return graph.node('Relu', [y]);
      if (activation === 'leakyrelu')
        return graph.node('LeakyRelu', [y], { alpha: { float: leakyreluAlpha! } });
      throw unsupported(`the activation '${activation}'`, [shape]);
    };
    const padded = pad.some(([before, after]) => before + after > 0);
    const pointwise = !depthwise && kh === 1 && kw === 1 && !padded && strides[0] === 1;
    if (pointwise && prefersPlain([x])) {
      const matrix = graph.constant({ ...weight, shape: [inner, outer] });
      const y = graph.node('MatMul', [graph.plain(x), matrix]);
      return [{ shape, plain: activate(bias ? graph.node('Add', [y, graph.plain(bias)]) : y) }];
    }
    const w = graph.constant(weight, depthwise ? [2, 3, 0, 1] : [3, 2, 0, 1]);
    const y = graph.node('Conv', [graph.nchw(x), w, ...(bias ? [graph.plain(bias)] : [])], {
      kernel_shape: [kh, kw],
      strides,
      dilations,
      pads: [pad[1][0], pad[2][0], pad[1][1], pad[2][1]],
      group: depthwise ? inner : 1,
    });
    return [{ shape, nchw: activate(y) }];
  },
});

const concat: KernelRule = {
  shapes: (inputs, { axis }) => {
    const all = Object.values(inputs);
    const along = all.reduce((sum, shape) => sum + shape[axis as number], 0);
    return [all[0].map((n, i) => (i === axis ? along : n))];
  },
  emit: (graph, inputs, { axis }, [shape]) => {
    const all = Object.values(inputs);
    const constants = all.flatMap((v) => floatConstant(v) ?? []);
    if (constants.length === all.length)
      return [{ shape, constant: joined(constants, axis as number, shape as readonly number[]) }];
    return prefersPlain(all) || shape.length !== 4
      ? [{ shape, plain: graph.node('Concat', all.map((v) => graph.plain(v)), { axis: axis as number }) }] // prettier-ignore
      : [{ shape, nchw: graph.node('Concat', all.map((v) => graph.nchw(v)), { axis: nchwAxis(axis as number) }) }]; // prettier-ignore
  },
};

interface FloatConstant extends Constant {
  readonly data: Float32Array;
}

/** What can be computed at export: an array of float32 that does not depend on the input. */
function floatConstant({ constant }: Value): FloatConstant | undefined {
  return constant?.data instanceof Float32Array ? (constant as FloatConstant) : undefined;
}

/** Constants as one, beside each other along an axis. */
function joined(constants: readonly FloatConstant[], axis: number, shape: readonly number[]): Constant {
  const outer = shape.slice(0, axis).reduce((a, b) => a * b, 1);
  const data = new Float32Array(shape.reduce((a, b) => a * b, 1));
  const row = data.length / outer;
  let start = 0;
  for (const { data: part } of constants) {
    const length = part.length / outer;
    for (let i = 0; i < outer; i++) data.set(part.subarray(i * length, (i + 1) * length), i * row + start);
    start += length;
  }
  return { shape, data };
}

const split: KernelRule = {
  shapes: ({ x }, { numOrSizeSplits, axis }) => {
    const [along] = axesOf(axis, x.length);
    const sizes =
      typeof numOrSizeSplits === 'number'
        ? Array.from({ length: numOrSizeSplits }, () => x[along] / numOrSizeSplits)
        : (numOrSizeSplits as number[]);
    return sizes.map((size) => x.map((n, i) => (i === along ? size : n)));
  },
  emit: (graph, { x }, attrs, shapes) => {
    const [axis] = axesOf(attrs.axis, x.shape.length);
    const sizes = graph.sizes(shapes.map((shape) => shape[axis]));
    if (prefersPlain([x])) {
      const names = graph.split('Split', [graph.plain(x), sizes], shapes.length, { axis });
      return names.map((plain, i) => ({ shape: shapes[i], plain }));
    }
    const names = graph.split('Split', [graph.nchw(x), sizes], shapes.length, { axis: nchwAxis(axis) });
    return names.map((nchw, i) => ({ shape: shapes[i], nchw }));
  },
};

const slice: KernelRule = {
  shapes: ({ x }, { begin, size }) => [
    (size as number[]).map((n, i) => (n === -1 ? x[i] - (begin as number[])[i] : n)),
  ],
  emit: (graph, { x }, { begin }, [shape]) => {
    const starts = begin as readonly Dim[];
    const axes = shape.flatMap((n, i) => (starts[i] === 0 && sameDim(n, x.shape[i]) ? [] : [i]));
    const plain = prefersPlain([x]);
    if (axes.length === 0) return [{ ...x, shape }];
    const name = graph.node('Slice', [
      plain ? graph.plain(x) : graph.nchw(x),
      graph.sizes(axes.map((i) => starts[i])),
      graph.sizes(axes.map((i) => combine([starts[i], shape[i]], (a, b) => a + b))),
      graph.integers(axes.map((i) => (plain ? i : nchwAxis(i)))),
    ]);
    return [plain ? { shape, plain: name } : { shape, nchw: name }];
  },
};

const pad: KernelRule = {
  shapes: ({ x }, { paddings }) => [
    x.map((n, i) => n + (paddings as number[][])[i][0] + (paddings as number[][])[i][1]),
  ],
  emit: (graph, { x }, { paddings, constantValue }, [shape]) => {
    const amounts = paddings as readonly (readonly Dim[])[];
    const sizes = graph.sizes([...amounts.map(([before]) => before), ...amounts.map(([, after]) => after)]);
    const value = graph.floats([constantValue as number], []);
    return [{ shape, plain: graph.node('Pad', [graph.plain(x), sizes, value], { mode: 'constant' }) }];
  },
};

const reflectPad: KernelRule = {
  shapes: ({ x: [b, h, w, c] }, { bottom, right }) => [[b, h + (bottom as number), w + (right as number), c]],
  emit: (graph, { x }, { bottom, right }, [shape]) => {
    const sizes = graph.sizes([0, 0, 0, 0, 0, 0, bottom as Dim, right as Dim]);
    return [{ shape, nchw: graph.node('Pad', [graph.nchw(x), sizes], { mode: 'reflect' }) }];
  },
};

const reshape: KernelRule = {
  shapes: ({ x }, { shape }) => {
    const wanted = shape as readonly number[];
    const known = wanted.reduce((n, d) => (d === -1 ? n : n * d), 1);
    const size = x.reduce((a, b) => a * b, 1);
    return [wanted.map((d) => (d === -1 ? size / known : d))];
  },
  emit: (graph, { x }, _, [shape]) => {
    if (x.constant !== undefined)
      return [{ shape, constant: { ...x.constant, shape: shape as readonly number[] } }];
    if (shape.map(dimKey).join() === x.shape.map(dimKey).join()) return [{ ...x, shape }];
    // 0 copies the size at the same place, -1 is whatever is left.
    let left = 0;
    const wanted = shape.map((n, i) => {
      if (typeof n === 'number') return n;
      if (i < x.shape.length && sameDim(n, x.shape[i])) return 0;
      return left++ === 0 ? -1 : n;
    });
    return [{ shape, plain: graph.node('Reshape', [graph.plain(x), graph.sizes(wanted)]) }];
  },
};

const transpose: KernelRule = {
  shapes: ({ x }, { perm }) => [(perm as number[]).map((i) => x[i])],
  emit: (graph, { x }, { perm }, [shape]) => {
    const axes = perm as number[];
    const constant = floatConstant(x);
    if (constant !== undefined) {
      const data = permute(constant.data, constant.shape, axes);
      return [{ shape, constant: { shape: shape as readonly number[], data } }];
    }
    return [{ shape, plain: graph.node('Transpose', [graph.plain(x)], { perm: axes }) }];
  },
};

/** Of matrices as they are. */
const matMul: KernelRule = {
  shapes: ({ a, b }) => [[...a.slice(0, -1), b[b.length - 1]]],
  emit: (graph, { a, b }, { transposeA, transposeB }, [shape]) => {
    if (transposeA || transposeB) throw unsupported('a product of transposed matrices', [a.shape, b.shape]);
    return [{ shape, plain: graph.node('MatMul', [graph.plain(a), graph.plain(b)]) }];
  },
};

const mean: KernelRule = {
  shapes: ({ x }, { axis, keepDims }) => {
    const axes = axesOf(axis, x.length);
    return [keepDims ? x.map((n, i) => (axes.includes(i) ? 1 : n)) : x.filter((_, i) => !axes.includes(i))];
  },
  emit: (graph, { x }, { axis, keepDims }, [shape]) => {
    const axes = axesOf(axis, x.shape.length);
    const attributes = (of: number[]): Record<string, Attribute> => ({
      axes: of,
      keepdims: keepDims ? 1 : 0,
    });
    if (prefersPlain([x]))
      return [{ shape, plain: graph.node('ReduceMean', [graph.plain(x)], attributes(axes)) }];
    const name = graph.node('ReduceMean', [graph.nchw(x)], attributes(axes.map(nchwAxis)));
    if (keepDims) return [{ shape, nchw: name }];
    if (axes.includes(1) && axes.includes(2)) return [{ shape, plain: name }]; // batch and channels, in that order
    throw unsupported('a mean that leaves a row or column axis', [x.shape]);
  },
};

const gather: KernelRule = {
  shapes: ({ x, indices }, { axis }) => [
    [...x.slice(0, axis as number), ...indices, ...x.slice((axis as number) + 1)],
  ],
  emit: (graph, { x, indices }, { axis, batchDims }, [shape]) => {
    if (batchDims) throw unsupported('a gather with batch axes', [x.shape]);
    const names = [graph.plain(x), graph.plain(indices)];
    return [{ shape, plain: graph.node('Gather', names, { axis: axis as number }) }];
  },
};

const softmax: KernelRule = {
  shapes: ({ logits }) => [logits],
  emit: (graph, { logits }, { dim }, [shape]) => [
    { shape, plain: graph.node('Softmax', [graph.plain(logits)], { axis: dim as number }) },
  ],
};

const argMax: KernelRule = {
  dtype: 'int32',
  shapes: ({ x }, { axis }) => [x.filter((_, i) => i !== axesOf(axis, x.length)[0])],
  emit: (graph, { x }, { axis }, [shape]) => [
    {
      shape,
      plain: graph.node('ArgMax', [graph.plain(x)], {
        axis: axis as number,
        keepdims: 0,
        select_last_index: 0,
      }),
    },
  ],
};

const oneHot: KernelRule = {
  shapes: ({ indices }, { depth }) => [[...indices, depth as number]],
  emit: (graph, { indices }, { depth, onValue, offValue }, [shape]) => {
    const names = [graph.plain(indices), graph.integers(depth as number)];
    const values = graph.floats([offValue as number, onValue as number], [2]);
    return [{ shape, plain: graph.node('OneHot', [...names, values], { axis: -1 }) }];
  },
};

const layerNorm: KernelRule = {
  shapes: ({ x }) => [x, x, [...x.slice(0, -1), 1]],
  emit: (graph, { x, weight, bias }, { epsilon }, [shape]) => {
    const names = [x, weight, bias].map((v) => graph.plain(v));
    const attributes = { axis: -1, epsilon: { float: epsilon as number } };
    return [{ shape, plain: graph.node('LayerNormalization', names, attributes) }];
  },
};

const pixelShuffle: KernelRule = {
  shapes: ({ x: [b, h, w, c] }, attrs) => {
    const r = attrs.r as number;
    return [[b, h * r, w * r, c / (r * r)]];
  },
  emit: (graph, { x }, { r }, [shape]) => [
    { shape, nchw: graph.node('DepthToSpace', [graph.nchw(x)], { blocksize: r as number, mode: 'CRD' }) },
  ],
};

const nearestUpsample2: KernelRule = {
  shapes: ({ x: [b, h, w, c] }) => [[b, 2 * h, 2 * w, c]],
  emit: (graph, { x }, _, [shape]) => {
    const scales = graph.floats([1, 1, 2, 2], [4]);
    const attributes = {
      mode: 'nearest',
      coordinate_transformation_mode: 'asymmetric',
      nearest_mode: 'floor',
    };
    return [{ shape, nchw: graph.node('Resize', [graph.nchw(x), '', scales], attributes) }];
  },
};

const resize: KernelRule = {
  shapes: ({ x: [b, , , c] }, { height, width }) => [[b, height as number, width as number, c]],
  emit: (graph, { x }, { mode, alignCorners }, [shape]) => {
    if (mode !== 'bilinear' || alignCorners)
      throw unsupported(`a resize that is not half-pixel bilinear`, [shape]);
    const sizes = graph.sizes([shape[0], shape[3], shape[1], shape[2]]);
    const attributes = { mode: 'linear', coordinate_transformation_mode: 'half_pixel' };
    return [{ shape, nchw: graph.node('Resize', [graph.nchw(x), '', '', sizes], attributes) }];
  },
};

/** x (1 + erf(x / sqrt 2)) / 2, in the form that runtimes know as GELU. */
const gelu = unary('x', (graph, x) => {
  const erf = graph.node('Erf', [graph.node('Div', [x, graph.floats([Math.SQRT2], [])])]);
  const product = graph.node('Mul', [x, graph.node('Add', [erf, graph.floats([1], [])])]);
  return graph.node('Mul', [product, graph.floats([0.5], [])]);
});

const op = (name: string) => (graph: Graph, x: string) => graph.node(name, [x]);

const identity: KernelRule = {
  shapes: ({ x }) => [x],
  emit: (_, { x }, __, [shape]) => [{ ...x, shape }],
};

/** To float32 only: the graph's other numbers are indices. */
const cast: KernelRule = {
  ...unary('x', (graph, x) => graph.node('Cast', [x], { to: ELEMENT.float })),
  shapes: ({ x }, { dtype }) => {
    if (dtype !== 'float32') throw unsupported(`a cast to ${String(dtype)}`, [x]);
    return [x];
  },
};

export const KERNELS: ReadonlyMap<string, KernelRule> = new Map<string, KernelRule>([
  ['Add', binary('Add')],
  ['Sub', binary('Sub')],
  ['Multiply', binary('Mul')],
  ['RealDiv', binary('Div')],
  ['Relu', unary('x', op('Relu'))],
  ['Sigmoid', unary('x', op('Sigmoid'))],
  ['Rsqrt', unary('x', (graph, x) => graph.node('Reciprocal', [graph.node('Sqrt', [x])]))],
  ['Gelu', gelu],
  ['Identity', identity],
  ['Cast', cast],
  ['Conv2D', convolution(false)],
  ['FusedConv2D', convolution(false)],
  ['DepthwiseConv2dNative', convolution(true)],
  ['FusedDepthwiseConv2D', convolution(true)],
  ['Concat', concat],
  ['SplitV', split],
  ['Slice', slice],
  ['PadV2', pad],
  ['Reshape', reshape],
  ['Transpose', transpose],
  ['BatchMatMul', matMul],
  ['Mean', mean],
  ['Softmax', softmax],
  ['ArgMax', argMax],
  ['OneHot', oneHot],
  ['GatherV2', gather],
  ['LayerNorm', layerNorm],
  ['PixelShuffle', pixelShuffle],
  ['NearestUpsample2', nearestUpsample2],
  ['ReflectPad', reflectPad],
  ['Resize', resize],
  ['WindowAttention', windowAttentionRule],
  ['ChannelAttention', channelAttentionRule],
]);

function unsupported(what: string, shapes: Shapes): InputError {
  const text = shapes.map((shape) => `[${shape.map(dimKey).join(', ')}]`).join(', ');
  return new InputError(`this network cannot be exported: ONNX export does not know ${what} (${text})`);
}
