/** Shape kernels: native/kernels/shape.cc. Reshape, transpose, slice and split give views, not copies. */
import * as tf from '@tensorflow/tfjs-core';

import type { TorchBackend } from '../backend';
import type { Define } from './define';

const { backend_util, slice_util, util } = tf;

export function defineShape(define: Define, torch: TorchBackend): void {
  const reshape = (x: tf.TensorInfo, shape: readonly number[]): tf.TensorInfo =>
    torch.call('Reshape').tensor(x).numbers(shape).one();
  const transpose = (x: tf.TensorInfo, perm: readonly number[]): tf.TensorInfo =>
    torch.call('Transpose').tensor(x).numbers(perm).one();
  const slice = (x: tf.TensorInfo, begin: number[], size: number[], strides: number[] = []): tf.TensorInfo =>
    torch.call('Slice').tensor(x).numbers(begin).numbers(size).numbers(strides).one();
  const pad = (x: tf.TensorInfo, paddings: readonly number[][], value: number): tf.TensorInfo =>
    torch.call('PadV2').tensor(x).numbers(paddings.flat()).number(value).one();
  /** Applies steps one after the other and frees all that lies between. */
  const chain = (x: tf.TensorInfo, ...steps: ((x: tf.TensorInfo) => tf.TensorInfo)[]): tf.TensorInfo => {
    let current = x;
    for (const step of steps) {
      const next = step(current);
      if (current !== x) torch.disposeData(current.dataId);
      current = next;
    }
    return current;
  };

  define<tf.ReshapeInputs, tf.ReshapeAttrs>('Reshape', ({ x }, { shape }) =>
    reshape(x, util.inferFromImplicitShape(shape, util.sizeFromShape(x.shape))),
  );
  define<tf.ExpandDimsInputs, tf.ExpandDimsAttrs>('ExpandDims', ({ input }, { dim }) => {
    const shape = input.shape.slice();
    shape.splice(dim < 0 ? input.shape.length + dim + 1 : dim, 0, 1);
    return reshape(input, shape);
  });
  define<tf.TransposeInputs, tf.TransposeAttrs>('Transpose', ({ x }, { perm }) => transpose(x, perm));
  define<tf.SliceInputs, tf.SliceAttrs>('Slice', ({ x }, { begin, size }) => {
    const [starts, sizes] = slice_util.parseSliceParams(x, begin, size);
    slice_util.assertParamsValid(x, starts, sizes);
    return slice(x, starts, sizes);
  });
  define<tf.StridedSliceInputs, tf.StridedSliceAttrs>('StridedSlice', ({ x }, a) => {
    const info = slice_util.sliceInfo(
      x.shape, a.begin, a.end, a.strides, a.beginMask, a.endMask, a.ellipsisMask, a.newAxisMask, a.shrinkAxisMask,
    ); // prettier-ignore
    if (info.isIdentity) return reshape(x, info.finalShape);
    const size = slice_util.computeOutShape(info.begin, info.end, info.strides);
    return chain(
      x,
      (t) => slice(t, info.begin, size, info.strides),
      (t) => reshape(t, info.finalShape),
    );
  });
  define<tf.TensorInfo[], tf.ConcatAttrs>('Concat', (parts, { axis }) => {
    const [first] = parts;
    const along = util.parseAxisParam(axis, first.shape)[0];
    // Empty parts carry no elements, and ATen refuses those of another rank.
    const full = parts.filter((part) => util.sizeFromShape(part.shape) > 0);
    const shapes = parts.map((part) => part.shape);
    backend_util.assertParamsConsistent(shapes, along);
    if (full.length === 0) {
      return torch
        .call('Fill')
        .numbers(backend_util.computeOutShape(shapes, along))
        .number(0)
        .dtype(first.dtype)
        .one();
    }
    return torch.call('Concat').tensors(full).number(along).one();
  });
  define<tf.TensorInfo[], tf.PackAttrs>('Pack', (parts, { axis }) =>
    torch.call('Pack').tensors(parts).number(axis).one(),
  );
  define<tf.UnpackInputs, tf.UnpackAttrs>('Unpack', ({ value }, { axis }) =>
    torch.call('Unpack').tensor(value).number(axis).many(),
  );
  define<tf.SplitVInputs, tf.SplitVAttrs>('SplitV', ({ x }, { numOrSizeSplits, axis }) => {
    const along = util.parseAxisParam(axis, x.shape)[0];
    const sizes = backend_util.prepareSplitSize(x, numOrSizeSplits, along);
    return torch.call('SplitV').tensor(x).numbers(sizes).number(along).many();
  });
  define<tf.TileInputs, tf.TileAttrs>('Tile', ({ x }, { reps }) =>
    torch.call('Tile').tensor(x).numbers(reps).one(),
  );
  define<tf.ReverseInputs, tf.ReverseAttrs>('Reverse', ({ x }, { dims }) =>
    torch.call('Reverse').tensor(x).numbers(util.parseAxisParam(dims, x.shape)).one(),
  );
  define<tf.FlipLeftRightInputs>('FlipLeftRight', ({ image }) =>
    torch.call('Reverse').tensor(image).numbers([2]).one(),
  );
  define<tf.PadV2Inputs, tf.PadV2Attrs>('PadV2', ({ x }, { paddings, constantValue }) =>
    pad(x, paddings, constantValue),
  );
  define<tf.MirrorPadInputs, tf.MirrorPadAttrs>('MirrorPad', ({ x }, { paddings, mode }) =>
    torch
      .call('MirrorPad')
      .tensor(x)
      .numbers(paddings.flat())
      .number(mode === 'reflect' ? 0 : 1)
      .one(),
  );
  define<tf.DepthToSpaceInputs, tf.DepthToSpaceAttrs>('DepthToSpace', ({ x }, { blockSize, dataFormat }) => {
    if (dataFormat !== 'NHWC') throw new Error(`the torch engine runs NHWC, not ${dataFormat}`);
    return torch.call('DepthToSpace').tensor(x).number(blockSize).one();
  });
  define<tf.DiagInputs>('Diag', ({ x }) => torch.call('Diag').tensor(x).one());
  define<tf.BatchToSpaceNDInputs, tf.BatchToSpaceNDAttrs>(
    'BatchToSpaceND',
    ({ x }, { blockShape, crops }) => {
      const blocks = util.sizeFromShape(blockShape);
      const split = backend_util.getReshaped(x.shape, blockShape, blocks);
      const joined = backend_util.getReshapedPermuted(x.shape, blockShape, blocks);
      return chain(
        x,
        (t) => reshape(t, split),
        (t) => transpose(t, backend_util.getPermuted(split.length, blockShape.length)),
        (t) => reshape(t, joined),
        (t) => {
          const begin = backend_util.getSliceBeginCoords(crops, blockShape.length);
          const size = backend_util.getSliceSize(joined, crops, blockShape.length);
          const [starts, sizes] = slice_util.parseSliceParams(t, begin, size);
          return slice(t, starts, sizes);
        },
      );
    },
  );
  define<tf.SpaceToBatchNDInputs, tf.SpaceToBatchNDAttrs>(
    'SpaceToBatchND',
    ({ x }, { blockShape, paddings }) => {
      const blocks = util.sizeFromShape(blockShape);
      const rest = x.shape.length - 1 - blockShape.length;
      const all = [[0, 0], ...paddings, ...Array.from({ length: rest }, () => [0, 0])];
      const padded = x.shape.map((size, d) => size + all[d][0] + all[d][1]);
      const split = backend_util.getReshaped(padded, blockShape, blocks, false);
      return chain(
        x,
        (t) => pad(t, all, 0),
        (t) => reshape(t, split),
        (t) => transpose(t, backend_util.getPermuted(split.length, blockShape.length, false)),
        (t) => reshape(t, backend_util.getReshapedPermuted(padded, blockShape, blocks, false)),
      );
    },
  );
}
