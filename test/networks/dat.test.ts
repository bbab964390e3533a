import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { Dat, DAT_PRESETS } from '../../src/networks/dat';
import { meanAbsoluteError } from '../../src/ops/mean-absolute-error';
import { leavesNoTensors, startTestEngine, TEST_ENGINE } from '../engines';
import { expectClose, expectGradients, expectImage, lossAndGradients } from '../golden';
import { describeNetworkGolden } from './network-golden';

const paper = { ...DAT_PRESETS.light, dropPath: 0 };

describeNetworkGolden({
  file: 'dat_tiny',
  create: () =>
    new Dat({
      ...paper,
      scale: 2,
      channels: 96,
      depths: [3, 1],
      heads: [4, 4],
      split: [4, 8],
      residual: '1conv',
    }),
  modules: 21,
});
describeNetworkGolden({ file: 'dat_paper', create: () => new Dat(paper), modules: 0 });
describeNetworkGolden(
  { file: 'dat_paper_d4', create: () => new Dat({ ...paper, depths: [4] }), modules: 1 },
  (get) => {
    it('has the reference output, running statistics, loss and gradients in training mode', async () => {
      const { net, golden } = get();
      net.train();
      await leavesNoTensors(async () => {
        const x = golden.image('train/in/x');
        const target = golden.image('train/target');
        const { loss, gradients } = await lossAndGradients(net, () => {
          const y = net.forward(x);
          expectImage(y, golden.get('train/out/y'), 'training batch');
          return meanAbsoluteError(y, target);
        });
        expect(Math.abs(loss - golden.scalar('train/loss'))).toBeLessThanOrEqual(1e-6);
        expectGradients(gradients, golden.under('train/grad'));
        tf.dispose([x, target]);
      });
      const after = golden.under('train/after');
      const state = await net.stateDict();
      expect(after.size).toBeGreaterThan(0);
      for (const [key, expected] of after) expectClose(state.get(key)!.data, expected.data, 1e-5, key);
    });
  },
);

describe(`DAT on ${TEST_ENGINE}`, () => {
  beforeAll(startTestEngine);

  it('has the published number of parameters in each size', () => {
    expect(new Dat(DAT_PRESETS.light).parameterCount()).toBe(572_766);
    const millions = (preset: keyof typeof DAT_PRESETS): string =>
      (new Dat(DAT_PRESETS[preset]).parameterCount() / 1e6).toFixed(2);
    expect([millions('small'), millions('base'), millions('second')]).toEqual(['11.21', '14.80', '11.21']);
  });

  it('refuses to train on a single image, whose pooled maps have no variance', () => {
    const net = new Dat({ ...paper, depths: [1] }).initialise(1).train();
    tf.tidy(() => {
      expect(() => net.forward(tf.zeros([1, 8, 8, 3]))).toThrow(/two values a channel/);
    });
    net.dispose();
  });
});
