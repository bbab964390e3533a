import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SEEMORE_PRESETS, SeeMoRe } from '../../src/networks/seemore';
import { meanAbsoluteError } from '../../src/ops/mean-absolute-error';
import { leavesNoTensors, startTestEngine, TEST_ENGINE } from '../engines';
import { expectGradients, expectImage, Golden, lossAndGradients } from '../golden';
import { NO_SHARED, SHARED } from '../shared';

describe.skipIf(SHARED === undefined)(`SeeMoRe against its golden on ${TEST_ENGINE} (${NO_SHARED})`, () => {
  let golden: Golden;
  let net: SeeMoRe;

  beforeAll(async () => {
    await startTestEngine();
    golden = Golden.read('networks', 'seemore_paper.safetensors');
    net = new SeeMoRe().loadStateDict(golden.under('param'), 'seemore_paper');
  });
  afterAll(() => net?.dispose());

  it.each(['x', 'x_odd', 'x_big'])('upscales in/%s as the reference does', async (name) => {
    await leavesNoTensors(() => {
      tf.tidy(() => {
        expectImage(
          net.forward(golden.image(`in/${name}`)),
          golden.get(`out/${name.replace('x', 'y')}`),
          name,
        );
      });
    });
  });

  it('has the reference loss and gradient of every parameter', async () => {
    await leavesNoTensors(async () => {
      const x = golden.image('in/x');
      const target = golden.image('target');
      const { loss, gradients } = await lossAndGradients(net, () =>
        meanAbsoluteError(net.forward(x), target),
      );
      expect(Math.abs(loss - golden.scalar('loss'))).toBeLessThanOrEqual(1e-6);
      expectGradients(gradients, golden.under('grad'));
      tf.dispose([x, target]);
    });
  });

  it('has the reference values and gradients on a training batch that uses several experts', async () => {
    await leavesNoTensors(async () => {
      net.train();
      const x = golden.image('train/in/x');
      const target = golden.image('train/target');
      tf.tidy(() => expectImage(net.forward(x), golden.get('train/out/y'), 'training batch'));
      const { loss, gradients } = await lossAndGradients(net, () =>
        meanAbsoluteError(net.forward(x), target),
      );
      expect(Math.abs(loss - golden.scalar('train/loss'))).toBeLessThanOrEqual(1e-6);
      expectGradients(gradients, golden.under('train/grad'));
      tf.dispose([x, target]);
      net.train(false);
    });
  });
});

describe('SeeMoRe', () => {
  beforeAll(startTestEngine);

  it('has the published number of parameters in each size', () => {
    expect(new SeeMoRe(SEEMORE_PRESETS.tiny).parameterCount()).toBe(231_804);
  });

  it('refuses an image that its context branch would reduce to nothing', () => {
    expect(() => new SeeMoRe().forward(tf.zeros([1, 15, 40, 3]))).toThrow(
      'SeeMoRe needs an image of at least 16 x 16 pixels, got 40 x 15',
    );
  });
});
