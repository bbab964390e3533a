/** Matrix products and normalisations: native/kernels/matmul.cc. */
import type * as tf from '@tensorflow/tfjs-core';

import type { TorchBackend } from '../backend';
import { activation } from './convolution';
import type { Define } from './define';

export function defineMatmul(define: Define, torch: TorchBackend): void {
  define<tf.BatchMatMulInputs, tf.BatchMatMulAttrs>('BatchMatMul', ({ a, b }, { transposeA, transposeB }) =>
    torch.call('BatchMatMul').tensor(a).tensor(b).flag(transposeA).flag(transposeB).one(),
  );
  define<
    { a: tf.TensorInfo; b: tf.TensorInfo; bias?: tf.TensorInfo; preluActivationWeights?: tf.TensorInfo },
    tf._FusedMatMulAttrs
  >('_FusedMatMul', ({ a, b, bias, preluActivationWeights }, attrs) => {
    const { transposeA, transposeB, leakyreluAlpha } = attrs;
    const call = torch
      .call('FusedMatMul')
      .tensor(a)
      .tensor(b)
      .optional(bias)
      .flag(transposeA)
      .flag(transposeB);
    return activation(call, attrs.activation, leakyreluAlpha).optional(preluActivationWeights).one();
  });
  define<tf.FusedBatchNormInputs, tf.FusedBatchNormAttrs>(
    'FusedBatchNorm',
    ({ x, mean, variance, scale, offset }, { varianceEpsilon }) =>
      torch
        .call('FusedBatchNorm')
        .tensor(x)
        .tensor(mean)
        .tensor(variance)
        .optional(scale)
        .optional(offset)
        .number(varianceEpsilon ?? 0.001)
        .one(),
  );
  define<tf.LRNInputs, tf.LRNAttrs>('LRN', ({ x }, { depthRadius, bias, alpha, beta }) =>
    torch.call('LRN').tensor(x).number(depthRadius).number(bias).number(alpha).number(beta).one(),
  );
  define<tf.LRNGradInputs, tf.LRNGradAttrs>('LRNGrad', ({ x, y, dy }, { depthRadius, bias, alpha, beta }) =>
    torch
      .call('LRNGrad')
      .tensor(x)
      .tensor(y)
      .tensor(dy)
      .number(depthRadius)
      .number(bias)
      .number(alpha)
      .number(beta)
      .one(),
  );
  define<tf.TensorInfo[], tf.EinsumAttrs>('Einsum', (terms, { equation }) =>
    torch
      .call('Einsum')
      .tensors(terms)
      .numbers(Array.from(equation, (letter) => letter.charCodeAt(0)))
      .one(),
  );
}
