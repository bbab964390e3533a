import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { Dat, type DatConfig } from '../../../src/networks/dat';
import { createNetwork, NETWORK_NAMES } from '../../../src/networks/networks';
import { RrdbNet } from '../../../src/networks/rrdbnet';
import { SEEMORE_PRESETS, SeeMoRe } from '../../../src/networks/seemore';
import type { SrNetwork } from '../../../src/networks/sr-network';
import { SwinIr, SWINIR_PRESETS } from '../../../src/networks/swinir';
import { Random } from '../../../src/util/random';
import { encodeOnnx, type Exportable } from '../../../src/weights/onnx/export';
import { leavesNoTensors, startTestEngine } from '../../engines';
import { openOnnx, type OnnxNetwork } from './runtime';

type Size = readonly [batch: number, height: number, width: number];

/** Largest difference between the network and its exported file on a random picture. */
async function largestDifference(network: SrNetwork, exported: OnnxNetwork, size: Size): Promise<number> {
  const [b, h, w] = size;
  const random = new Random(1, 'picture', h, w);
  const nchw = Float32Array.from({ length: b * 3 * h * w }, () => random.uniform(0, 1));
  const sr = await exported(nchw, [b, 3, h, w]);
  const ours = tf.tidy(() => {
    const lr = tf.transpose(tf.tensor4d(nchw, [b, 3, h, w]), [0, 2, 3, 1]);
    return tf.transpose(network.forward(lr), [0, 3, 1, 2]);
  });
  expect(sr.shape).toEqual(ours.shape);
  const [a, e] = [sr.data, await ours.data()];
  ours.dispose();
  let worst = 0;
  let largest = 0;
  for (let i = 0; i < e.length; i++) {
    worst = Math.max(worst, Math.abs(a[i] - e[i]));
    largest = Math.max(largest, Math.abs(e[i]));
  }
  expect(largest).toBeGreaterThan(0.1); // a picture, not zeros
  return Number.isNaN(worst) ? Infinity : worst;
}

/** Weights that make every part matter: fresh transformers have zero biases and next to no attention logits. */
async function lively(network: SrNetwork): Promise<SrNetwork> {
  network.initialise(3);
  const random = new Random(7, 'lively');
  for (const [key, p] of network.namedParameters()) {
    const values = await p.values();
    const noise = (): number => {
      if (key.endsWith('running_var')) return random.uniform(0, 0.5);
      if (key.endsWith('temperature')) return random.uniform(0, 8);
      if (key.endsWith('bias_table')) return random.uniform(-2, 2);
      const bound = p.shape.length === 1 ? 0.2 : Math.sqrt(p.shape[0] / p.size);
      return random.uniform(-bound, bound);
    };
    p.load(values.map((v) => v + noise()));
  }
  return network;
}

async function exported(network: SrNetwork): Promise<OnnxNetwork> {
  return openOnnx(Buffer.concat(await encodeOnnx(network, 'test')));
}

const DAT_SMALL: DatConfig = {
  scale: 4,
  channels: 64,
  depths: [4, 2],
  heads: [4, 2],
  split: [4, 8],
  expansion: 2,
  upsampler: 'pixelshuffle',
  residual: '3conv',
  range: 1,
  dropPath: 0.1,
};

describe('a network exported to ONNX gives what the kit gives', () => {
  beforeAll(startTestEngine);

  const swin = { ...SWINIR_PRESETS.light, channels: 12, depths: [2, 2], heads: [2, 3], window: 4 };
  const cases: [string, () => SrNetwork, Size[]][] = [
    ['RRDBNet', () => new RrdbNet({ channels: 16, growth: 8, blocks: 2 }), [[1, 1, 1], [2, 13, 18]]],
    ['SeeMoRe', () => new SeeMoRe({ ...SEEMORE_PRESETS.tiny, groups: 2 }), [[1, 16, 16], [2, 19, 37]]],
    ['SeeMoRe large', () => new SeeMoRe({ ...SEEMORE_PRESETS.large, groups: 1 }), [[2, 4, 4], [1, 21, 10]]],
    ['SwinIR', () => new SwinIr(swin), [[1, 8, 12], [2, 13, 10], [1, 3, 16]]],
    ['SwinIR classical', () => new SwinIr({ ...swin, window: 7, residual: '3conv', upsampler: 'pixelshuffle' }), [[1, 14, 7], [2, 9, 15]]],
    ['SwinIR real', () => new SwinIr({ ...swin, range: 2, upsampler: 'nearest+conv' }), [[1, 8, 8], [1, 6, 5]]],
    ['DAT', () => new Dat(DAT_SMALL), [[1, 8, 16], [2, 13, 10], [1, 1, 3]]],
  ]; // prettier-ignore

  it.each(cases)('%s, at several sizes from one file', async (_, make, sizes) => {
    const network = await lively(make());
    const run = await leavesNoTensors(() => exported(network));
    for (const size of sizes) expect(await largestDifference(network, run, size)).toBeLessThan(1e-4);
    network.dispose();
  });

  it.each(NETWORK_NAMES)("%s of the paper's size", async (name) => {
    const network = await lively(createNetwork(name));
    expect(await largestDifference(network, await exported(network), [1, 21, 35])).toBeLessThan(1e-4);
    network.dispose();
  });

  it('leaves the engine, its tensors and its kernels as they were', async () => {
    const network = new SeeMoRe({ ...SEEMORE_PRESETS.tiny, groups: 1 }).initialise(1);
    const before = tf.getBackend();
    await leavesNoTensors(() => encodeOnnx(network, 'test'));
    expect(tf.getBackend()).toBe(before);
    expect(Object.keys(tf.engine().registryFactory)).not.toContain('mimicsr-trace');
    network.dispose();
  });

  /** A network of one function, without weights. */
  const made = (forward: (lr: tf.Tensor4D) => tf.Tensor4D): Exportable => ({
    scale: 1,
    minimumSize: 1,
    namedParameters: () => [],
    train: () => undefined,
    forward,
  });

  it.each<[string, (x: tf.Tensor4D) => tf.Tensor4D, string]>([
    [
      'a constant as high as the image',
      (x) => tf.add(x, tf.zeros([1, x.shape[1], 1, 1])),
      "depends on the image's size",
    ],
    ['a factor of the size', (x) => tf.mul(x, 1 / x.shape[1]), "depends on the image's size"],
    ['a branch on the size', (x) => (x.shape[1] > 1000 ? tf.relu(x) : x), 'the same steps'],
    [
      'a size that is no known formula',
      (x) => tf.slice(x, [0, 0, 0, 0], [x.shape[0], Math.floor(x.shape[1] / 3), x.shape[2], 3]),
      'no known formula of the input size',
    ],
    ['a kernel without a rule', (x) => tf.cos(x), "Kernel 'Cos' not registered"],
  ])('refuses %s', async (_, forward, message) => {
    const before = tf.getBackend();
    await expect(encodeOnnx(made(forward), 'test')).rejects.toThrow(message);
    expect(tf.getBackend()).toBe(before);
  });
});
