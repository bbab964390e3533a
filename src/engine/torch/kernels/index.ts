/** Gather, scatter, segment sums, one-hot, counts: native/kernels/index.cc. */
import * as tf from '@tensorflow/tfjs-core';

import type { TorchBackend } from '../backend';
import type { Define } from './define';

const { backend_util, util } = tf;

export function defineIndex(define: Define, torch: TorchBackend): void {
  define<tf.GatherV2Inputs, tf.GatherV2Attrs>('GatherV2', ({ x, indices }, { axis, batchDims }) => {
    const along = util.parseAxisParam(axis, x.shape)[0];
    const info = backend_util.segment_util.collectGatherOpShapeInfo(x, indices, along, batchDims ?? 0);
    return torch
      .call('GatherV2')
      .tensor(x)
      .tensor(indices)
      .numbers([info.batchSize, info.outerSize, info.dimSize, info.sliceSize])
      .numbers(info.outputShape)
      .one();
  });
  define<tf.GatherNdInputs>('GatherNd', ({ params, indices }) =>
    torch.call('GatherNd').tensor(params).tensor(indices).one(),
  );
  define<tf.ScatterNdInputs, tf.ScatterNdAttrs>('ScatterNd', ({ indices, updates }, { shape }) =>
    torch.call('ScatterNd').tensor(indices).tensor(updates).numbers(shape).one(),
  );
  define<tf.TensorScatterUpdateInputs>('TensorScatterUpdate', ({ tensor, indices, updates }) =>
    torch.call('TensorScatterUpdate').tensor(tensor).tensor(indices).tensor(updates).one(),
  );
  define<tf.SparseToDenseInputs, tf.SparseToDenseAttrs>(
    'SparseToDense',
    ({ sparseIndices, sparseValues, defaultValue }, { outputShape }) =>
      torch
        .call('SparseToDense')
        .tensor(sparseIndices)
        .tensor(sparseValues)
        .tensor(defaultValue)
        .numbers(outputShape)
        .one(),
  );
  define<tf.UnsortedSegmentSumInputs, tf.UnsortedSegmentSumAttrs>(
    'UnsortedSegmentSum',
    ({ x, segmentIds }, { numSegments }) =>
      torch.call('UnsortedSegmentSum').tensor(x).tensor(segmentIds).number(numSegments).one(),
  );
  define<tf.OneHotInputs, tf.OneHotAttrs>('OneHot', ({ indices }, { depth, onValue, offValue, dtype }) =>
    torch.call('OneHot').tensor(indices).number(depth).number(onValue).number(offValue).dtype(dtype).one(),
  );
  define<tf.BincountInputs, tf.BincountAttrs>('Bincount', ({ x, weights }, { size }) =>
    torch.call('DenseBincount').tensor(x).tensor(weights).number(size).flag(false).one(),
  );
  define<tf.DenseBincountInputs, tf.DenseBincountAttrs>(
    'DenseBincount',
    ({ x, weights }, { size, binaryOutput }) =>
      torch.call('DenseBincount').tensor(x).tensor(weights).number(size).flag(binaryOutput).one(),
  );
}
