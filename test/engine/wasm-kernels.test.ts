/** The wasm engine's own kernels against TensorFlow.js's cpu backend, on random shapes. */
import '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { wasmEngine } from '../../src/engine/wasm';
import { KERNEL_NAMES } from '../../src/engine/wasm/register';
import { gelu } from '../../src/ops/gelu';
import { windowAttention } from '../../src/ops/window-attention';
import { Random } from '../../src/util/random';
import { binary, float, reduce, shape, unary, type Case, type Draw, type Input } from './kernel-cases';
import { convolution, product } from './kernel-cases-conv';
import { arithmetic, convolutions, fused, moves, sums } from './wasm-cases';

/**
 * Those of the draws that every engine is tested with which run kernels of this one only. Left out are cases that only the
 * backend behind serves (other activations, casts to other types), some of them wrongly, and depthwise gradients with
 * several outputs a channel, which no engine but torch has; the kit uses none of these.
 */
const own = (draws: readonly Draw[]): Draw[] =>
  draws.filter((draw) =>
    names(draw).every(
      (name) => KERNEL_NAMES.includes(name) && !/Fused|Cast|DepthwiseConv2dNativeBackprop/.test(name),
    ),
  );
const names = (draw: Draw): string[] => draw(new Random(0)).kernels.split(' ');

const FAMILIES: Record<string, { cases: number; draws: Draw[] }> = {
  'convolutions of many channels': { cases: 150, draws: convolutions },
  'convolutions of few channels': { cases: 400, draws: own(convolution) },
  sums: { cases: 300, draws: [...sums, ...own(reduce)] },
  arithmetic: { cases: 500, draws: [...arithmetic, ...own([...binary, ...unary, ...product])] },
  moves: { cases: 400, draws: [...moves, ...own(shape)] },
  'fused kernels': { cases: 60, draws: fused },
};

describe('wasm kernels', () => {
  beforeAll(async () => {
    tf.enableProdMode(); // no advice to install other bindings
    await wasmEngine.start();
  });

  it('every one is compared below', () => {
    const compared = new Set(Object.values(FAMILIES).flatMap(({ draws }) => draws.flatMap(names)));
    expect(KERNEL_NAMES.filter((name) => !compared.has(name))).toEqual(['AdamStep']); // test/train
  });

  for (const [family, { cases, draws }] of Object.entries(FAMILIES)) {
    it(`${family}: ${cases} random shapes agree with the cpu backend`, async () => {
      const drawn = Array.from({ length: cases }, (_, i) =>
        draws[i % draws.length](new Random(1, family, i)),
      );
      await tf.setBackend('cpu');
      const expected = drawn.map(results);
      await tf.setBackend('wasm');
      const before = tf.memory();
      drawn.forEach((one, i) => compare(results(one), expected[i], `${one.kernels}, case ${i}`));
      expect(tf.memory()).toEqual(before);
    });
  }
});

describe('wasm kernels alone', () => {
  it('depthwise gradients are the transposes of dilated convolutions, which the cpu backend does not serve', () => {
    for (let i = 0; i < 40; i++) {
      const r = new Random(2, i);
      const [kh, kw, c, dilation] = [r.integer(1, 4), r.integer(1, 4), r.integer(1, 21), r.integer(2, 3)];
      const inputShape = [
        2,
        (kh - 1) * dilation + r.integer(1, 9),
        (kw - 1) * dilation + r.integer(1, 19),
        c,
      ];
      const filterShape = [kh, kw, c, 1];
      const side = (): number[] => [r.integer(0, 2), r.integer(0, 2)];
      const attrs = { strides: 1, dilations: dilation, pad: [[0, 0], side(), side(), [0, 0]] };
      const kernel = (name: string, inputs: object, extra: object = {}): tf.Tensor =>
        tf.engine().runKernel(name, inputs as tf.NamedTensorMap, { ...attrs, ...extra });
      tf.tidy(() => {
        const draw = ({ values, shape }: Input): tf.Tensor => tf.tensor(values, shape);
        const [x, filter] = [float(r, inputShape), float(r, filterShape)].map(draw);
        const y = kernel('DepthwiseConv2dNative', { x, filter });
        const dy = draw(float(r, y.shape));
        const dx = kernel('DepthwiseConv2dNativeBackpropInput', { dy, filter }, { inputShape });
        const dw = kernel('DepthwiseConv2dNativeBackpropFilter', { x, dy }, { filterShape });
        const inner = (a: tf.Tensor, b: tf.Tensor): number => tf.sum(tf.mul(a, b)).dataSync()[0];
        const scale = 1e-5 * tf.sum(tf.abs(tf.mul(y, dy))).dataSync()[0];
        expect(Math.abs(inner(dx, x) - inner(y, dy)), `input, case ${i}`).toBeLessThanOrEqual(scale);
        expect(Math.abs(inner(dw, filter) - inner(y, dy)), `filter, case ${i}`).toBeLessThanOrEqual(scale);
      });
    }
  });

  it('GELU is good to 1e-7 of Phi everywhere, NaN stays NaN, and far ends are 0 and x', () => {
    tf.tidy(() => {
      const x = Float32Array.from({ length: 20001 }, (_, i) => (i - 10000) / 1000);
      const y = gelu(tf.tensor1d(x)).dataSync();
      x.forEach((v, i) => {
        expect(Math.abs(y[i] - v * normalCdf(v)), `at ${v}`).toBeLessThanOrEqual(
          1.3e-7 * Math.max(1, Math.abs(v)),
        );
      });
      const [nan, below, above, infinity] = gelu(tf.tensor1d([NaN, -40, 40, Infinity])).dataSync();
      expect([nan, above, infinity]).toEqual([NaN, 40, Infinity]);
      expect(Math.abs(below)).toBeLessThan(1e-37);
    });
  });
});

