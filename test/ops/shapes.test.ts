/** Tensors that do not go together are refused by every op, before a kernel reads behind the end of one. */
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { batchNorm, batchNormTraining } from '../../src/ops/batch-norm';
import { channelAttention } from '../../src/ops/channel-attention';
import { conv2d, depthwiseConv2d } from '../../src/ops/conv';
import { costVolume } from '../../src/ops/cost-volume';
import { flowAttention } from '../../src/ops/flow-attention';
import { layerNorm } from '../../src/ops/layer-norm';
import { pictureNorm } from '../../src/ops/picture-norm';
import { pixelShuffle, pixelUnshuffle } from '../../src/ops/pixel-shuffle';
import { reflectPad } from '../../src/ops/reflect-pad';
import { transposedConv2d } from '../../src/ops/transposed-conv';
import { warp } from '../../src/ops/warp';
import { windowAttention } from '../../src/ops/window-attention';
import { leavesNoTensors, startTestEngine, TEST_ENGINE } from '../engines';

type T1 = tf.Tensor1D;
type T4 = tf.Tensor4D;

const map = (...shape: T4['shape']): T4 => tf.ones(shape);
const vector = (size: number): T1 => tf.ones([size]);
const one = (window: number, shift = 0): { window: [number, number]; shift: [number, number] } => ({
  window: [window, window],
  shift: [shift, shift],
});
const attention = (qkv: T4, bias: tf.Tensor3D['shape'], heads: number, groups = [one(2)]): tf.Tensor =>
  windowAttention(qkv, tf.ones(bias), { heads, scale: 1, groups });
const byFlow = (k: T4, flow: T4, heads = 1): tf.Tensor => {
  const q = map(1, 4, 4, 6);
  return flowAttention(q, k, q, flow, { heads, radius: 1 });
};

