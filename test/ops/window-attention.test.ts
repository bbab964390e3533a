import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { offsetIndex, relativePositionBias } from '../../src/ops/relative-position-bias';
import {
  shiftMask,
  windowAttention,
  type Size2,
  type WindowAttentionOptions,
  type WindowGroup,
} from '../../src/ops/window-attention';
import { Random } from '../../src/util/random';
import { leavesNoTensors, startTestEngine, TEST_ENGINE } from '../engines';
import { expectClose, Golden } from '../golden';
import { checkGradients, randomTensor } from '../gradient-check';
import { NO_SHARED, SHARED } from '../shared';

/** The definition, pixel by pixel, in double precision. */
function reference(qkv: tf.Tensor4D, bias: tf.Tensor3D, options: WindowAttentionOptions): Float64Array {
  const [batch, h, w, c3] = qkv.shape;
  const c = c3 / 3;
  const { heads, scale, groups } = options;
  const d = c / heads;
  const x = qkv.dataSync();
  const table = bias.dataSync();
  const y = new Float64Array(batch * h * w * c);
  for (let head = 0; head < heads; head++) {
    const { window, shift } = groups[Math.floor((head * groups.length) / heads)];
    const n = window[0] * window[1];
    const zone = (p: number, size: number, a: number): number =>
      p < size - window[a] ? 0 : p < size - shift[a] ? 1 : 2;
    for (let b = 0; b < batch; b++) {
      for (let top = 0; top < h; top += window[0]) {
        for (let left = 0; left < w; left += window[1]) {
          const tokens = Array.from({ length: n }, (_, i) => {
            const r = top + Math.floor(i / window[1]);
            const q = left + (i % window[1]);
            const region = shift[0] + shift[1] > 0 ? 3 * zone(r, h, 0) + zone(q, w, 1) : 0;
            return { at: (b * h + ((r + shift[0]) % h)) * w + ((q + shift[1]) % w), region };
          });
          tokens.forEach((token, i) => {
            const logits = tokens.map((other, j) => {
              let dot = 0;
              for (let e = head * d; e < (head + 1) * d; e++)
                dot += x[token.at * c3 + e] * x[other.at * c3 + c + e];
              return scale * dot + table[(head * n + i) * n + j] - (token.region === other.region ? 0 : 100);
            });
            const weights = logits.map((l) => Math.exp(l - Math.max(...logits)));
            const total = weights.reduce((s, v) => s + v, 0);
            tokens.forEach((other, j) => {
              for (let e = head * d; e < (head + 1) * d; e++)
                y[token.at * c + e] += (weights[j] / total) * x[other.at * c3 + 2 * c + e];
            });
          });
        }
      }
    }
  }
  return y;
}

const square: WindowGroup = { window: [4, 4], shift: [0, 0] };
const upright: WindowGroup = { window: [2, 8], shift: [0, 0] };
const lying: WindowGroup = { window: [8, 2], shift: [0, 0] };
const shifted = (g: WindowGroup): WindowGroup => ({ ...g, shift: [g.window[0] / 2, g.window[1] / 2] });

const cases: [string, readonly WindowGroup[]][] = [
  ["SwinIR's windows", [square]],
  ["SwinIR's shifted windows", [shifted(square)]],
  ["DAT's two kinds of windows", [upright, lying]],
  ["DAT's two kinds of shifted windows", [shifted(upright), shifted(lying)]],
];

