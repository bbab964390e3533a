/**
 * Full-size networks with generated weights against statistics of the reference: outputs, and gradients of an L1 loss
 * around the output. Without FULL=1 only RRDBNet's gradients take part: the other networks' own golden files, which have
 * every gradient, are of full size too.
 */
import { readFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { DAT_PRESETS, Dat } from '../../src/networks/dat';
import { RRDBNET_PRESETS, RrdbNet } from '../../src/networks/rrdbnet';
import { SeeMoRe } from '../../src/networks/seemore';
import type { SrNetwork } from '../../src/networks/sr-network';
import { SWINIR_PRESETS, SwinIr } from '../../src/networks/swinir';
import { permute } from '../../src/nn/parameter';
import { meanAbsoluteError } from '../../src/ops/mean-absolute-error';
import { leavesNoTensors, startTestEngine, TEST_ENGINE } from '../engines';
import { lossAndGradients } from '../golden';
import { NO_SHARED, SHARED, shared } from '../shared';
import { fnv, generatedState, generatedTensor, signed, unsigned } from './generated';

interface Summary {
  readonly params: number;
  readonly inputs: readonly [[number, number, number, number]];
  readonly min: number;
  readonly max: number;
  readonly mean: number;
  readonly std_population: number;
  readonly first16: readonly number[];
  readonly strided32_index: readonly number[];
  readonly strided32: readonly number[];
  readonly loss: number;
  readonly grad_global_norm: number;
  readonly grad_samples: Readonly<Record<string, { norm: number; first4: readonly number[] }>>;
}

const networks: Readonly<Record<string, () => SrNetwork>> = {
  rrdbnet_full: () => new RrdbNet(RRDBNET_PRESETS.full),
  rrdbnet_nb2_nf64: () => new RrdbNet({ ...RRDBNET_PRESETS.full, blocks: 2 }),
  swinir_full: () => new SwinIr({ ...SWINIR_PRESETS.light, dropPath: 0 }),
  dat_full: () => new Dat({ ...DAT_PRESETS.light, dropPath: 0 }),
  seemore_full: () => new SeeMoRe(),
};

const withGradients = process.env.FULL === undefined ? ['rrdbnet_full'] : Object.keys(networks);

describe.skipIf(SHARED === undefined)(`full-size networks on ${TEST_ENGINE} (${NO_SHARED})`, () => {
  let summaries: Readonly<Record<string, Summary>>;

  beforeAll(async () => {
    await startTestEngine();
    const path = shared('goldens', 'networks', 'full_summaries.json');
    summaries = JSON.parse(readFileSync(path, 'utf8')) as Record<string, Summary>;
  });

  it('the generator gives the check values', () => {
    expect(fnv('conv_first.weight')).toBe(2442414344);
    expect([...signed('conv_first.weight', 2)]).toEqual([-0.3627753257751465, 0.1790921688079834]);
    expect(unsigned('rrdbnet_full/x', 1)[0]).toBe(0.7801990509033203);
    expect(generatedTensor('norm.weight', [60])[0]).toBe(1.1792428493499756);
  });

  it.each(Object.keys(networks))('%s: output values and statistics', async (name) => {
    const { net, x, expected } = load(name);
    expect(net.parameterCount()).toBe(expected.params);
    await leavesNoTensors(() => {
      tf.tidy(() => {
        const y = toNchw(net.forward(x));
        const allowed = 2e-5 * Math.max(Math.abs(expected.min), Math.abs(expected.max));
        const near = (found: number, value: number, what: string): void =>
          expect(Math.abs(found - value), what).toBeLessThanOrEqual(allowed);
        expected.first16.forEach((value, i) => near(y[i], value, `value ${i}`));
        expected.strided32.forEach((value, k) => {
          const i = expected.strided32_index[k];
          near(y[i], value, `value ${i}`);
        });
        const mean = y.reduce((s, v) => s + v, 0) / y.length;
        near(mean, expected.mean, 'mean');
        near(
          Math.sqrt(y.reduce((s, v) => s + (v - mean) ** 2, 0) / y.length),
          expected.std_population,
          'std',
        );
        near(Math.min(...y), expected.min, 'min');
        near(Math.max(...y), expected.max, 'max');
      });
    });
    tf.dispose(x);
    net.dispose();
  });

  it.each(withGradients)('%s: loss and gradients', async (name) => {
    const { net, x, expected } = load(name);
    await leavesNoTensors(async () => {
      const target = tf.tidy(() => targetAround(net.forward(x), name));
      const { loss, gradients } = await lossAndGradients(net, () =>
        meanAbsoluteError(net.forward(x), target),
      );
      expect(Math.abs(loss - expected.loss)).toBeLessThanOrEqual(1e-6);
      const norm = (data: Float32Array): number => Math.sqrt(data.reduce((s, v) => s + v * v, 0));
      const total = Math.hypot(...[...gradients.values()].map(({ data }) => norm(data)));
      expect(Math.abs(total / expected.grad_global_norm - 1)).toBeLessThanOrEqual(1e-3);
      for (const [key, sample] of Object.entries(expected.grad_samples)) {
        const { data } = gradients.get(key)!;
        const allowed = 1e-3 * sample.norm + 1e-5 * total;
        expect(Math.abs(norm(data) - sample.norm), `norm of ${key}`).toBeLessThanOrEqual(allowed);
        sample.first4.forEach((value, i) =>
          expect(Math.abs(data[i] - value), `${key}[${i}]`).toBeLessThanOrEqual(allowed),
        );
      }
      tf.dispose(target);
    });
    tf.dispose(x);
    net.dispose();
  });

  function load(name: string): { net: SrNetwork; x: tf.Tensor4D; expected: Summary } {
    const expected = summaries[name];
    const net = networks[name]();
    net.loadStateDict(generatedState(net.namedParameters()), name);
    const [shape] = expected.inputs;
    const [b, c, h, w] = shape;
    const values = Float32Array.from(unsigned(`${name}/x`, b * c * h * w));
    return { net, x: tf.tensor4d(permute(values, shape, [0, 2, 3, 1]), [b, h, w, c]), expected };
  }
});

function toNchw(y: tf.Tensor4D): Float32Array {
  return permute(y.dataSync() as Float32Array, y.shape, [0, 3, 1, 2]);
}

/** The output moved by 0.05 to 0.15 up or down, as the goldens' targets are made. */
function targetAround(y: tf.Tensor4D, name: string): tf.Tensor4D {
  const magnitude = unsigned(`${name}/target/mag`, y.size);
  const sign = signed(`${name}/target/sgn`, y.size);
  const values = toNchw(y).map((v, i) => v + (sign[i] < 0 ? -1 : 1) * (0.05 + 0.1 * magnitude[i]));
  const [b, h, w, c] = y.shape;
  return tf.tensor4d(permute(values, [b, c, h, w], [0, 2, 3, 1]), y.shape);
}
