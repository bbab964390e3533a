/** The torch engine's kernels against TensorFlow.js's cpu backend, on random shapes. */
import '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';

import { builtAgainst } from '../../src/engine/torch/addon';
import { torchEngine } from '../../src/engine/torch';
import { batchNormTraining } from '../../src/ops/batch-norm';
import { channelSum } from '../../src/ops/channel-sum';
import { layerNorm } from '../../src/ops/layer-norm';
import { Random } from '../../src/util/random';
import { binary, type Case, type Draw, index, reduce, shape, unary } from './kernel-cases';
import { convolution, pool, product, resize, transposes } from './kernel-cases-conv';

const CASES = 2000;
const FAMILIES: Record<string, Draw[]> = {
  unary,
  binary,
  reduce,
  shape,
  index,
  convolution,
  pool,
  product,
  resize,
};

/** Kernels of the cpu backend that the torch engine leaves out, and why. */
const LEFT_OUT: Record<string, string> = {
  ...because('complex numbers', 'Complex ComplexAbs Real Imag FFT IFFT'),
  ...because('strings', 'StaticRegexReplace StringNGrams StringSplit StringToHashBucketFast'),
  ...because('ragged and sparse tensors', 'RaggedGather RaggedRange RaggedTensorToTensor'),
  ...because(
    'ragged and sparse tensors',
    'SparseFillEmptyRows SparseReshape SparseSegmentMean SparseSegmentSum',
  ),
  ...because('object detection', 'NonMaxSuppressionV3 NonMaxSuppressionV4 NonMaxSuppressionV5 CropAndResize'),
  ...because('picture editing; the kit warps in src/ops', 'Transform RotateWithOffset Draw'),
  ...because('the kit has no volumes, and libtorch 2.13 gets some wrong', 'Conv3D Conv3DBackpropInputV2'),
  ...because('no volumes', 'Conv3DBackpropFilterV2 MaxPool3D MaxPool3DGrad AvgPool3D AvgPool3DGrad'),
  ...because('morphology', 'Dilation2D Dilation2DBackpropFilter Dilation2DBackpropInput'),
  ...because('random numbers: the kit draws its own (src/util/random.ts)', 'Multinomial'),
  ...because('shapes are plain numbers in the kit', 'BroadcastArgs'),
  ...because('its result has no known size', 'Unique'),
};

function because(reason: string, kernels: string): Record<string, string> {
  return Object.fromEntries(kernels.split(' ').map((name) => [name, reason]));
}

const built = builtAgainst() !== undefined;