describe('wasm kernels on tensors without elements', () => {
  it('a sum is 0 and a mean no number, over whatever axis is empty', () => {
    tf.tidy(() => {
      expect([...tf.sum(tf.zeros([0, 5]), 0).dataSync()]).toEqual([0, 0, 0, 0, 0]);
      expect([...tf.sum(tf.zeros([2, 0, 3]), [0, 1]).dataSync()]).toEqual([0, 0, 0]);
      expect([...tf.mean(tf.zeros([0, 2]), 0).dataSync()]).toEqual([NaN, NaN]);
      expect(tf.sum(tf.zeros([3, 0, 5]), 0).shape).toEqual([0, 5]);
    });
  });
});

describe('wasm kernels on what is no number', () => {
  it('softmax and window attention pass a NaN on', () => {
    tf.tidy(() => {
      for (const at of [0, 1, 6]) {
        const row = new Array<number>(7).fill(1).with(at, NaN);
        expect([...tf.softmax(tf.tensor1d(row)).dataSync()].every(Number.isNaN)).toBe(true);
      }
      const qkv = new Float32Array(16 * 6).fill(0.5);
      qkv[0] = NaN; // a query
      const y = windowAttention(tf.tensor4d(qkv, [1, 4, 4, 6]), tf.zeros([1, 4, 4]), {
        heads: 1,
        scale: 1,
        groups: [{ window: [2, 2], shift: [0, 0] }],
      });
      expect([...y.dataSync()].map((v) => Number.isNaN(v))).toEqual(
        Array.from({ length: 32 }, (_, i) => i < 2),
      );
    });
  });

  it('segment sums leave out ids that do not exist', () => {
    tf.tidy(() => {
      const x = tf.tensor3d([1, 10, 2, 20, 4, 40, 8, 80], [4, 1, 2]);
      const sums = tf.unsortedSegmentSum(x, tf.tensor1d([2, 3, 2, -1], 'int32'), 3);
      expect(sums.arraySync()).toEqual([[[0, 0]], [[0, 0]], [[5, 50]]]);
    });
  });

  it('gather refuses an index outside', () => {
    tf.tidy(() => {
      const gather = (i: number): tf.Tensor => tf.gather(tf.tensor2d([[1], [2]]), tf.tensor1d([i], 'int32'));
      expect(() => gather(2)).toThrow('the index value 2 is not in [0, 1]');
      expect(() => gather(-1)).toThrow('the index value -1 is not in [0, 1]');
    });
  });
});

/** Phi(x) in double precision: its series for small |x|, the continued fraction of its tail for large. */
function normalCdf(x: number): number {
  const density = Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);
  if (Math.abs(x) > 3) {
    let fraction = Math.abs(x);
    for (let k = 120; k > 0; k--) fraction = Math.abs(x) + k / fraction;
    return x < 0 ? density / fraction : 1 - density / fraction;
  }
  let term = x;
  let sum = x;
  for (let k = 3; k < 160; k += 2) sum += term *= (x * x) / k;
  return 0.5 + density * sum;
}

interface Result {
  readonly shape: number[];
  readonly dtype: string;
  readonly values: ArrayLike<number>;
}

function results({ inputs, run }: Case): Result[] {
  return tf.tidy(() => {
    const out = run(...inputs.map(({ values, shape, dtype }) => tf.tensor(values, shape, dtype)));
    return [out].flat().map((t) => ({ shape: t.shape, dtype: t.dtype, values: t.dataSync() }));
  });
}

/** 1e-5 of the largest magnitude: sums are taken in another order. */
function compare(got: readonly Result[], expected: readonly Result[], what: string): void {
  const kinds = (list: readonly Result[]): unknown[] => list.map(({ shape, dtype }) => [shape, dtype]);
  expect(kinds(got), what).toEqual(kinds(expected));
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
