import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { Vgg19, vggStride } from '../../src/networks/vgg19';
import { permute } from '../../src/nn/parameter';
import { Random } from '../../src/util/random';
import { writeSafetensors } from '../../src/weights/safetensors';
import { float32Tensor } from '../../src/weights/tensor-file';
import { leavesNoTensors, startTestEngine, TEST_ENGINE } from '../engines';
import { expectClose, Golden } from '../golden';
import { NO_SHARED, SHARED } from '../shared';
import { ruleVgg19 } from './vgg19-rule';

beforeAll(startTestEngine);

describe.skipIf(SHARED === undefined)(`VGG19 against its golden on ${TEST_ENGINE} (${NO_SHARED})`, () => {
  it('has the reference maps, before and behind the ReLU', async () => {
    const layers = ['conv1_2', 'relu1_2', 'conv2_2', 'conv3_2', 'relu3_4', 'conv4_2', 'conv4_4'];
    await leavesNoTensors(() => {
      const golden = Golden.read('alignment', 'vgg19-features.safetensors');
      const net = ruleVgg19(layers);
      expect(net.trainable()).toEqual([]);
      tf.tidy(() => {
        net.features(golden.image('img')).forEach((map, i) => {
          const { shape, data } = golden.get(layers[i]);
          expect(map.shape, layers[i]).toEqual([0, 2, 3, 1].map((a) => shape[a]));
          expectClose(map.dataSync(), permute(data, shape, [0, 2, 3, 1]), 1e-4, layers[i]);
        });
      });
      net.dispose();
    });
  });
});

describe(`VGG19 on ${TEST_ENGINE}`, () => {
  it('loads what it needs of a whole file and ends at the deepest layer', () => {
    const folder = mkdtempSync(join(tmpdir(), 'mimicsr-vgg-'));
    const path = join(folder, 'vgg19.safetensors');
    const random = new Random(1);
    const tensor = (...shape: number[]) =>
      float32Tensor(
        shape,
        Float32Array.from({ length: shape.reduce((a, b) => a * b) }, () => random.normal(0, 0.05)),
      );
    const tensors = new Map([
      ['features.0.weight', tensor(64, 3, 3, 3)],
      ['features.0.bias', tensor(64)],
      ['features.2.weight', tensor(64, 64, 3, 3)],
      ['features.2.bias', tensor(64)],
      ['classifier.6.bias', tensor(1000)],
    ]);
    writeSafetensors(path, tensors, {});
    const net = Vgg19.load(path, { layers: ['relu1_1', 'conv1_2'] });
    expect([...net.namedParameters()].map(([key]) => key)).toEqual([...tensors.keys()].slice(0, 4));
    expect(() => Vgg19.load(path, { layers: ['relu2_1'] })).toThrow(
      /vgg19\.safetensors.*missing features\.5\.weight/,
    );
    net.dispose();
    rmSync(folder, { recursive: true });
  });

  it('says which file is missing, what brings it, and what needs none', () => {
    expect(() => Vgg19.load(join('no', 'vgg19.pth'), { layers: ['conv4_4'] })).toThrow(
      /no VGG19 weights at no.vgg19\.pth: 'mimicsr data fetch vgg19'.*random-orthogonal/,
    );
    expect(() => Vgg19.empty({ layers: ['conv4_5'] })).toThrow(/unknown VGG19 layer 'conv4_5'.*did you mean/);
  });

  it('with random orthogonal filters is the same for everyone, a quarter as wide, and keeps the size of its maps', async () => {
    const layers = ['relu1_2', 'relu3_2', 'relu4_4'];
    const [net, again] = [0, 1].map(() => Vgg19.randomOrthogonal({ layers }));
    expect(net.name).toBe('random-orthogonal');
    const state = await net.stateDict();
    for (const [key, { data }] of await again.stateDict()) {
      expect(Buffer.from(data.buffer).equals(Buffer.from(state.get(key)!.data.buffer)), key).toBe(true);
    }
    // Rows of the filter matrix are orthonormal, times the square root of 2.
    const { shape, data } = state.get('features.7.weight')!;
    expect(shape).toEqual([32, 32, 3, 3]);
    const row = (i: number): Float32Array => data.subarray(i * 288, (i + 1) * 288);
    for (const [i, j] of [
      [0, 0],
      [31, 31],
      [0, 31],
      [7, 8],
    ]) {
      const dot = row(i).reduce((sum, v, k) => sum + v * row(j)[k], 0);
      expect(dot).toBeCloseTo(i === j ? 2 : 0, 5);
    }
    await leavesNoTensors(() => {
      tf.tidy(() => {
        const noise = tf.randomUniform<tf.Rank.R4>([1, 32, 32, 3], 0, 1, 'float32', 3);
        const sizes = net.features(noise).map((m) => tf.sqrt(tf.mean(tf.square(m))).dataSync()[0]);
        for (const size of sizes) {
          expect(size).toBeGreaterThan(0.2);
          expect(size).toBeLessThan(5);
        }
      });
    });
    net.dispose();
    again.dispose();
  });

  it('knows the pixels of a place, and pools by maximum or average', () => {
    expect(['conv1_1', 'relu2_2', 'conv3_4', 'relu4_1', 'conv5_4'].map(vggStride)).toEqual([1, 2, 4, 8, 16]);
    tf.tidy(() => {
      const [max, average] = (['max', 'average'] as const).map((pooling) => {
        const net = Vgg19.randomOrthogonal({ layers: ['conv2_1'], pooling });
        const image = tf.randomUniform<tf.Rank.R4>([1, 9, 8, 3], 0, 1, 'float32', 3);
        const [map] = net.features(image);
        expect(map.shape).toEqual([1, 4, 4, 32]);
        const values = map.dataSync<'float32'>();
        net.dispose();
        return values;
      });
      expect(max).not.toEqual(average);
    });
  });
});
