import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { FlowEstimator } from '../../src/flow/estimator';
import { PwcNet } from '../../src/flow/pwcnet';
import { mimicConfig, type MimicConfig } from '../../src/mimic/config';
import { MimicModule } from '../../src/mimic/module';
import { mimicProcess } from '../../src/mimic/process';
import { degradationLoss, degradationTarget, mimic } from '../../src/mimic/step';
import { CdNet } from '../../src/networks/cdnet';
import { permute } from '../../src/nn/parameter';
import type { SrNetwork } from '../../src/networks/sr-network';
import type { PairBatch } from '../../src/losses/training-process';
import { closedFormState } from '../closed-form';
import { leavesNoTensors, startTestEngine, TEST_ENGINE } from '../engines';
import { fixedFlow } from '../fixed-flow';
import { expectNear, Golden } from '../golden';
import { NO_SHARED, SHARED } from '../shared';

beforeAll(startTestEngine);

const RELEASED = mimicConfig();

describe.skipIf(SHARED === undefined)(
  `The released training step against its golden on ${TEST_ENGINE} (${NO_SHARED})`,
  () => {
    let golden: Golden;
    let module: MimicModule;
    let cdnet: CdNet;
    let batch: Required<PairBatch>;
    let flow: tf.Tensor4D;

    beforeAll(() => {
      golden = Golden.read('networks', 'mim_step.safetensors');
      const state = Golden.read('networks', 'mimsimp.safetensors').under('param');
      state.set('tail.bias', golden.get('override/tail.bias'));
      module = new MimicModule().loadStateDict(state, 'mim_step');
      cdnet = new CdNet('released').loadStateDict(golden.under('cdnet'), 'mim_step');
      batch = { hr: golden.image('in/gt'), lr: golden.image('in/lq'), noise: golden.image('in/noise') };
      flow = golden.image('in/flow');
    });
    afterAll(() => {
      module?.dispose();
      cdnet?.dispose();
      tf.dispose([Object.values(batch ?? {}), flow ?? []]);
    });

    it('makes the reference images: h, raw, M, warped LR and mask', async () => {
      await leavesNoTensors(() => {
        const estimator = fixedFlow(flow);
        tf.tidy(() => {
          const { h, raw, mimicked } = mimic(module, batch, RELEASED);
          const { target, mask } = degradationTarget(batch, h, estimator, RELEASED);
          expectNear(h, golden, 'out/hr_bic', 1e-5);
          expectNear(estimator.asked[0], golden, 'out/hr_bil', 1e-5);
          expectNear(estimator.asked[1], golden, 'in/lq', 0);
          expectNear(raw, golden, 'out/raw', 1e-5);
          expectNear(mimicked, golden, 'out/mimlr', 1e-5);
          expectNear(target, golden, 'out/warp', 1e-5);
          expectNear(mask!, golden, 'out/mask', 0);
          const loss = degradationLoss(mimicked, { target, mask }, RELEASED);
          expect(Math.abs(loss.dataSync()[0] - golden.scalar('out/l_deg'))).toBeLessThan(1e-6);
          const perImage = cdnet.difference(h, mimicked).dataSync();
          golden
            .get('out/l_cd_per_image')
            .data.forEach((v, i) => expect(Math.abs(perImage[i] - v)).toBeLessThan(1e-5));
        });
        tf.dispose(estimator.asked);
      });
    });

    it('has the reference losses and gradient of every parameter, whatever the SR network loses', async () => {
      await leavesNoTensors(() => {
        const estimator = fixedFlow(flow);
        const process = mimicProcess(RELEASED, module, { flow: estimator, colour: cdnet });
        // An SR network whose loss would swamp the module's gradients, did it reach them.
        const loud = {
          forward: (lr: tf.Tensor4D) => tf.mul(tf.tile(lr, [1, 4, 4, 1]), 100),
        } as unknown as SrNetwork;
        const parameters = module.trainable();
        const terms: Record<string, number> = {};
        const { value, grads } = tf.variableGrads(
          () => {
            const losses = process.losses(loud, batch, 1);
            for (const [name, { value, weight }] of Object.entries(losses))
              terms[name] = weight * value.dataSync()[0];
            return tf.addN(Object.values(losses).map((l) => tf.mul<tf.Scalar>(l.value, l.weight)));
          },
          parameters.map(([, p]) => p.variable),
        );
        expect(Math.abs(terms.degradation - golden.scalar('out/l_deg'))).toBeLessThan(1e-6);
        expect(Math.abs(terms.colour - golden.scalar('out/l_color_weighted'))).toBeLessThan(1e-6);
        expect(terms.reconstruction).toBeGreaterThan(10);
        let squares = 0;
        for (const [key, p] of parameters) {
          const found = p.toPyTorch(grads[p.variable.name].dataSync<'float32'>());
          const whole = golden.has(`grad/${key}`);
          const expected = golden.get(`${whole ? 'grad' : 'gradhead'}/${key}`).data;
          const largest = expected.reduce((m, v) => Math.max(m, Math.abs(v)), 0);
          const worst = expected.reduce((m, v, i) => Math.max(m, Math.abs(v - found[i])), 0);
          expect(worst, `gradient of ${key}`).toBeLessThanOrEqual(1e-3 * largest);
          const norm = Math.sqrt(found.reduce((s, v) => s + v * v, 0));
          const reference = golden.scalar(`gradnorm/${key}`);
          expect(Math.abs(norm - reference), `norm of ${key}`).toBeLessThanOrEqual(1e-3 * reference);
          squares += norm * norm;
        }
        const total = golden.scalar('out/grad_norm');
        expect(Math.abs(Math.sqrt(squares) - total)).toBeLessThanOrEqual(1e-3 * total);
        tf.dispose([value, grads, estimator.asked]);
      });
    });
  },
);