describe.skipIf(!built)(`torch kernels${built ? '' : ' (skipped: npm run build:torch has not run)'}`, () => {
  beforeAll(async () => {
    // The shapes are small: a second thread would only wait, and make a busy machine crawl.
    process.env.MIMICSR_THREADS ??= '1';
    await torchEngine.start();
  });

  it('every kernel of the cpu backend is there, or left out for a stated reason', () => {
    const missing = tf
      .getKernelsForBackend('cpu')
      .map(({ kernelName }) => kernelName)
      .filter((name) => tf.getKernel(name, 'torch') === undefined);
    expect(missing.sort()).toEqual(Object.keys(LEFT_OUT).sort());
  });

  it('every kernel that both backends have is compared below', () => {
    const compared = new Set(
      Object.values(FAMILIES).flatMap((draws) =>
        draws.flatMap((draw) => draw(new Random(0)).kernels.split(' ')),
      ),
    );
    transposes.forEach((draw) => compared.add(draw(new Random(0)).gradient));
    const shared = tf
      .getKernelsForBackend('torch')
      .map(({ kernelName }) => kernelName)
      .filter((name) => tf.getKernel(name, 'cpu') !== undefined);
    expect(shared.filter((name) => !compared.has(name))).toEqual([]);
  });

  it('says so when memory ends, and goes on', async () => {
    await tf.setBackend('torch');
    tf.tidy(() => {
      const x = tf.ones([1, 2]);
      expect(() => tf.tile(x, [2 ** 22, 2 ** 18])).toThrow(
        /Tile failed on \(\[1,2\] float32\): out of memory/,
      );
      expect([...tf.add(x, x).dataSync()]).toEqual([2, 2]);
    });
  });

  it('keeps no more memory than was in use at once, also where a request failed before', async () => {
    await tf.setBackend('torch');
    tf.tidy(() => {
      expect(() => tf.tile(tf.ones([1, 2]), [2 ** 22, 2 ** 18])).toThrow('out of memory');
    });
    const before = process.memoryUsage.rss();
    // 24 sizes from 4 to 29 MiB, one at a time: 309 MiB together.
    for (let k = 0; k < 24; k++) tf.ones([Math.floor(2 ** (20 + k / 8))]).dispose();
    expect(process.memoryUsage.rss() - before).toBeLessThan(150 * 2 ** 20);
  });

  it('computes on tensors without elements', async () => {
    await tf.setBackend('torch');
    tf.tidy(() => {
      const pooled = tf.maxPoolWithArgmax(tf.zeros<tf.Rank.R4>([0, 4, 4, 2]), 2, 2, 'valid', true);
      expect([pooled.result.shape, pooled.indexes.shape]).toEqual([[0, 2, 2, 2], [0, 2, 2, 2]]); // prettier-ignore
      const [x, none] = [tf.zeros([2, 3, 3, 0]), tf.zeros([0])];
      for (const norm of [
        (x: tf.Tensor) => layerNorm(x, none as tf.Tensor1D, none as tf.Tensor1D, 1e-5),
        (x: tf.Tensor) =>
          batchNormTraining(x, none as tf.Tensor1D, none as tf.Tensor1D, 1e-5, () => undefined),
      ]) {
        const { value, grad } = tf.valueAndGrad(norm)(x);
        expect([value.shape, grad.shape]).toEqual([x.shape, x.shape]);
      }
      expect(channelSum(x).shape).toEqual([0]);
    });
  });

  it('refuses a filter or a bias of other channels', async () => {
    await tf.setBackend('torch');
    const attrs = { strides: [1, 1], pad: 'valid', dataFormat: 'NHWC', dilations: [1, 1] };
    tf.tidy(() => {
      const [x, filter] = [tf.ones([1, 4, 4, 1]), tf.ones([3, 3, 3, 4])];
      for (const kernel of ['Conv2D', 'DepthwiseConv2dNative']) {
        expect(() => tf.engine().runKernel(kernel, { x, filter }, attrs)).toThrow(
          'the filter is of 3 channels, the input of 1',
        );
      }
      const [rgb, bias] = [tf.ones<tf.Rank.R4>([1, 4, 4, 3]), tf.ones([1])];
      expect(() =>
        tf.fused.conv2d({ x: rgb, filter: filter as tf.Tensor4D, strides: 1, pad: 'valid', bias }),
      ).toThrow('the bias is of 1 channels, the output of 4');
    });
  });

  it('Adam takes 1 - beta before it rounds, as PyTorch does', async () => {
    await tf.setBackend('torch');
    const [beta1, beta2] = [0.9, 0.999];
    const numbers = { rate: 1e-3, beta1, beta2, epsilon: 1e-8, clip: 10, correction1: 1, correction2: 1 };
    const [m, v, w0] = [0, 0, 1].map((value) => tf.variable(tf.fill([1], value)));
    const norm = tf
      .engine()
      .runKernel<tf.Tensor>('AdamStep', { m, v, w0, g0: tf.ones([1]) }, { count: 1, ...numbers });
    expect([m, v].map((moment) => moment.dataSync()[0])).toEqual([1 - beta1, 1 - beta2].map(Math.fround));
    tf.dispose([m, v, w0, norm]);
  });

  for (const [family, draws] of Object.entries(FAMILIES)) {
    it(`${family}: ${CASES} random shapes agree with the cpu backend`, async () => {
      const cases = Array.from({ length: CASES }, (_, i) =>
        draws[i % draws.length](new Random(1, family, i)),
      );
      await tf.setBackend('cpu');
      const expected = cases.map(results);
      await tf.setBackend('torch');
      const before = tf.memory();
      cases.forEach((one, i) => compare(results(one), expected[i], `${one.kernels}, case ${i}`));
      expect(tf.memory()).toEqual(before);
    });
  }

  it('gradients that the cpu backend gets wrong are the transposes of their forward kernels', async () => {
    await tf.setBackend('torch');
    for (let i = 0; i < CASES; i++) {
      const { gradient, inputs, forward, backward } = transposes[i % transposes.length](new Random(2, i));
      const [a, b, scale] = tf.tidy(() => {
        const [x, dy] = inputs.map(({ values, shape }) => tf.tensor(values, shape));
        const [there, back] = [tf.mul(forward(x), dy), tf.mul(x, backward(x, dy))];
        return [there.sum(), back.sum(), there.abs().sum()].map((t) => t.dataSync()[0]);
      });
      expect(Math.abs(a - b), `${gradient}, case ${i}`).toBeLessThanOrEqual(1e-5 * (1 + scale));
    }
  });
});

interface Result {
  shape: number[];
  dtype: string;
  values: ArrayLike<number>;
}

function results({ inputs, run }: Case): Result[] {
  return tf.tidy(() => {
    const out = run(...inputs.map(({ values, shape, dtype }) => tf.tensor(values, shape, dtype)));
    return [out].flat().map((t) => ({ shape: t.shape, dtype: t.dtype, values: t.dataSync() }));
  });
}

/** 1e-5 of the largest magnitude: sums are taken in another order. */
function compare(got: Result[], expected: Result[], what: string): void {
  expect(
    got.map(({ shape, dtype }) => [shape, dtype]),
    what,
  ).toEqual(expected.map(({ shape, dtype }) => [shape, dtype]));
  got.forEach(({ values }, k) => {
    const want = expected[k].values;
    expect(values.length, what).toBe(want.length);
    let scale = 1;
    for (let i = 0; i < want.length; i++)
      if (Number.isFinite(want[i])) scale = Math.max(scale, Math.abs(want[i]));
    for (let i = 0; i < want.length; i++) {
      const same = Object.is(values[i], want[i]) || Math.abs(values[i] - want[i]) <= 1e-5 * scale;
      if (!same) expect.fail(`${what}: result ${k}, element ${i} is ${values[i]}, expected ${want[i]}`);
    }
  });
}
