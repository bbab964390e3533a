import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import type { MimicSettings } from '../../src/mimic/config';
import { FittedBlur } from '../../src/mimic/fitted-blur';
import { loadMimicModule } from '../../src/mimic/trained-module';
import { blur } from '../../src/ops/blur';
import { train } from '../../src/train/run';
import { runFiles } from '../../src/util/run-files';
import { readSafetensors } from '../../src/weights/safetensors';
import { leavesNoTensors, startTestEngine, TEST_ENGINE } from '../engines';

/** A Gaussian of 7x7 taps whose middle lies half a pixel to the right. */
function lens(): tf.Tensor2D {
  return tf.tidy(() => {
    const along = (middle: number): tf.Tensor =>
      tf.exp(tf.neg(tf.square(tf.div(tf.sub(tf.range(0, 7), middle), 1.1))));
    const both = tf.mul<tf.Tensor2D>(tf.reshape(along(3), [7, 1]), tf.reshape(along(3.5), [1, 7]));
    return tf.div(both, tf.sum(both));
  });
}

/** Smooth and fine content, as photographs have. */
function picture(seed: number): tf.Tensor4D {
  return tf.tidy(() => {
    const noise = (side: number, s: number): tf.Tensor4D =>
      tf.randomUniform<tf.Rank.R4>([2, side, side, 3], 0, 1, 'float32', s);
    const smooth = tf.image.resizeBilinear(noise(4, seed), [24, 24]);
    return tf.add(tf.mul(smooth, 0.7), tf.mul(noise(24, seed + 1), 0.3));
  });
}

const largest = (x: tf.Tensor): number => tf.max(tf.abs(x)).dataSync()[0];

describe(`The blur that is fitted, on ${TEST_ENGINE}`, () => {
  beforeAll(startTestEngine);

  it('leaves a batch out that is not finite', async () => {
    await leavesNoTensors(() => {
      const fitted = new FittedBlur().initialise(1);
      tf.tidy(() => {
        const x = picture(7);
        fitted.fit(x, { target: blur(x, lens(), 3) });
        const before = fitted.forward(x);
        fitted.fit(x, { target: tf.mul<tf.Tensor4D>(x, NaN) });
        const after = fitted.forward(x);
        expect(largest(tf.sub(before, x))).toBeGreaterThan(0.1);
        expect(largest(tf.sub(after, before))).toBeLessThan(0.05);
      });
      fitted.dispose();
    });
  });

  it('begins as the identity and finds the blur that made its targets, whatever lies outside the mask', async () => {
    await leavesNoTensors(() => {
      const fitted = new FittedBlur().initialise(1);
      const kernel = lens();
      const inside = tf.tidy(() =>
        tf.pad<tf.Tensor4D>(tf.ones([2, 16, 16, 1]), [
          [0, 0],
          [4, 4],
          [4, 4],
          [0, 0],
        ]),
      );
      expect(tf.tidy(() => largest(tf.sub(fitted.forward(picture(7)), picture(7))))).toBe(0);
      const errors: number[] = [];
      for (let step = 0; step < 40; step++) {
        tf.tidy(() => {
          const x = picture(100 * step);
          const made = blur(x, kernel, 3);
          const off = tf.mul(tf.sub(fitted.forward(x), made), inside);
          errors.push(largest(off));
          fitted.fit(x, { target: tf.add(tf.mul(made, inside), tf.sub(1, inside)), mask: inside });
        });
      }
      expect(errors[0]).toBeGreaterThan(0.1);
      expect(errors[1]).toBeLessThan(0.03);
      expect(errors.at(-1)).toBeLessThan(1e-3);
      tf.dispose([kernel, inside]);
      fitted.dispose();
    });
  });

  it('keeps flat areas as they are, at the edges too, after any targets', () => {
    tf.tidy(() => {
      const fitted = new FittedBlur().initialise(1);
      for (let step = 0; step < 3; step++) fitted.fit(picture(step), { target: picture(50 + step) });
      const flat = tf.fill<tf.Rank.R4>([1, 8, 9, 3], 0.4);
      expect(largest(tf.sub(fitted.forward(flat), flat))).toBeLessThan(1e-6);
      fitted.dispose();
    });
  });

  it('does not move where nothing counts', () => {
    tf.tidy(() => {
      const fitted = new FittedBlur().initialise(1);
      const x = picture(1);
      fitted.fit(x, { target: tf.zerosLike(x), mask: tf.zeros([2, 24, 24, 1]) });
      expect(largest(tf.sub(fitted.forward(x), x))).toBe(0);
      fitted.dispose();
    });
  });

  it('in a run it is kept, loaded again, and goes on where a stopped one was', async () => {
    const root = mkdtempSync(join(tmpdir(), 'mimicsr-blur-'));
    const options: MimicSettings = {
      ...{ flow: 'none', mask: false, colour: 'none', lambda: 0, noise: false },
      ...{ antialias: true, residual: true, lens: true, corrections: { grid: true } },
    };
    const run = async (name: string, stop?: AbortController): Promise<string> => {
      const folder = join(root, name);
      const { network } = await train(
        folder,
        {
          network: { name: 'seemore' },
          process: { name: 'mimic', options },
          data: { kind: 'scenes', preset: 'aligned', count: 1 },
          recipe: { patch: 16, batch: 1, iterations: 3, checkpointEvery: 1, logEvery: 1 },
        },
        { signal: stop?.signal, onStep: () => stop?.abort() },
      );
      network.dispose();
      return folder;
    };
    try {
      await leavesNoTensors(async () => {
        const whole = await run('whole');
        await run('stopped', new AbortController());
        const resumed = await run('stopped');
        for (const file of ['weights', 'helper'] as const) {
          const [a, b] = [whole, resumed].map((folder) => readSafetensors(runFiles(folder)[file]).tensors);
          expect(b).toEqual(a);
        }
        const { module, config } = loadMimicModule(whole);
        expect(config?.lens).toBe(true);
        tf.tidy(() => {
          const x = picture(1);
          expect(largest(tf.sub(module.lens!.forward(x), x))).toBeGreaterThan(0.01);
        });
        module.dispose();
      });
    } finally {
      rmSync(root, { recursive: true });
    }
  });
});