/** Each call, and what its error says besides. */
const MISFITS: Record<string, [call: () => unknown, message: string]> = {
  'conv2d of a grey picture': [
    () => conv2d(map(1, 8, 8, 1), map(3, 3, 3, 4), vector(4), { padding: 1 }),
    'conv2d: x [1, 8, 8, 1], filter [3, 3, 3, 4], bias [4]',
  ],
  'conv2d of a picture with an alpha channel': [
    () => conv2d(map(1, 8, 8, 4), map(3, 3, 3, 4), undefined, { padding: 1 }),
    'conv2d: x [1, 8, 8, 4], filter [3, 3, 3, 4]',
  ],
  'conv2d with a short bias': [
    () => conv2d(map(1, 8, 8, 3), map(1, 1, 3, 64), vector(1)),
    'conv2d: x [1, 8, 8, 3], filter [1, 1, 3, 64], bias [1]',
  ],
  'conv2d with a filter that is larger than the picture by more than its stride': [
    () => conv2d(map(1, 1, 1, 3), map(3, 3, 3, 4), undefined),
    'conv2d: x [1, 1, 1, 3], filter [3, 3, 3, 4]',
  ],
  'depthwiseConv2d of fewer channels': [
    () => depthwiseConv2d(map(1, 8, 8, 4), map(3, 3, 5, 1), undefined),
    'depthwiseConv2d: x [1, 8, 8, 4], filter [3, 3, 5, 1]',
  ],
  'depthwiseConv2d with several outputs a channel': [
    () => depthwiseConv2d(map(1, 8, 8, 4), map(3, 3, 4, 2), undefined),
    'depthwiseConv2d: x [1, 8, 8, 4], filter [3, 3, 4, 2]',
  ],
  'depthwiseConv2d with a short bias': [
    () => depthwiseConv2d(map(1, 8, 8, 4), map(3, 3, 4, 1), vector(3)),
    'depthwiseConv2d: x [1, 8, 8, 4], filter [3, 3, 4, 1], bias [3]',
  ],
  'transposedConv2d of fewer channels': [
    () => transposedConv2d(map(1, 4, 4, 2), map(4, 4, 3, 5), vector(3), { stride: 2, padding: 1 }),
    'transposedConv2d: x [1, 4, 4, 2], filter [4, 4, 3, 5], bias [3]',
  ],
  'transposedConv2d with a long bias': [
    () => transposedConv2d(map(1, 4, 4, 5), map(4, 4, 3, 5), vector(5), { stride: 2, padding: 1 }),
    'transposedConv2d: x [1, 4, 4, 5], filter [4, 4, 3, 5], bias [5]',
  ],
  'layerNorm with a short weight': [
    () => layerNorm(map(1, 4, 4, 8), vector(3), vector(8), 1e-5),
    'layerNorm: x [1, 4, 4, 8], weight [3], bias [8]',
  ],
  'pictureNorm with a bias of one value': [
    () => pictureNorm(map(1, 4, 4, 8), vector(8), vector(1), 1e-5),
    'pictureNorm: x [1, 4, 4, 8], weight [8], bias [1]',
  ],
  'batchNorm with the statistics of fewer channels': [
    () => batchNorm(map(1, 4, 4, 8), vector(8), vector(8), vector(1), vector(1), 1e-5),
    'batchNorm: x [1, 4, 4, 8], weight [8], bias [8], mean [1], variance [1]',
  ],
  'batchNormTraining with a long weight': [
    () => batchNormTraining(map(1, 4, 4, 8), vector(9), vector(8), 1e-5, () => undefined),
    'batchNormTraining: x [1, 4, 4, 8], weight [9], bias [8]',
  ],
  'channelAttention with heads that do not divide the channels': [
    () => channelAttention(map(1, 4, 4, 12), vector(3)),
    'channelAttention: qkv [1, 4, 4, 12], temperature [3]',
  ],
  'windowAttention with the bias of fewer heads': [
    () => attention(map(1, 4, 4, 12), [1, 4, 4], 2),
    'windowAttention: qkv [1, 4, 4, 12], bias [1, 4, 4], heads 2, groups 1',
  ],
  'windowAttention with heads that do not divide the channels': [
    () => attention(map(1, 4, 4, 10), [2, 4, 4], 2),
    'windowAttention: qkv [1, 4, 4, 10], bias [2, 4, 4], heads 2, groups 1',
  ],
  'windowAttention with groups that do not divide the heads': [
    () => attention(map(1, 4, 4, 9), [3, 4, 4], 3, [one(2), one(2)]),
    'windowAttention: qkv [1, 4, 4, 9], bias [3, 4, 4], heads 3, groups 2',
  ],
  'flowAttention of a smaller map': [
    () => byFlow(map(1, 4, 3, 6), map(1, 4, 4, 2)),
    'flowAttention: q [1, 4, 4, 6], k [1, 4, 3, 6], v [1, 4, 4, 6], flow [1, 4, 4, 2], heads 1',
  ],
  'flowAttention through a smaller flow': [
    () => byFlow(map(1, 4, 4, 6), map(1, 3, 4, 2)),
    'flowAttention: q [1, 4, 4, 6], k [1, 4, 4, 6], v [1, 4, 4, 6], flow [1, 3, 4, 2], heads 1',
  ],
  'flowAttention with heads that do not divide the channels': [
    () => byFlow(map(1, 4, 4, 6), map(1, 4, 4, 2), 4),
    'flowAttention: q [1, 4, 4, 6], k [1, 4, 4, 6], v [1, 4, 4, 6], flow [1, 4, 4, 2], heads 4',
  ],
  'warp by the flow of fewer pictures': [
    () => warp(map(2, 4, 4, 3), map(1, 4, 4, 2), 'exact'),
    'warp: image [2, 4, 4, 3], flow [1, 4, 4, 2]',
  ],
  'costVolume of a smaller second map': [
    () => costVolume(map(1, 4, 4, 3), map(1, 4, 3, 3), 1),
    'costVolume: first [1, 4, 4, 3], second [1, 4, 3, 3]',
  ],
  'pixelShuffle of channels that are no squares of r': [
    () => pixelShuffle(map(1, 4, 4, 6), 2),
    'pixelShuffle: x [1, 4, 4, 6], r 2',
  ],
  'pixelUnshuffle of a side that r does not divide': [
    () => pixelUnshuffle(map(1, 4, 5, 3), 2),
    'pixelUnshuffle: y [1, 4, 5, 3], r 2',
  ],
  'reflectPad by more than the picture': [
    () => reflectPad(map(1, 4, 4, 3), 0, 4),
    'reflectPad: x [1, 4, 4, 3], bottom 0, right 4',
  ],
};

describe(`Misfits on ${TEST_ENGINE}`, () => {
  beforeAll(startTestEngine);

  it.each(Object.entries(MISFITS))(
    '%s: the error names the op and the shapes',
    async (_, [call, message]) => {
      await leavesNoTensors(() =>
        tf.tidy(() => {
          expect(call).toThrow(`${message} do not go together`);
        }),
      );
    },
  );

  it('are forgotten: what fits is computed after them', () => {
    tf.tidy(() => {
      const y = conv2d(map(1, 4, 4, 3), map(1, 1, 3, 2), undefined);
      expect([...y.dataSync()]).toEqual(new Array(32).fill(3));
    });
  });
});
