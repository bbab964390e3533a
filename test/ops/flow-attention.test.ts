import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { flowAttention } from '../../src/ops/flow-attention';
import { Random } from '../../src/util/random';
import { leavesNoTensors, startTestEngine, TEST_ENGINE } from '../engines';
import { expectClose } from '../golden';
import { checkGradients, randomTensor } from '../gradient-check';

beforeAll(startTestEngine);

describe(`Attention through flow on ${TEST_ENGINE}`, () => {
  const random = new Random('flow-attention');
  const draw = (...shape: number[]): tf.Tensor4D => randomTensor(random, shape) as tf.Tensor4D;

  it.each([
    [2, 1],
    [3, 2],
  ])(
    'of %i heads and radius %i follows its formula, also where the flow leaves the picture',
    (heads, radius) => {
      tf.tidy(() => {
        const [b, h, w, c] = [2, 4, 5, heads * 5];
        const [q, k, v] = [draw(b, h, w, c), draw(b, h, w, c), draw(b, h, w, c)];
        const flow = tf.mul<tf.Tensor4D>(draw(b, h, w, 2), tf.tensor1d([4, 3]));
        const [qs, ks, vs, flows] = [q, k, v, flow].map((t) => t.arraySync());
        const sample = (map: number[][][], x: number, y: number, channel: number): number => {
          let sum = 0;
          for (const j of [Math.floor(y), Math.floor(y) + 1])
            for (const i of [Math.floor(x), Math.floor(x) + 1])
              if (j >= 0 && j < h && i >= 0 && i < w)
                sum += (1 - Math.abs(x - i)) * (1 - Math.abs(y - j)) * map[j][i][channel];
          return sum;
        };
        const steps = Array.from({ length: 2 * radius + 1 }, (_, i) => i - radius);
        const window = steps.flatMap((dy) => steps.map((dx) => [dx, dy]));
        const expected: number[] = [];
        for (let n = 0; n < b; n++)
          for (let y = 0; y < h; y++)
            for (let x = 0; x < w; x++)
              for (let channel = 0; channel < c; channel++) {
                const first = Math.floor(channel / 5) * 5;
                const own = [0, 1, 2, 3, 4].map((i) => first + i);
                const at = window.map(([dx, dy]) => [x + flows[n][y][x][0] + dx, y + flows[n][y][x][1] + dy]);
                const weights = at.map(([sx, sy]) =>
                  Math.exp(
                    own.reduce((sum, i) => sum + qs[n][y][x][i] * sample(ks[n], sx, sy, i), 0) / Math.sqrt(5),
                  ),
                );
                const total = weights.reduce((sum, weight) => sum + weight, 0);
                expected.push(
                  at.reduce(
                    (sum, [sx, sy], o) => sum + (weights[o] / total) * sample(vs[n], sx, sy, channel),
                    0,
                  ),
                );
              }
        const y = flowAttention(q, k, v, flow, { heads, radius });
        expect(y.shape).toEqual([b, h, w, c]);
        expectClose(y.dataSync(), expected, 1e-5, 'y');
      });
    },
  );

  it('has the gradient of finite differences in q, k and v', async () => {
    await leavesNoTensors(() => {
      tf.tidy(() => {
        const flow = tf.mul<tf.Tensor4D>(draw(2, 4, 3, 2), 3);
        checkGradients(
          (q, k, v) =>
            flowAttention(q as tf.Tensor4D, k as tf.Tensor4D, v as tf.Tensor4D, flow, {
              heads: 2,
              radius: 1,
            }),
          [draw(2, 4, 3, 6), draw(2, 4, 3, 6), draw(2, 4, 3, 6)],
        );
      });
    });
  });

  it('sees nothing through a flow that leads far away, and passes no gradient', () => {
    tf.tidy(() => {
      const [q, k, v] = [draw(1, 3, 3, 4), draw(1, 3, 3, 4), draw(1, 3, 3, 4)];
      const flow = tf.mul<tf.Tensor4D>(tf.ones([1, 3, 3, 2]), 1e30);
      const seen = (q: tf.Tensor, k: tf.Tensor, v: tf.Tensor): tf.Tensor4D =>
        flowAttention(q as tf.Tensor4D, k as tf.Tensor4D, v as tf.Tensor4D, flow, { heads: 2, radius: 2 });
      const all = [
        seen(q, k, v),
        ...tf.grads((...xs: tf.Tensor[]) => tf.sum(seen(xs[0], xs[1], xs[2])))([q, k, v]),
      ];
      for (const t of all) expect([...t.dataSync()].every((x) => x === 0)).toBe(true);
    });
  });
});