describe.skipIf(SHARED === undefined)(
  `The degradation loss against its golden on ${TEST_ENGINE} (${NO_SHARED})`,
  () => {
    let golden: Golden;
    beforeAll(() => {
      golden = Golden.read('alignment', 'flow-loss.safetensors');
    });

    const check = (
      prefix: string,
      names: { hr: string; lr: string; out: string },
      gradientKey: string,
      estimator: FlowEstimator,
    ): void => {
      const [hr, lr, out] = [golden.image(names.hr), golden.image(names.lr), golden.image(names.out)];
      const target = degradationTarget({ hr, lr }, out, estimator, RELEASED);
      if (golden.has(`${prefix}.warped`)) {
        expectNear(target.target, golden, `${prefix}.warped`, 1e-5);
        expectNear(target.mask!, golden, `${prefix}.mask`, 0);
      }
      if (golden.has(`${prefix}.flow`)) expectNear(target.flow!, golden, `${prefix}.flow`, 1e-4);
      const { value, grad } = tf.valueAndGrad((x) => degradationLoss(x as tf.Tensor4D, target, RELEASED))(
        out,
      );
      expect(Math.abs(value.dataSync()[0] - golden.scalar(`${prefix}.loss`))).toBeLessThan(1e-5);
      // A sign may differ where M and the target agree to rounding.
      const { shape, data } = golden.get(gradientKey);
      const expected = permute(data, shape, [0, 2, 3, 1]);
      const found = grad.dataSync<'float32'>();
      const differing = found.filter(
        (v, i) => Math.abs(v - expected[i]) > 1e-5 * Math.abs(expected[i]) + 1e-9,
      );
      expect(differing.length).toBeLessThanOrEqual(found.length / 1000);
    };

    it('with a given flow', async () => {
      await leavesNoTensors(() => {
        tf.tidy(() => {
          const estimator = fixedFlow(golden.image('flow_lr'));
          check('mim', { hr: 'hr', lr: 'lr', out: 'out_lr' }, 'mim.grad_out', estimator);
          expectNear(estimator.asked[0], golden, 'mim.flow_first', 1e-5);
          expectNear(estimator.asked[1], golden, 'mim.flow_second', 0);
          tf.dispose(estimator.asked);
        });
      });
    });

    it('with PWC-Net from end to end', async () => {
      const net = new PwcNet().loadStateDict(closedFormState('pwc-params.safetensors'));
      await leavesNoTensors(() => {
        tf.tidy(() => check('e2e', { hr: 'e2e.hr', lr: 'e2e.lr', out: 'e2e.mim' }, 'e2e.grad_mim', net));
      });
      net.dispose();
    });
  },
);

