/** Reductions, scans, softmax and sorting: native/kernels/reduce.cc. */
import * as tf from '@tensorflow/tfjs-core';

import type { TorchBackend } from '../backend';
import type { Define } from './define';

interface ReduceAttrs {
  axis?: number | number[];
  /** Max calls its axes so. */
  reductionIndices?: number | number[];
  keepDims: boolean;
}

const { parseAxisParam } = tf.util;

export function defineReduce(define: Define, torch: TorchBackend): void {
  for (const name of ['Sum', 'Mean', 'Max', 'Min', 'Prod', 'All', 'Any']) {
    define<tf.UnaryInputs, ReduceAttrs>(name, ({ x }, { axis, reductionIndices, keepDims }) =>
      torch
        .call(name)
        .tensor(x)
        .numbers(parseAxisParam((axis ?? reductionIndices)!, x.shape))
        .flag(keepDims)
        .one(),
    );
  }
  for (const name of ['ArgMax', 'ArgMin']) {
    define<tf.UnaryInputs, tf.ArgMaxAttrs>(name, ({ x }, { axis }) =>
      torch.call(name).tensor(x).number(parseAxisParam(axis, x.shape)[0]).one(),
    );
  }
  define<tf.SoftmaxInputs, tf.SoftmaxAttrs>('Softmax', ({ logits }, { dim }) =>
    torch.call('Softmax').tensor(logits).number(dim).one(),
  );
  define<tf.LogSoftmaxInputs, tf.LogSoftmaxAttrs>('LogSoftmax', ({ logits }, { axis }) =>
    torch.call('LogSoftmax').tensor(logits).number(axis).one(),
  );
  for (const name of ['Cumsum', 'Cumprod']) {
    define<tf.UnaryInputs, tf.CumsumAttrs>(name, ({ x }, { axis, exclusive, reverse }) =>
      torch.call(name).tensor(x).number(parseAxisParam(axis, x.shape)[0]).flag(exclusive).flag(reverse).one(),
    );
  }
  define<tf.TopKInputs, tf.TopKAttrs>('TopK', ({ x }, { k }) =>
    torch.call('TopK').tensor(x).number(k).many(),
  );
  define<tf.SearchSortedInputs, tf.SearchSortedAttrs>(
    'SearchSorted',
    ({ sortedSequence, values }, { side }) =>
      torch
        .call('SearchSorted')
        .tensor(sortedSequence)
        .tensor(values)
        .flag(side === 'right')
        .one(),
  );
}
