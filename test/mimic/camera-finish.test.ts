import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { cameraFinish } from '../../src/mimic/camera-finish';
import { Random } from '../../src/util/random';
import { leavesNoTensors, startTestEngine, TEST_ENGINE } from '../engines';

describe(`A camera's noise and JPEG on ${TEST_ENGINE}`, () => {
  beforeAll(startTestEngine);

  /** Grey levels of `finish(value everywhere) - value`, a list a picture. */
  const errors = (value: number, seed: number): Float32Array[] =>
    tf.tidy(() => {
      const flat = tf.fill<tf.Rank.R4>([32, 20, 24, 3], value);
      const finished = cameraFinish(flat, new Random(seed));
      expect(finished.shape).toEqual(flat.shape);
      return tf
        .mul(255, tf.sub(finished, flat))
        .unstack()
        .map((one) => one.dataSync() as Float32Array);
    });
  const mean = (values: ArrayLike<number>): number =>
    Array.from(values).reduce((sum, v) => sum + v, 0) / values.length;
  const deviation = (values: Float32Array): number => Math.sqrt(mean(values.map((v) => v * v)));

  it('keeps flat colours, with a few grey levels of noise, another in every picture', () => {
    const found = errors(0.5, 1);
    expect(Math.abs(mean(found.map(mean)))).toBeLessThan(0.2);
    const sizes = found.map(deviation);
    expect(Math.max(...sizes)).toBeLessThan(6);
    expect(mean(sizes)).toBeGreaterThan(0.3);
    expect(new Set(sizes).size).toBeGreaterThan(10);
  });

  it('stays within black and white', () => {
    const [black, white] = [0, 1].map((value) => errors(value, 4).map((one) => one.slice().sort()));
    expect(Math.min(...black.map((one) => one[0]))).toBe(0);
    expect(Math.max(...white.map((one) => one[one.length - 1]))).toBe(0);
  });

  it('is the same from the same stream, another from another', () => {
    expect(errors(0.4, 1)).toEqual(errors(0.4, 1));
    expect(errors(0.4, 1)).not.toEqual(errors(0.4, 2));
  });

  it('leaves no tensors', async () => {
    await leavesNoTensors(() => void errors(0.5, 1));
  });
});