describe(`Corrections and ablations of the step on ${TEST_ENGINE}`, () => {
  const side = 8;
  const uniform = (scale: number, seed: number): tf.Tensor4D =>
    tf.randomUniform<tf.Rank.R4>([2, scale * side, scale * side, 3], 0, 1, 'float32', seed);
  const batchOf = (): Required<PairBatch> => ({ hr: uniform(4, 1), lr: uniform(1, 2), noise: uniform(1, 3) });
  const config = (settings: object): MimicConfig => mimicConfig({ colour: 'none', lambda: 0, ...settings });
  /** The flow that reads `columns` pixels to the right. */
  const right = (columns: number): FlowEstimator => ({
    name: 'pwc-net-rgb',
    estimate: () => tf.tile(tf.tensor4d([columns, 0], [1, 1, 1, 2]), [2, side, side, 1]),
  });

  let module: MimicModule;
  beforeAll(() => {
    module = new MimicModule().initialise(5);
  });
  afterAll(() => module.dispose());

  it('one grid: pixel i of h is the HR at 4 i + 1.5, not at i (4 w - 1) / (w - 1)', () => {
    tf.tidy(() => {
      // A ramp along x: every interpolation gives back the position at which it looks.
      const ramp = tf.tile(tf.reshape<tf.Rank.R4>(tf.range(0, 4 * side), [1, 1, 4 * side, 1]), [
        2,
        4 * side,
        1,
        3,
      ]);
      const batch = { ...batchOf(), hr: ramp };
      const row = (c: MimicConfig): number[] => [
        ...tf.slice(mimic(module, batch, c).h, [0, 4, 1, 0], [1, 1, side - 2, 1]).dataSync(),
      ];
      row(config({ corrections: { grid: true } })).forEach((x, i) =>
        expect(x).toBeCloseTo(4 * (i + 1) + 1.5, 3),
      );
      row(config({ corrections: { grid: true }, antialias: true })).forEach((x, i) => {
        if (i > 0 && i < side - 3) expect(x).toBeCloseTo(4 * (i + 1) + 1.5, 3); // elsewhere the border is in it
      });
      row(config({})).forEach((x, i) => expect(x).toBeCloseTo(((i + 1) * (4 * side - 1)) / (side - 1), 1));
    });
  });

  it('corrected noise adds noise alone: nothing where the noise image is the shrunk picture', () => {
    tf.tidy(() => {
      const batch = batchOf();
      // The mean of the middle 2x2 of each 4x4.
      const blocks = tf.reshape(batch.hr, [2 * side, 4, side, 4 * 3]);
      const middle = tf.reshape(tf.slice(blocks, [0, 1, 0, 3], [-1, 2, -1, 6]), [2 * side, 2, side, 2, 3]);
      const shrunk = tf.reshape<tf.Rank.R4>(tf.mean(middle, [1, 3]), [2, side, side, 3]);
      const { raw, mimicked } = mimic(
        module,
        { ...batch, noise: shrunk },
        config({ corrections: { noise: true } }),
      );
      const worst = tf.max(tf.abs(tf.sub(mimicked, tf.clipByValue(raw, 0, 1)))).dataSync()[0];
      expect(worst).toBeLessThan(1e-6);
    });
  });

  it('without noise M is the clamped output, and a batch needs no noise image', () => {
    tf.tidy(() => {
      const { hr, lr } = batchOf();
      const { raw, mimicked } = mimic(module, { hr, lr }, config({ noise: false }));
      expect([...mimicked.dataSync()]).toEqual([...tf.clipByValue(raw, 0, 1).dataSync()]);
      expect(() => mimic(module, { hr, lr }, config({}))).toThrow(/no noise images/);
    });
  });

  it('a residual module puts out what the down-sampled HR lacks', () => {
    tf.tidy(() => {
      const batch = batchOf();
      const corrections = { noise: true };
      const whole = mimic(module, batch, config({ corrections }));
      const residual = mimic(module, batch, config({ corrections, residual: true }));
      const worst = tf.max(tf.abs(tf.sub(residual.raw, tf.add(whole.raw, whole.h)))).dataSync()[0];
      expect(worst).toBeLessThan(1e-6);
    });
  });

  it('the exact warp moves by the flow, the released one by w / (w - 1) times the flow', () => {
    tf.tidy(() => {
      const batch = batchOf();
      const ramp = tf.tile(tf.reshape<tf.Rank.R4>(tf.range(0, side), [1, 1, side, 1]), [2, side, 1, 3]);
      const sample = (settings: object): number =>
        degradationTarget({ ...batch, lr: ramp }, batch.lr, right(2), config(settings))
          .target.dataSync()
          .at(3 * 1)!;
      expect(sample({ corrections: { warp: true } })).toBeCloseTo(3, 5);
      expect(sample({})).toBeCloseTo(1 + (2 * side) / (side - 1), 5);
    });
  });

  it('the mean over valid pixels does not fade with the mask', () => {
    tf.tidy(() => {
      const batch = { ...batchOf(), lr: tf.ones<tf.Rank.R4>([2, side, side, 3]) };
      const black = tf.zerosLike(batch.lr);
      const loss = (settings: object): number => {
        const c = config(settings);
        return degradationLoss(black, degradationTarget(batch, batch.lr, right(3), c), c).dataSync()[0];
      };
      const exact = { warp: true };
      expect(loss({ corrections: exact })).toBeCloseTo((side - 3) / side, 5);
      expect(loss({ corrections: { ...exact, mean: true } })).toBeCloseTo(1, 5);
      // Without the mask, what lies outside counts as black.
      expect(loss({ mask: false, corrections: exact })).toBeCloseTo((side - 3) / side, 5);
      const far = config({ corrections: { ...exact, mean: true } });
      const none = degradationLoss(black, degradationTarget(batch, batch.lr, right(100), far), far);
      expect(none.dataSync()[0]).toBe(0);
    });
  });

  it('without flow the LR is compared as it lies', () => {
    tf.tidy(() => {
      const batch = batchOf();
      const { target, mask } = degradationTarget(
        batch,
        batch.lr,
        undefined,
        config({ flow: 'none', mask: false }),
      );
      expect(target).toBe(batch.lr);
      expect(mask).toBeUndefined();
    });
  });
});
