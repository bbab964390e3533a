import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { Conv2d, DepthwiseConv2d, LayerNorm, Linear } from '../../src/nn/layers';
import { Module } from '../../src/nn/module';
import { permute } from '../../src/nn/parameter';
import { InputError } from '../../src/util/errors';
import { leavesNoTensors, startTestEngine } from '../engines';

class Tiny extends Module {
  readonly conv = this.child('conv.0', new Conv2d(2, 3, [3, 1]));
  readonly depthwise = this.child('conv.1', new DepthwiseConv2d(3, 3));
  readonly norm = this.child('norm', new LayerNorm(3, 1e-6));
  readonly linear = this.child('head', new Linear(3, 4, { bias: false }));
}

describe('modules', () => {
  beforeAll(startTestEngine);

  it('name their parameters in PyTorch order, with PyTorch shapes', () => {
    const shapes = [...new Tiny().namedParameters()].map(([key, p]) => `${key} ${p.shape.join('x')}`);
    expect(shapes).toEqual([
      'conv.0.weight 3x2x3x1',
      'conv.0.bias 3',
      'conv.1.weight 3x1x3x3',
      'conv.1.bias 3',
      'norm.weight 3',
      'norm.bias 3',
      'head.weight 4x3',
    ]);
    expect(new Tiny().parameterCount()).toBe(18 + 3 + 27 + 3 + 3 + 3 + 12);
  });

  it('give back from their state dict exactly what was loaded, and free it', async () => {
    await leavesNoTensors(async () => {
      const state = await new Tiny().initialise(3).stateDict();
      const other = new Tiny().initialise(4).loadStateDict(state);
      const again = await other.stateDict();
      expect([...again.keys()]).toEqual([...state.keys()]);
      for (const [key, { data }] of state) expect(again.get(key)!.data).toEqual(data);
      other.dispose();
      tf.disposeVariables();
    });
  });

  it('keep PyTorch layout outside and NHWC layout inside', async () => {
    const net = new Tiny().initialise(5);
    const { data } = (await net.stateDict()).get('conv.0.weight')!; // (O 3, I 2, kh 3, kw 1)
    const inside = [...net.namedParameters()][0][1].value<tf.Tensor4D>().arraySync(); // [kh, kw, I, O]
    for (let o = 0; o < 3; o++) {
      for (let i = 0; i < 2; i++)
        for (let k = 0; k < 3; k++) expect(inside[k][0][i][o]).toBe(data[(o * 2 + i) * 3 + k]);
    }
    net.dispose();
  });

  it('draw the same values from the same seed, within the bounds of PyTorch, and others from another', async () => {
    const [a, b, c] = await Promise.all(
      [7, 7, 8].map(async (seed) => await new Tiny().initialise(seed).stateDict()),
    );
    const weight = (s: typeof a): Float32Array => s.get('conv.0.weight')!.data;
    expect(weight(a)).toEqual(weight(b));
    expect(weight(a)).not.toEqual(weight(c));
    const bound = 1 / Math.sqrt(2 * 3);
    weight(a).forEach((v) => expect(Math.abs(v)).toBeLessThanOrEqual(bound));
    expect(a.get('norm.weight')!.data).toEqual(new Float32Array([1, 1, 1]));
    tf.disposeVariables();
  });

  it('refuse a state dict that does not fit, listing every key at fault, and stay as they were', async () => {
    const net = new Tiny().initialise(1);
    const before = await net.stateDict();
    const state = new Map(before);
    state.delete('norm.bias');
    state.set('extra', { shape: [1], data: new Float32Array(1) });
    state.set('head.weight', { shape: [3, 4], data: new Float32Array(12) });
    state.set('conv.0.bias', { shape: [3], data: new Float32Array([1, NaN, 2]) });
    expect(() => net.loadStateDict(state, 'weights.pth')).toThrow(InputError);
    for (const part of [
      'weights.pth does not fit Tiny (4 keys)',
      'missing norm.bias ([3])',
      'unexpected extra',
      'head.weight has shape [3, 4], expected [4, 3]',
      'conv.0.bias holds values that are not finite',
    ]) {
      expect(() => net.loadStateDict(state, 'weights.pth')).toThrow(part);
    }
    expect((await net.stateDict()).get('conv.1.weight')).toEqual(before.get('conv.1.weight'));
    net.dispose();
  });

  it('linear is x W^T + b over the last axis', () => {
    tf.tidy(() => {
      const layer = new Linear(2, 3);
      layer.loadStateDict(
        new Map([
          ['weight', { shape: [3, 2], data: new Float32Array([1, 2, 3, 4, 5, 6]) }],
          ['bias', { shape: [3], data: new Float32Array([10, 20, 30]) }],
        ]),
      );
      expect(
        layer
          .forward(
            tf.tensor2d([
              [1, 1],
              [0, 2],
            ]),
          )
          .arraySync(),
      ).toEqual([
        [13, 27, 41],
        [14, 28, 42],
      ]);
      layer.dispose();
    });
  });
});

it('permute moves the named axes', () => {
  const data = Float32Array.from({ length: 24 }, (_, i) => i);
  const moved = permute(data, [2, 3, 4], [2, 0, 1]); // [4, 2, 3]
  for (let a = 0; a < 2; a++) {
    for (let b = 0; b < 3; b++)
      for (let c = 0; c < 4; c++) expect(moved[(c * 2 + a) * 3 + b]).toBe(data[(a * 3 + b) * 4 + c]);
  }
});
