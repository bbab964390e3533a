import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MimicModule } from '../../src/mimic/module';
import { meanAbsoluteError } from '../../src/ops/mean-absolute-error';
import { InputError } from '../../src/util/errors';
import { leavesNoTensors, startTestEngine, TEST_ENGINE } from '../engines';
import { expectGradients, expectImage, Golden, lossAndGradients } from '../golden';
import { NO_SHARED, SHARED } from '../shared';

beforeAll(startTestEngine);

describe.skipIf(SHARED === undefined)(
  `The mimicking module against its golden on ${TEST_ENGINE} (${NO_SHARED})`,
  () => {
    let golden: Golden;
    let module: MimicModule;

    beforeAll(() => {
      golden = Golden.read('networks', 'mimsimp.safetensors');
      const state = golden.under('param');
      // Three values that enter ReLUs are nearer to zero than the rounding of float32 convolutions (3e-8 to 5e-7). Moving
      // their channels by 5e-7 makes their signs the reference's whatever the order of the sums.
      for (const [key, channel] of [
        ['conv_5x5.0', 44],
        ['conv_1x1.0', 47],
        ['conv_1x1.4', 34],
      ] as const) {
        const { shape, data } = state.get(`${key}.bias`)!;
        const bias = data.slice();
        bias[channel] += 5e-7;
        state.set(`${key}.bias`, { shape, data: bias });
      }
      module = new MimicModule().loadStateDict(state, 'mimsimp');
    });
    afterAll(() => module?.dispose());

    it.each(['', '_odd'])('makes the reference output of in/hr%s', async (suffix) => {
      await leavesNoTensors(() => {
        tf.tidy(() => {
          const [hr, lr] = [golden.image(`in/hr${suffix}`), golden.image(`in/lr${suffix}`)];
          expectImage(module.forward(hr, lr), golden.get(`out/y${suffix}`), suffix);
        });
      });
    });

    it('has the reference guidance vector', () => {
      tf.tidy(() => {
        const vector = module.guidanceVector(golden.image('in/hr'), golden.image('in/lr'))!;
        expectImage(vector, golden.get('mid/guide_net'), 'guidance');
      });
    });

    it('has the reference loss and gradient of every parameter', async () => {
      await leavesNoTensors(async () => {
        const [hr, lr, target] = [golden.image('in/hr'), golden.image('in/lr'), golden.image('target')];
        const { loss, gradients } = await lossAndGradients(module, () =>
          meanAbsoluteError(module.forward(hr, lr), target),
        );
        expect(Math.abs(loss - golden.scalar('loss'))).toBeLessThanOrEqual(1e-6);
        expectGradients(gradients, golden.under('grad'));
        tf.dispose([hr, lr, target]);
      });
    });
  },
);

describe(`The mimicking module on ${TEST_ENGINE}`, () => {
  it('has 486,915 weights, 353,091 of them without guidance', () => {
    expect(new MimicModule().parameterCount()).toBe(486_915);
    expect(new MimicModule({ guidance: false }).parameterCount()).toBe(486_915 - 133_824);
  });

  it('without guidance does not look at the real LR', () => {
    const module = new MimicModule({ guidance: false }).initialise(1);
    tf.tidy(() => {
      const hr = tf.randomUniform<tf.Rank.R4>([1, 8, 8, 3], 0, 1, 'float32', 5);
      const outputs = [tf.zerosLike(hr), tf.onesLike(hr)].map((lr) => [...module.forward(hr, lr).dataSync()]);
      expect(outputs[0]).toEqual(outputs[1]);
    });
    module.dispose();
  });

  it('refuses patches that its guidance network cannot cover', () => {
    const module = new MimicModule().initialise(1);
    tf.tidy(() => {
      const small = tf.zeros<tf.Rank.R4>([1, 6, 9, 3]);
      expect(() => module.forward(small, small)).toThrow(InputError);
      expect(() => module.forward(small, small)).toThrow(/at least 7x7 pixels, found 6x9/);
    });
    module.dispose();
  });
});
