import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PwcNet } from '../../src/flow/pwcnet';
import { permute } from '../../src/nn/parameter';
import { closedFormState } from '../closed-form';
import { leavesNoTensors, startTestEngine, TEST_ENGINE } from '../engines';
import { expectClose, Golden } from '../golden';
import { NO_SHARED, SHARED } from '../shared';

describe.skipIf(SHARED === undefined)(`PWC-Net against its goldens on ${TEST_ENGINE} (${NO_SHARED})`, () => {
  let net: PwcNet;

  const expectGolden = (golden: Golden, key: string, found: tf.Tensor4D, tolerance: number): void => {
    const { shape, data } = golden.get(key);
    expectClose(found.dataSync(), permute(data, shape, [0, 2, 3, 1]), tolerance, key);
  };

  beforeAll(async () => {
    await startTestEngine();
    net = new PwcNet().loadStateDict(closedFormState('pwc-params.safetensors'), 'pwc-params');
  });
  afterAll(() => net?.dispose());

  it('takes the reference weights, 9,374,274 of them, in the order of the official file', () => {
    const golden = Golden.read('alignment', 'pwc-params.safetensors');
    const keys = [...closedFormState('pwc-params.safetensors')];
    const parameters = [...net.namedParameters()];
    expect(parameters.map(([key]) => key)).toEqual(keys.map(([key]) => key));
    expect(parameters.reduce((sum, [, p]) => sum + p.size, 0)).toBe(9_374_274);
    expect(net.trainable()).toEqual([]);
    const [sums, first] = [golden.get('sum').data, golden.get('first4').data];
    keys.forEach(([key, { data }], k) => {
      expect([...data.subarray(0, 2)], key).toEqual([first[4 * k], first[4 * k + 1]]);
      const sum = data.reduce((s, v) => s + v, 0);
      expect(Math.abs(sum - sums[k]), key).toBeLessThan(1e-6 * Math.max(1, Math.abs(sums[k])) + 1e-4);
    });
  });

  it.each(['64x64', '64x128'])('has the reference flow of every level at %s', async (size) => {
    const golden = Golden.read('alignment', `pwc-forward-${size}.safetensors`);
    await leavesNoTensors(() => {
      tf.tidy(() => {
        const { levels, refinement, quarter } = net.flows(golden.image('img1'), golden.image('img2'));
        levels.forEach((flow, i) => expectGolden(golden, `flow_level${6 - i}`, flow, 1e-4));
        expectGolden(golden, 'refiner_out', refinement, 1e-4);
        expectGolden(golden, 'flow_quarter', quarter, 1e-4);
      });
    });
  });

  it.each(['32x32', '40x72'])('estimates flow in pixels of a %s picture', async (size) => {
    const golden = Golden.read('alignment', 'pwc-estimate.safetensors');
    await leavesNoTensors(() => {
      tf.tidy(() => {
        const flow = net.estimate(golden.image(`${size}.img1`), golden.image(`${size}.img2`));
        const { shape, data } = golden.get(`${size}.flow`);
        const expected = permute(data, shape, [0, 2, 3, 1]);
        const found = flow.dataSync<'float32'>();
        expect(found.reduce((m, v, i) => Math.max(m, Math.abs(v - expected[i])), 0)).toBeLessThanOrEqual(
          1e-4,
        );
      });
    });
  });

  it('sees the channels in the order that is asked for', () => {
    const golden = Golden.read('alignment', 'pwc-estimate.safetensors');
    const bgr = new PwcNet({ channelOrder: 'bgr' }).loadStateDict(closedFormState('pwc-params.safetensors'));
    tf.tidy(() => {
      const [first, second] = [golden.image('32x32.img1'), golden.image('32x32.img2')];
      const swapped = bgr.estimate(tf.reverse(first, 3), tf.reverse(second, 3));
      expect([...swapped.dataSync()]).toEqual([...net.estimate(first, second).dataSync()]);
    });
    bgr.dispose();
  });
});

describe('PWC-Net without its file', () => {
  it('says which file is missing and what brings it', () => {
    expect(() => PwcNet.load(join('no', 'such', 'pwc-net.pth'))).toThrow(
      /no.such.pwc-net\.pth.*fetch pwc-net/,
    );
  });
});
