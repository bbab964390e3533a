import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RaftSmall } from '../../src/flow/raft-small';
import { permute } from '../../src/nn/parameter';
import { readSafetensors } from '../../src/weights/safetensors';
import { leavesNoTensors, startTestEngine, TEST_ENGINE } from '../engines';
import { expectClose } from '../golden';
import { NO_SHARED, SHARED, shared } from '../shared';

describe.skipIf(SHARED === undefined)(`RAFT-small with its weights on ${TEST_ENGINE} (${NO_SHARED})`, () => {
  let net: RaftSmall;
  let golden: (key: string) => { shape: readonly number[]; data: Float32Array };
  const image = (key: string): tf.Tensor4D => {
    const { shape, data } = golden(key);
    const [n, c, h, w] = shape;
    return tf.tensor4d(permute(data, shape, [0, 2, 3, 1]), [n, h, w, c]);
  };
  const expectGolden = (key: string, found: tf.Tensor4D, tolerance: number): void => {
    const { shape, data } = golden(key);
    expectClose(found.dataSync(), permute(data, shape, [0, 2, 3, 1]), tolerance, key);
  };

  beforeAll(async () => {
    await startTestEngine();
    const { tensors } = readSafetensors(shared('data', 'weights', 'raft-small-golden.safetensors'));
    golden = (key) => tensors.get(key) as unknown as { shape: readonly number[]; data: Float32Array };
    net = RaftSmall.load(shared('data', 'weights', 'raft-small.safetensors'));
  });
  afterAll(() => net?.dispose());

  it('has 990,162 weights, and the official .pth gives the same', () => {
    const other = RaftSmall.load(shared('data', 'weights', 'raft-small.pth'));
    const [a, b] = [[...net.namedParameters()], [...other.namedParameters()]];
    expect(a.reduce((sum, [, p]) => sum + p.size, 0)).toBe(990_162);
    a.forEach(([key, p], i) => {
      expect(b[i][0]).toBe(key);
      const found = b[i][1].variable.dataSync();
      expect(
        p.variable.dataSync().every((v, j) => v === found[j]),
        key,
      ).toBe(true);
    });
    other.dispose();
  });

  it('has the reference features and context', async () => {
    await leavesNoTensors(() => {
      tf.tidy(() => {
        expectGolden('fmap1', net.featuresOf(image('img1')), 1e-4);
        // The golden holds the encoder's output, before tanh and ReLU.
        const raw = image('cnet');
        const [hidden, context] = net.contextOf(image('img1'));
        const expected = tf.concat(
          [
            tf.tanh(tf.slice(raw, [0, 0, 0, 0], [-1, -1, -1, 96])),
            tf.relu(tf.slice(raw, [0, 0, 0, 96], [-1, -1, -1, 64])),
          ],
          3,
        );
        expectClose(tf.concat([hidden, context], 3).dataSync(), expected.dataSync(), 1e-4, 'context');
      });
    });
  });

  it.each([1, 4, 12])('has the reference flow after %i iterations', async (n) => {
    await leavesNoTensors(() => {
      tf.tidy(() => expectGolden(`flow_iter${n}`, net.flow(image('img1'), image('img2'), n), 1e-4));
    });
  });

  it("finds the shift of a picture smaller than its least size, in the picture's own pixels", async () => {
    await leavesNoTensors(() => {
      tf.tidy(() => {
        // Two windows of one photograph, (5, -3) pixels apart.
        const photograph = image('img1');
        const window = (x: number, y: number): tf.Tensor4D =>
          tf.slice(photograph, [0, y, x, 0], [1, 96, 80, 3]);
        const flow = net.estimate(window(20, 10), window(15, 13));
        expect(flow.shape).toEqual([1, 96, 80, 2]);
        const inner = tf.slice(flow, [0, 16, 16, 0], [1, 64, 48, 2]);
        const [u, v] = tf.mean(inner, [0, 1, 2]).dataSync();
        expect(Math.abs(u - 5)).toBeLessThan(0.5);
        expect(Math.abs(v + 3)).toBeLessThan(0.5);
      });
    });
  });
});

describe('RAFT-small without its file', () => {
  it('says which file is missing and what brings it', () => {
    expect(() => RaftSmall.load(join('no', 'such.pth'))).toThrow(/no.such\.pth.*fetch raft-small/);
  });
});
