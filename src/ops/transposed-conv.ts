/**
 * Transposed convolution in NHWC: the input gradient of a convolution, used forwards. As in PyTorch, its filter is that
 * of the convolution which it transposes (not turned), and `padding` takes pixels off the result.
 */
import * as tf from '@tensorflow/tfjs-core';
import type { Size4 } from '../engine/gaps/conv-gradients';
import { channelSum } from './channel-sum';
import { isVector, misfit } from './shapes';

export interface TransposedConvOptions {
  /** Pixels between neighbouring inputs in the output. */
  readonly stride: number;
  /** Rows and columns cut off each side of the full result. */
  readonly padding: number;
}

/**
 * @param x [B, H, W, I]
 * @param filter [kh, kw, O, I]
 * @param bias [O], or undefined
 * @returns [B, H', W', O], H' = (H - 1) stride - 2 padding + kh
 */
export function transposedConv2d(
  x: tf.Tensor4D,
  filter: tf.Tensor4D,
  bias: tf.Tensor1D | undefined,
  { stride, padding }: TransposedConvOptions,
): tf.Tensor4D {
  const [kh, kw, outputs] = filter.shape;
  if (x.shape[3] !== filter.shape[3] || (bias !== undefined && !isVector(bias, outputs))) {
    throw misfit('transposedConv2d', bias === undefined ? { x, filter } : { x, filter, bias });
  }
  const [b, h, w] = x.shape;
  const size = (n: number, k: number): number => (n - 1) * stride - 2 * padding + k;
  const outputShape: Size4 = [b, size(h, kh), size(w, kw), outputs];
  const attrs = {
    strides: [stride, stride],
    pad: [
      [0, 0],
      [padding, padding],
      [padding, padding],
      [0, 0],
    ],
    dataFormat: 'NHWC',
    dimRoundingMode: 'floor',
  };
  const run = (kernel: string, inputs: tf.NamedTensorMap, extra: object): tf.Tensor =>
    tf.engine().runKernel(kernel, inputs, { ...attrs, ...extra });

  const op = tf.customGrad((...args) => {
    const save = args.pop() as unknown as tf.GradSaveFunc;
    const [x, filter, bias] = args as unknown as [tf.Tensor4D, tf.Tensor4D, tf.Tensor1D | undefined];
    save([x, filter]);
    return {
      value: tf.tidy(() => {
        const y = run('Conv2DBackpropInput', { dy: x, filter }, { inputShape: outputShape });
        return bias === undefined ? y : tf.add(y, bias);
      }),
      gradFunc: (dy: tf.Tensor, [x, filter]: tf.Tensor[]) => {
        const both = [
          run('Conv2D', { x: dy, filter }, { dilations: [1, 1] }),
          run('Conv2DBackpropFilter', { x: dy, dy: x }, { filterShape: filter.shape }),
        ];
        return bias === undefined ? both : [...both, channelSum(dy)];
      },
    };
  });
  return op(...(bias === undefined ? [x, filter] : [x, filter, bias])) as tf.Tensor4D;
}