describe(`window attention on ${TEST_ENGINE}`, () => {
  const random = new Random('window-attention');
  const inputs = (b: number, h: number, w: number, c: number, heads: number): [tf.Tensor4D, tf.Tensor3D] => [
    randomTensor(random, [b, h, w, 3 * c], -2, 2) as tf.Tensor4D,
    randomTensor(random, [heads, 16, 16]) as tf.Tensor3D,
  ];

  beforeAll(startTestEngine);

  it.each(cases)('%s: value', async (_, groups) => {
    await leavesNoTensors(() => {
      tf.tidy(() => {
        const options = { heads: 4, scale: 0.5, groups };
        const [qkv, bias] = inputs(2, 8, 16, 12, 4);
        const y = windowAttention(qkv, bias, options);
        expect(y.shape).toEqual([2, 8, 16, 12]);
        expectClose(y.dataSync(), reference(qkv, bias, options), 2e-6, 'y');
      });
    });
  });

  it.each(cases)('%s: gradient of qkv and bias', async (_, groups) => {
    await leavesNoTensors(() => {
      tf.tidy(() => {
        const options = { heads: 2, scale: 0.5, groups };
        const [qkv, bias] = inputs(2, 8, 8, 6, 2);
        checkGradients(
          (qkv, bias) => windowAttention(qkv as tf.Tensor4D, bias as tf.Tensor3D, options),
          [qkv, bias],
        );
      });
    });
  });

  it('refuses windows that do not divide the image, or a bias for another window', () => {
    tf.tidy(() => {
      const [qkv, bias] = inputs(1, 8, 10, 4, 2);
      const options = { heads: 2, scale: 1, groups: [square] };
      expect(() => windowAttention(qkv, bias, options)).toThrow(
        'windows of 4x4 with bias [2, 16, 16] on a 8x10 image',
      );
    });
  });

  it('the gradient of the position bias sums all pairs at an offset', () => {
    tf.tidy(() => {
      for (const window of [
        [3, 5],
        [4, 4],
        [1, 6],
      ] as Size2[]) {
        // prettier-ignore
        const rows = (2 * window[0] - 1) * (2 * window[1] - 1);
        const n = window[0] * window[1];
        const table = randomTensor(random, [rows, 3]) as tf.Tensor2D;
        const dy = randomTensor(random, [3, n, n]);
        const bias = relativePositionBias(table, window).arraySync();
        const rowOf = offsetIndex(window);
        const values = table.arraySync();
        const expected = new Float64Array(rows * 3);
        dy.dataSync().forEach((v, at) => {
          const head = Math.floor(at / (n * n));
          const pair = at % (n * n);
          expected[rowOf[pair] * 3 + head] += v;
          expect(bias[head][Math.floor(pair / n)][pair % n]).toBe(values[rowOf[pair]][head]);
        });
        const gradient = tf.grad((t) => relativePositionBias(t as tf.Tensor2D, window))(table, dy);
        expectClose(gradient.dataSync(), expected, 1e-6, 'gradient of the table');
      }
    });
  });

  describe.skipIf(SHARED === undefined)(`official tables (${NO_SHARED})`, () => {
    const swinir = (key: string): Float32Array =>
      Golden.read('networks', 'swinir_tables.safetensors').get(key).data;
    const dat = (key: string): Float32Array =>
      Golden.read('networks', 'dat_tables.safetensors').get(key).data;
    const mask = (size: Size2, window: Size2): number[] =>
      tf.tidy(() => [...shiftMask(size, { window, shift: [window[0] / 2, window[1] / 2] }).dataSync()]);

    it('relative positions', () => {
      expect([...offsetIndex([4, 4])]).toEqual([...swinir('rel_index_ws4')]);
      expect([...offsetIndex([8, 8])]).toEqual([...swinir('rel_index_ws8')]);
      expect([...offsetIndex([4, 8])]).toEqual([...dat('rel_index_4x8')]);
      expect([...offsetIndex([8, 4])]).toEqual([...dat('rel_index_8x4')]);
    });

    it('shift masks', () => {
      // -0 is 0 here: the mask is added.
      const plain = (values: ArrayLike<number>): number[] => Array.from(values, (v) => v + 0);
      expect(plain(mask([12, 16], [4, 4]))).toEqual(plain(swinir('mask_ws4_shift2_h12_w16')));
      expect(plain(mask([16, 24], [8, 8]))).toEqual(plain(swinir('mask_ws8_shift4_h16_w24')));
      expect(plain(mask([16, 16], [4, 8]))).toEqual(plain(dat('split4x8_shift2x4_mask0_h16_w16')));
      expect(plain(mask([16, 16], [8, 4]))).toEqual(plain(dat('split4x8_shift2x4_mask1_h16_w16')));
    });
  });
});
