/** Elementwise kernels: native/kernels/elementwise.cc. */
import type * as tf from '@tensorflow/tfjs-core';

import type { TorchBackend } from '../backend';
import type { Define } from './define';

// Name for name the kernels of the addon.
const UNARY =
  'Abs Acos Acosh Asin Asinh Atan Atanh Ceil Cos Cosh Elu Erf Exp Expm1 Floor IsFinite IsInf IsNan Log Log1p LogicalNot ' +
  'Neg Reciprocal Relu Relu6 Round Rsqrt Selu Sigmoid Sign Sin Sinh Softplus Sqrt Square Tan Tanh';
const BINARY =
  'Add Sub Multiply RealDiv FloorDiv Mod Pow Maximum Minimum Atan2 Equal NotEqual Greater GreaterEqual Less LessEqual ' +
  'LogicalAnd LogicalOr BitwiseAnd SquaredDifference';

export function defineElementwise(define: Define, torch: TorchBackend): void {
  for (const name of UNARY.split(' ')) {
    define<tf.UnaryInputs>(name, ({ x }) => torch.call(name).tensor(x).one());
  }
  for (const name of BINARY.split(' ')) {
    define<tf.BinaryInputs>(name, ({ a, b }) => torch.call(name).tensor(a).tensor(b).one());
  }
  define<tf.PreluInputs>('Prelu', ({ x, alpha }) => torch.call('Prelu').tensor(x).tensor(alpha).one());
  define<tf.EluGradInputs>('EluGrad', ({ dy, y }) => torch.call('EluGrad').tensor(dy).tensor(y).one());
  define<tf.LeakyReluInputs, tf.LeakyReluAttrs>('LeakyRelu', ({ x }, { alpha }) =>
    torch.call('LeakyRelu').tensor(x).number(alpha).one(),
  );
  define<tf.ClipByValueInputs, tf.ClipByValueAttrs>('ClipByValue', ({ x }, { clipValueMin, clipValueMax }) =>
    torch.call('ClipByValue').tensor(x).number(clipValueMin).number(clipValueMax).one(),
  );
  define<tf.StepInputs, tf.StepAttrs>('Step', ({ x }, { alpha }) =>
    torch.call('Step').tensor(x).number(alpha).one(),
  );
  define<tf.TensorInfo[]>('AddN', (terms) => torch.call('AddN').tensors(terms).one());
  define<tf.SelectInputs>('Select', ({ condition, t, e }) =>
    torch.call('Select').tensor(condition).tensor(t).tensor(e).one(),
  );
  define<tf.CastInputs, tf.CastAttrs>('Cast', ({ x }, { dtype }) => {
    if (x.dtype === dtype) return identity(torch, x);
    return torch.call('Cast').tensor(x).dtype(dtype).one();
  });
  define<tf.IdentityInputs>('Identity', ({ x }) => identity(torch, x));
  define<tf.OnesLikeInputs>('OnesLike', ({ x }) => fill(torch, x.shape, 1, x.dtype));
  define<tf.ZerosLikeInputs>('ZerosLike', ({ x }) => fill(torch, x.shape, 0, x.dtype));
  define<unknown, tf.FillAttrs>('Fill', (_, { shape, value, dtype }) => {
    // tf.fill leaves the type out where the value says it.
    const type = dtype ?? (typeof value === 'string' ? 'string' : 'float32');
    if (typeof value === 'string') {
      const count = shape.reduce((product, size) => product * size, 1);
      const strings = new Array<Uint8Array>(count).fill(new TextEncoder().encode(value));
      return { dataId: torch.write(strings, shape, 'string'), shape, dtype: 'string' };
    }
    return fill(torch, shape, value, type);
  });
  define<unknown, tf.RangeAttrs>('Range', (_, { start, stop, step, dtype }) => {
    const empty = start === stop || (start < stop && step < 0) || (stop < start && step > 1);
    const count = empty ? 0 : Math.abs(Math.ceil((stop - start) / step));
    // tf.range leaves step 1 in place where it counts down.
    const stride = stop < start && step === 1 ? -1 : step;
    return torch
      .call('Range')
      .number(start)
      .number(stride)
      .number(count)
      .dtype(dtype ?? 'float32')
      .one();
  });
  define<unknown, tf.LinSpaceAttrs>('LinSpace', (_, { start, stop, num }) => {
    const step = num > 1 ? (stop - start) / (num - 1) : 0;
    return torch.call('Range').number(start).number(step).number(num).dtype('float32').one();
  });
}

/** The same data under one more tensor. */
export function identity(torch: TorchBackend, x: tf.TensorInfo): tf.TensorInfo {
  torch.incRef(x.dataId);
  return { dataId: x.dataId, shape: x.shape, dtype: x.dtype };
}

function fill(
  torch: TorchBackend,
  shape: readonly number[],
  value: number,
  dtype: tf.DataType,
): tf.TensorInfo {
  return torch.call('Fill').numbers(shape).number(value).dtype(dtype).one();
}
