import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { Module } from '../../src/nn/module';
import { Adam } from '../../src/train/adam';
import { cosineRate } from '../../src/train/schedule';
import { readSafetensors } from '../../src/weights/safetensors';
import { leavesNoTensors, startTestEngine, TEST_ENGINE } from '../engines';
import { Golden } from '../golden';
import { NO_SHARED, SHARED, shared } from '../shared';

/** Two parameters, so that one norm over both is what is clipped. */
class Two extends Module {
  readonly a = this.parameter('a', [4], (shape) => new Float32Array(shape[0]));
  readonly b = this.parameter('b', [2, 4], () => new Float32Array(8));
}

const OPTIONS = { betas: [0.9, 0.9], epsilon: 1e-8, clip: 0.01 } as const;

function weights(values: Float32Array): Map<string, { shape: number[]; data: Float32Array }> {
  return new Map([
    ['a', { shape: [4], data: values.slice(0, 4) }],
    ['b', { shape: [2, 4], data: values.slice(4) }],
  ]);
}

async function flat(net: Module): Promise<number[]> {
  return [...(await net.stateDict()).values()].flatMap(({ data }) => [...data]);
}

describe(`Adam on ${TEST_ENGINE}`, () => {
  beforeAll(startTestEngine);

  describe.skipIf(SHARED === undefined)(`against PyTorch's AdamW (${NO_SHARED})`, () => {
    it('takes the same ten clipped steps of a cosine schedule, to 1e-6', async () => {
      const golden = Golden.read('networks', 'optimizer.safetensors');
      await leavesNoTensors(async () => {
        const net = new Two().loadStateDict(weights(golden.get('w0').data));
        const adam = new Adam(net.trainable(), OPTIONS);
        for (let n = 1; n <= 10; n++) {
          const g = golden.get(`g${n}`).data;
          const gradients = [tf.tensor1d(g.slice(0, 4)), tf.tensor2d(g.slice(4), [2, 4])];
          const norm = await adam.step(gradients, cosineRate(n, 8, 1e-3, 1e-7));
          tf.dispose(gradients);
          expect(Math.abs(norm / golden.scalar(`norm${n}`) - 1)).toBeLessThan(1e-5);
          const expected = golden.get(`w${n}`).data;
          (await flat(net)).forEach((w, i) => expect(Math.abs(w - expected[i])).toBeLessThanOrEqual(1e-6));
        }
        adam.dispose();
        net.dispose();
      });
    });

    it('has the reference learning rates of the 200,000-step schedule', () => {
      const { metadata } = readSafetensors(shared('goldens', 'networks', 'optimizer.safetensors'));
      for (const [step, rate] of Object.entries(
        JSON.parse(metadata.lr_points_T200000) as Record<string, number>,
      )) {
        expect(Math.abs(cosineRate(Number(step), 200_000, 1e-3, 1e-7) - rate)).toBeLessThan(1e-15);
      }
    });
  });

  it('goes on from saved moments as if it had not stopped', async () => {
    const gradients = [tf.tensor1d([1, -2, 3, 0]), tf.tensor2d([1, 2, 3, 4, 5, 6, 7, 8], [2, 4])];
    const net = new Two().loadStateDict(weights(new Float32Array(12)));
    const adam = new Adam(net.trainable(), OPTIONS);
    await adam.step(gradients, 1e-3);
    const [state, mid] = [await adam.state(), await net.stateDict()];
    await adam.step(gradients, 1e-3);
    const expected = await flat(net);
    const other = new Two().loadStateDict(mid);
    const resumed = new Adam(other.trainable(), OPTIONS);
    resumed.restore(state, 1, 'state');
    await resumed.step(gradients, 1e-3);
    expect(await flat(other)).toEqual(expected);
    expect(() => resumed.restore(new Map(), 1, 'broken.safetensors')).toThrow(
      'broken.safetensors: optimiser state m/a',
    );
    tf.dispose(gradients);
    for (const x of [adam, resumed, net, other]) x.dispose();
  });

  it('leaves out the update of a gradient that is not finite', async () => {
    const net = new Two().loadStateDict(weights(new Float32Array(12).fill(0.5)));
    const adam = new Adam(net.trainable(), OPTIONS);
    const gradients = [tf.tensor1d([1, NaN, 1, 1]), tf.zeros([2, 4])];
    expect(await adam.step(gradients, 1e-3)).toBeNaN();
    expect(await flat(net)).toEqual(new Array(12).fill(0.5));
    expect([...(await adam.state()).get('m/a')!.data]).toEqual([0, 0, 0, 0]);
    tf.dispose(gradients);
    adam.dispose();
    net.dispose();
  });
});
