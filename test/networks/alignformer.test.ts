import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AlignFormer, AttentionUnit } from '../../src/networks/alignformer';
import { Dam } from '../../src/networks/dam';
import { permute } from '../../src/nn/parameter';
import { closedForm, closedFormState } from '../closed-form';
import { leavesNoTensors, startTestEngine, TEST_ENGINE } from '../engines';
import { expectClose, Golden } from '../golden';
import { NO_SHARED, SHARED } from '../shared';

beforeAll(startTestEngine);

/** The closed-form weights of a file under `prefix`, with the blur kernels, which have natural values. */
async function withWeights<M extends Dam | AlignFormer | AttentionUnit>(
  module: M,
  file: string,
  keep: (key: string) => string | undefined = (key) => key,
): Promise<M> {
  module.initialise(1);
  const state = await module.stateDict();
  const natural = new Set([...state.keys()].filter((key) => key.endsWith('blur.kernel')));
  for (const [key, value] of closedFormState(file)) {
    const name = keep(key);
    if (name === undefined) continue;
    expect(state.has(name), name).toBe(true);
    expect(value.shape, name).toEqual(state.get(name)!.shape);
    state.set(name, value);
    natural.delete(name);
  }
  expect([...natural].every((key) => key.endsWith('blur.kernel'))).toBe(true);
  module.loadStateDict(state, file);
  return module;
}

describe.skipIf(SHARED === undefined)(
  `DAM and GAM against their goldens on ${TEST_ENGINE} (${NO_SHARED})`,
  () => {
    const read = (file: string): Golden => Golden.read('alignment', file);
    /** The golden's cotangent: numbers by rule, in NCHW. */
    const cotangent = (k: number, [n, c, h, w]: readonly number[]): tf.Tensor4D => {
      const values = Float32Array.from({ length: n * c * h * w }, (_, i) => closedForm(k, i));
      return tf.tensor4d(permute(values, [n, c, h, w], [0, 2, 3, 1]), [n, h, w, c]);
    };
    const expectGolden = (found: tf.Tensor, golden: Golden, key: string, tolerance: number): void => {
      const { shape, data } = golden.get(key);
      const [n, c, h, w] = shape;
      expect(found.shape, key).toEqual([n, h, w, c]);
      expectClose(found.dataSync(), permute(data, shape, [0, 2, 3, 1]), tolerance, key);
    };

    describe('the domain alignment module', () => {
      let dam: Dam;
      let golden: Golden;
      beforeAll(async () => {
        golden = read('dam.safetensors');
        dam = await withWeights(new Dam(16), 'dam.safetensors');
      });
      afterAll(() => dam?.dispose());

      it('has the official blur kernels', async () => {
        const state = await dam.stateDict();
        expectClose(state.get('conv11.blur.kernel')!.data, golden.get('blur_kernel').data, 0, 'down');
        expectClose(state.get('conv41.blur.kernel')!.data, golden.get('blur_kernel_up').data, 0, 'up');
      });

      it('has the reference style and output', async () => {
        await leavesNoTensors(() => {
          tf.tidy(() => {
            const [x, ref] = [golden.image('x'), golden.image('ref')];
            expectGolden(dam.style(ref), golden, 'style', 1e-4);
            expectGolden(dam.forward(x, ref), golden, 'out', 1e-4);
          });
        });
      });

      it('has the reference gradient of both pictures', async () => {
        await leavesNoTensors(() => {
          tf.tidy(() => {
            const weights = cotangent(410, golden.get('out').shape);
            const [dx, dref] = tf.grads((x: tf.Tensor, ref: tf.Tensor) =>
              tf.sum(tf.mul(dam.forward(x as tf.Tensor4D, ref as tf.Tensor4D), weights)),
            )([golden.image('x'), golden.image('ref')]);
            expectGolden(dx, golden, 'grad_x', 1e-3);
            expectGolden(dref, golden, 'grad_ref', 1e-3);
          });
        });
      });
    });

    describe('the attention unit', () => {
      let unit: AttentionUnit;
      let golden: Golden;
      beforeAll(async () => {
        golden = read('alignformer-attention.safetensors');
        unit = await withWeights(new AttentionUnit(16), 'alignformer-attention.safetensors');
      });
      afterAll(() => unit?.dispose());

      it('has the reference output and gradients', async () => {
        await leavesNoTensors(() => {
          tf.tidy(() => {
            const [q, k, flow] = [golden.image('q'), golden.image('k'), golden.image('flow')];
            expectGolden(unit.forward(q, k, flow), golden, 'out', 1e-4);
            const weights = cotangent(423, golden.get('out').shape);
            const [dq, dk] = tf.grads((q: tf.Tensor, k: tf.Tensor) =>
              tf.sum(tf.mul(unit.forward(q as tf.Tensor4D, k as tf.Tensor4D, flow), weights)),
            )([q, k]);
            expectGolden(dq, golden, 'grad_q', 1e-3);
            expectGolden(dk, golden, 'grad_k', 1e-3);
          });
        });
      });
    });

    describe('the two together', () => {
      let dam: Dam;
      let gam: AlignFormer;
      let golden: Golden;
      beforeAll(async () => {
        golden = read('alignformer.safetensors');
        const under = (key: string): string | undefined =>
          key.startsWith('DAM.') ? key.slice(4) : undefined;
        dam = await withWeights(new Dam(16), 'alignformer.safetensors', under);
        gam = await withWeights(new AlignFormer(16), 'alignformer.safetensors', (key) =>
          key.startsWith('DAM.') ? undefined : key,
        );
      });
      afterAll(() => {
        dam?.dispose();
        gam?.dispose();
      });

      it('have the reference output for a given flow', async () => {
        await leavesNoTensors(() => {
          tf.tidy(() => {
            const [src, ref, flow] = [golden.image('src'), golden.image('ref'), golden.image('flow')];
            const looksAlike = dam.forward(src, ref);
            expectGolden(looksAlike, golden, 'dam_out', 1e-4);
            expectGolden(gam.forward(looksAlike, ref, flow), golden, 'out', 1e-4);
          });
        });
      });
    });
  },
);

describe('DAM and GAM', () => {
  it('have the official number of weights', () => {
    expect(new Dam().parameterCount()).toBe(613_510);
    expect(new Dam().parameterCount() + new AlignFormer().parameterCount()).toBe(2_084_425);
  });

  it('begin with filters of a root of squares of 1: a fresh DAM keeps the scale of its input', async () => {
    const dam = new Dam(8).initialise(3);
    await leavesNoTensors(() => {
      tf.tidy(() => {
        const x = tf.randomUniform<tf.Rank.R4>([2, 16, 16, 3], 0, 1, 'float32', 1);
        const y = dam.forward(x, x);
        expect(y.shape).toEqual(x.shape);
        const size = Math.sqrt(tf.mean(tf.square(y)).dataSync()[0]);
        expect(size).toBeGreaterThan(0.1);
        expect(size).toBeLessThan(10);
      });
    });
    dam.dispose();
  });
});
