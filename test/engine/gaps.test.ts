/** The compositions that stand in for kernels which an engine lacks, against the cpu backend's own kernels. */
import '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  filterGradient,
  inputGradient,
  type ConvGeometry,
  type Size4,
} from '../../src/engine/gaps/conv-gradients';
import { depthwiseFilterGradient, depthwiseInputGradient } from '../../src/engine/gaps/depthwise-gradients';
import { unsortedSegmentSum } from '../../src/engine/gaps/unsorted-segment-sum';
import { Random } from '../../src/util/random';
import { leavesNoTensors } from '../engines';
import { randomTensor } from '../gradient-check';

const CASES = 60;

/** A random convolution with paddings that differ by side, its operands, and what the gradients need to know of it. */
function convolution(r: Random, depthwise: boolean, dilated: boolean): Convolution {
  const [kh, kw, c] = [r.integer(1, 4), r.integer(1, 4), r.integer(1, 5)];
  const dilation = dilated ? r.integer(2, 3) : 1;
  const stride: [number, number] = dilated ? [1, 1] : [r.integer(1, 3), r.integer(1, 3)];
  const sides = [r.integer(0, 2), r.integer(0, 2), r.integer(0, 2), r.integer(0, 2)];
  const xShape: Size4 = [2, kh * dilation + r.integer(0, 5), kw * dilation + r.integer(0, 5), c];
  const filterShape: Size4 = [kh, kw, c, depthwise ? 1 : r.integer(1, 4)];
  const pad: Convolution['attrs']['pad'] = [[0, 0], [sides[0], sides[1]], [sides[2], sides[3]], [0, 0]]; // prettier-ignore
  const info = tf.backend_util.computeConv2DInfo(
    xShape,
    filterShape,
    stride,
    dilation,
    pad,
    'floor',
    depthwise,
  );
  return {
    x: randomTensor(r, xShape) as tf.Tensor4D,
    filter: randomTensor(r, filterShape) as tf.Tensor4D,
    dy: randomTensor(r, info.outShape) as tf.Tensor4D,
    at: { stride, dilation: [dilation, dilation], before: [sides[0], sides[2]] },
    attrs: { strides: stride, dilations: dilation, pad, dimRoundingMode: 'floor' },
  };
}

interface Convolution {
  readonly x: tf.Tensor4D;
  readonly filter: tf.Tensor4D;
  readonly dy: tf.Tensor4D;
  readonly at: ConvGeometry;
  readonly attrs: {
    readonly strides: [number, number];
    readonly dilations: number;
    readonly pad: [[number, number], [number, number], [number, number], [number, number]];
    readonly dimRoundingMode: 'floor';
  };
}

const run = (name: string, inputs: tf.NamedTensorMap, attrs: object): tf.Tensor =>
  tf.engine().runKernel(name, inputs, attrs as never);

function expectSame(got: tf.Tensor, expected: tf.Tensor, what: string): void {
  expect(got.shape, what).toEqual(expected.shape);
  const largest = tf.max(tf.abs(tf.sub(got, expected))).dataSync()[0];
  expect(largest, what).toBeLessThanOrEqual(2e-5);
}

describe('compositions for missing kernels', () => {
  beforeAll(async () => {
    tf.enableProdMode(); // no advice to install other bindings
    await tf.setBackend('cpu');
  });

  it('the gradients of a convolution are those of the cpu backend', async () => {
    await leavesNoTensors(() => {
      for (let i = 0; i < CASES; i++) {
        tf.tidy(() => {
          const { x, filter, dy, at, attrs } = convolution(new Random('full', i), false, false);
          const [inputShape, filterShape] = [x.shape, filter.shape];
          const dx = run('Conv2DBackpropInput', { dy, filter }, { ...attrs, dataFormat: 'NHWC', inputShape });
          const dw = run('Conv2DBackpropFilter', { x, dy }, { ...attrs, dataFormat: 'NHWC', filterShape });
          expectSame(inputGradient(dy, filter, inputShape, at), dx, `input, case ${i}`);
          expectSame(filterGradient(x, dy, filterShape, at), dw, `filter, case ${i}`);
        });
      }
    });
  });

  it('the gradients of a depthwise convolution are those of the cpu backend', async () => {
    await leavesNoTensors(() => {
      for (let i = 0; i < CASES; i++) {
        tf.tidy(() => {
          const { x, filter, dy, at, attrs } = convolution(new Random('depthwise', i), true, false);
          const [inputShape, filterShape] = [x.shape, filter.shape];
          const dx = run('DepthwiseConv2dNativeBackpropInput', { dy, filter }, { ...attrs, inputShape });
          const dw = run('DepthwiseConv2dNativeBackpropFilter', { x, dy }, { ...attrs, filterShape });
          expectSame(depthwiseInputGradient(dy, filter, inputShape, at), dx, `input, case ${i}`);
          expectSame(depthwiseFilterGradient(x, dy, filterShape, at), dw, `filter, case ${i}`);
        });
      }
    });
  });

  it('the gradients of dilated convolutions are their transposes', () => {
    for (let i = 0; i < CASES; i++) {
      tf.tidy(() => {
        const depthwise = i % 2 === 0;
        const { x, filter, dy, at, attrs } = convolution(new Random('dilated', i), depthwise, true);
        const y = depthwise
          ? run('DepthwiseConv2dNative', { x, filter }, attrs)
          : run('Conv2D', { x, filter }, { ...attrs, dataFormat: 'NHWC' });
        const dx = (depthwise ? depthwiseInputGradient : inputGradient)(dy, filter, x.shape, at);
        const dw = (depthwise ? depthwiseFilterGradient : filterGradient)(x, dy, filter.shape, at);
        const inner = (a: tf.Tensor, b: tf.Tensor): number => tf.sum(tf.mul(a, b)).dataSync()[0];
        const scale = 1e-5 * (1 + tf.sum(tf.abs(tf.mul(y, dy))).dataSync()[0]);
        expect(Math.abs(inner(dx, x) - inner(y, dy)), `input, case ${i}`).toBeLessThanOrEqual(scale);
        expect(Math.abs(inner(dw, filter) - inner(y, dy)), `filter, case ${i}`).toBeLessThanOrEqual(scale);
      });
    }
  });

  it('a sum by segments adds the rows of each id, and leaves out ids that do not exist', () => {
    tf.tidy(() => {
      const x = tf.tensor2d([1, 10, 2, 20, 4, 40, 8, 80], [4, 2]);
      const sums = unsortedSegmentSum(x, tf.tensor1d([2, 0, 2, -1], 'int32'), 3);
      expect(sums.arraySync()).toEqual([[2, 20], [0, 0], [5, 50]]); // prettier-ignore
    });
  });
});
