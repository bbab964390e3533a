import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { SWINIR_PRESETS, SwinIr, type SwinIrConfig } from '../../src/networks/swinir';
import { Random } from '../../src/util/random';
import { leavesNoTensors, startTestEngine, TEST_ENGINE } from '../engines';
import type { GoldenArray } from '../golden';
import { describeNetworkGolden } from './network-golden';

const tiny: SwinIrConfig = {
  scale: 4,
  channels: 12,
  depths: [2, 2],
  heads: [3, 2],
  window: 4,
  mlpRatio: 2,
  upsampler: 'pixelshuffledirect',
  residual: '1conv',
  range: 1,
  dropPath: 0,
};

/** Window attention's output, which the reference has as [B windows, N, C] of the rolled map, as an image. */
function fromWindows(key: string, { data }: GoldenArray, shape: readonly number[]): Float32Array | undefined {
  const block = /blocks\.(\d)\.attn$/.exec(key);
  if (block === null) return undefined;
  const [batch, h, w, c] = shape;
  const side = tiny.window;
  const shift = Number(block[1]) % 2 === 0 ? 0 : side / 2;
  const image = new Float32Array(data.length);
  for (let b = 0, from = 0; b < batch; b++) {
    for (let top = 0; top < h; top += side) {
      for (let left = 0; left < w; left += side) {
        for (let token = 0; token < side * side; token++, from += c) {
          const row = (top + Math.floor(token / side) + shift) % h;
          const column = (left + (token % side) + shift) % w;
          image.set(data.subarray(from, from + c), ((b * h + row) * w + column) * c);
        }
      }
    }
  }
  return image;
}

describeNetworkGolden({
  file: 'swinir_paper',
  create: () => new SwinIr({ ...SWINIR_PRESETS.light, dropPath: 0 }),
  modules: 1,
});
describeNetworkGolden({
  file: 'swinir_tiny',
  create: () => new SwinIr(tiny),
  arrange: fromWindows,
  modules: 15,
});
describeNetworkGolden({
  file: 'swinir_tiny_ps_x2',
  create: () => new SwinIr({ ...tiny, scale: 2, upsampler: 'pixelshuffle', residual: '3conv', range: 255 }),
  beforeLeaky: { 'layers.0.conv.0': 0.2 },
  arrange: fromWindows,
  modules: 16,
});
describeNetworkGolden({
  file: 'swinir_tiny_nc_x4',
  create: () => new SwinIr({ ...tiny, upsampler: 'nearest+conv', residual: '3conv' }),
  beforeLeaky: { 'layers.0.conv.0': 0.2, conv_up1: 0.2 },
  arrange: fromWindows,
  // One of the 65,536 values before the LeakyReLU of conv_up2 is 2e-8: its sign, and with it that unit's slope, is the
  // rounding of the engine, and all gradients before it move by about 1e-3.
  slack: 5,
  modules: 17,
});

describe(`SwinIR on ${TEST_ENGINE}`, () => {
  beforeAll(startTestEngine);

  it('has the published number of parameters in each size', () => {
    expect(new SwinIr(SWINIR_PRESETS.light).parameterCount()).toBe(929_628);
    expect(new SwinIr(SWINIR_PRESETS.classical).parameterCount()).toBe(11_900_199);
    expect(new SwinIr(SWINIR_PRESETS['real-large']).parameterCount()).toBe(28_013_059);
  });

  it('restores at scale 1 as a correction of its input', async () => {
    const net = new SwinIr({ ...tiny, scale: 1, upsampler: 'none' }).initialise(1);
    await leavesNoTensors(() => {
      tf.tidy(() => {
        const x = tf.randomUniform<tf.Rank.R4>([1, 6, 7, 3], 0, 1, 'float32', 3);
        const last = [...net.namedParameters()].filter(([key]) => key.startsWith('conv_last'));
        for (const [, p] of last) p.load(new Float32Array(p.size));
        const difference = tf.max(tf.abs(tf.sub(net.forward(x), x))).dataSync()[0];
        expect(difference).toBeLessThan(1e-6);
      });
    });
    net.dispose();
  });

  it('refuses an image that reflection cannot fill, and a scale that its tail does not have', () => {
    const net = new SwinIr(SWINIR_PRESETS.light);
    expect(() => net.forward(tf.zeros([1, 4, 9, 3]))).toThrow(/at least 5 x 5 pixels, got 9 x 4/);
    expect(() => new SwinIr({ ...tiny, scale: 3, upsampler: 'nearest+conv' })).toThrow(
      "upsampler 'nearest+conv': expected a scale of 2 or 4, found 3",
    );
  });

  it('drops paths in training by the randomness it is given, and needs some', () => {
    const net = new SwinIr({ ...tiny, dropPath: 0.9 }).initialise(1);
    tf.tidy(() => {
      const x = tf.randomUniform<tf.Rank.R4>([2, 8, 8, 3], 0, 1, 'float32', 3);
      const values = (random?: Random): string => net.train(true, random).forward(x).dataSync().join();
      expect(values(new Random(1, 'step', 1))).toBe(values(new Random(1, 'step', 1)));
      expect(values(new Random(1, 'step', 1))).not.toBe(values(new Random(1, 'step', 2)));
      expect(() => values()).toThrow('train(true, random)');
      const test = net.train(false).forward(x).dataSync().join();
      expect(net.train(false, new Random(1)).forward(x).dataSync().join()).toBe(test);
    });
    net.dispose();
  });
});
