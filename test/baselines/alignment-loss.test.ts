import * as tf from '@tensorflow/tfjs-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  alignedHr,
  alignmentLossCorrected,
  alignmentLossProcess,
  alignmentLossSchema,
  createAlignmentLossProcess,
  type AlignmentLossConfig,
} from '../../src/baselines/alignment-loss';
import { Gcm } from '../../src/baselines/gcm';
import type { FlowEstimator } from '../../src/flow/estimator';
import { alignedDifference, alignedTarget } from '../../src/losses/flow-aligned';
import type { PairBatch } from '../../src/losses/training-process';
import type { SrNetwork } from '../../src/networks/sr-network';
import { permute } from '../../src/nn/parameter';
import { processConfig } from '../../src/train/config';
import { InputError } from '../../src/util/errors';
import { closedFormState } from '../closed-form';
import { leavesNoTensors, startTestEngine, TEST_ENGINE } from '../engines';
import { fixedFlow } from '../fixed-flow';
import { expectClose, expectNear, Golden } from '../golden';
import { NO_SHARED, SHARED } from '../shared';

beforeAll(startTestEngine);

const RELEASED = alignmentLossSchema.parse({});
const config = (settings: object): AlignmentLossConfig => alignmentLossSchema.parse(settings);

/** A sign may differ where the two pictures agree to rounding. */
function expectGradient(found: tf.Tensor, golden: Golden, key: string): void {
  const { shape, data } = golden.get(key);
  const expected = permute(data, shape, [0, 2, 3, 1]);
  const values = found.dataSync<'float32'>();
  const differing = values.filter((v, i) => Math.abs(v - expected[i]) > 1e-5 * Math.abs(expected[i]) + 1e-9);
  expect(differing.length, key).toBeLessThanOrEqual(values.length / 1000);
}

/** An SR network that always puts out `picture`. */
function alwaysGives(picture: tf.Tensor4D): SrNetwork {
  return { forward: () => picture } as unknown as SrNetwork;
}

describe.skipIf(SHARED === undefined)(
  `The alignment loss against its golden on ${TEST_ENGINE} (${NO_SHARED})`,
  () => {
    let golden: Golden;
    beforeAll(() => {
      golden = Golden.read('alignment', 'flow-loss.safetensors');
    });

    it('has the released pictures, loss and gradient with a given flow', async () => {
      await leavesNoTensors(() => {
        tf.tidy(() => {
          const batch = { lr: golden.image('lr'), hr: golden.image('hr') };
          const estimator = fixedFlow(golden.image('flow_lr'));
          const process = alignmentLossProcess(RELEASED, estimator);
          const { value, grad } = tf.valueAndGrad(
            (out) => process.losses(alwaysGives(out as tf.Tensor4D), batch, 1).aligned.value,
          )(golden.image('out_hr'));
          expectClose(value.dataSync(), golden.get('super_res.loss').data, 1e-5, 'loss');
          expectGradient(grad, golden, 'super_res.grad_out');
          const [first, second] = estimator.asked;
          expectNear(first, golden, 'super_res.flow_first', 0);
          expectNear(second, golden, 'super_res.flow_second', 1e-5);
          const { target, mask, flow } = alignedHr(batch, first, second, estimator, RELEASED);
          expectNear(target, golden, 'super_res.warped', 1e-5);
          expectNear(mask!, golden, 'super_res.mask', 0);
          expectNear(flow!, golden, 'super_res.up_flow', 1e-5);
          tf.dispose(estimator.asked);
        });
      });
    });

    it('has the released pictures, loss and gradient for pictures of one size', () => {
      tf.tidy(() => {
        const aligned = alignedTarget(golden.image('hr'), golden.image('flow_hr'), 'released');
        expectNear(aligned.target, golden, 'same_size.warped', 1e-5);
        expectNear(aligned.mask!, golden, 'same_size.mask', 0);
        const { value, grad } = tf.valueAndGrad((out) =>
          alignedDifference(out as tf.Tensor4D, aligned, 'all'),
        )(golden.image('out_hr'));
        expectClose(value.dataSync(), golden.get('same_size.loss').data, 1e-5, 'loss');
        expectGradient(grad, golden, 'same_size.grad_out');
      });
    });
  },
);

describe.skipIf(SHARED === undefined)(
  `Global colour mapping against its golden on ${TEST_ENGINE} (${NO_SHARED})`,
  () => {
    it.each([true, false])('with coordinates: %s', async (coordinates) => {
      await leavesNoTensors(() => {
        const golden = Golden.read('alignment', 'gcm.safetensors');
        const kind = coordinates ? 'coord' : 'nocoord';
        const gcm = new Gcm({ coordinates }).loadStateDict(
          closedFormState('gcm.safetensors', `params.${kind}`),
        );
        tf.tidy(() => {
          // The original's power, which for RGB stays outside.
          const picture = tf.pow<tf.Tensor4D>(golden.image('x'), 1 / 2.2);
          const { shape, data } = golden.get(`${kind}.out`);
          const expected = permute(data, shape, [0, 2, 3, 1]);
          expectClose(gcm.forward(picture, golden.image('y')).dataSync(), expected, 1e-4, kind);
        });
        gcm.dispose();
      });
    });
  },
);

describe(`The alignment loss on ${TEST_ENGINE}`, () => {
  const side = 8;
  /** The flow that reads `columns` LR pixels to the right. */
  const right = (columns: number): FlowEstimator => ({
    name: 'pwc-net-rgb',
    estimate: () => tf.tile(tf.tensor4d([columns, 0], [1, 1, 1, 2]), [1, side, side, 1]),
  });
  const ramp = (n: number): tf.Tensor4D =>
    tf.tile(tf.reshape<tf.Rank.R4>(tf.range(0, n), [1, 1, n, 1]), [1, n, 1, 3]);
  const uniform = (n: number, seed: number): tf.Tensor4D =>
    tf.randomUniform<tf.Rank.R4>([1, n, n, 3], 0, 1, 'float32', seed);

  it('corrected, it moves the HR by exactly four times the flow', () => {
    tf.tidy(() => {
      const batch = { lr: uniform(side, 1), hr: ramp(4 * side) };
      const sample = (settings: object): number => {
        const { target } = alignedHr(batch, batch.lr, batch.lr, right(2), config(settings));
        return target.dataSync()[3 * 5]; // column 5
      };
      expect(sample({ corrections: { warp: true } })).toBeCloseTo(5 + 8, 4);
      expect(sample({})).toBeCloseTo(5 + (8 * 4 * side) / (4 * side - 1), 4);
    });
  });

  it('corrected, flow is estimated and enlarged on the grid of the 4x networks', () => {
    tf.tidy(() => {
      let seen: number[] = [];
      // A flow that grows along x by half a pixel a pixel.
      const growing: FlowEstimator = {
        name: 'pwc-net-rgb',
        estimate: (_, second) => {
          seen = [...second.dataSync<'float32'>().subarray(3 * side, 6 * side)].filter((_, i) => i % 3 === 0);
          const x = tf.tile(tf.reshape<tf.Rank.R4>(tf.range(0, side), [1, 1, side, 1]), [1, side, 1, 1]);
          return tf.concat<tf.Tensor4D>([tf.div<tf.Tensor4D>(x, 2), tf.zerosLike(x)], 3);
        },
      };
      const c = config({ corrections: { grid: true, warp: true } });
      const batch: PairBatch = { lr: uniform(side, 1), hr: ramp(4 * side) };
      const process = alignmentLossProcess(c, growing);
      process.losses(alwaysGives(tf.zerosLike(batch.hr)), batch, 1);
      for (let i = 1; i < side - 1; i++) expect(seen[i]).toBeCloseTo(4 * i + 1.5, 3);
      const flow = alignedHr(batch, batch.lr, batch.lr, growing, c).flow!.dataSync<'float32'>();
      // HR column X lies at LR column (X + 0.5) / 4 - 0.5, where the flow is half of that LR column.
      for (let x = 4; x < 4 * side - 4; x++)
        expect(flow[2 * x]).toBeCloseTo((4 * ((x + 0.5) / 4 - 0.5)) / 2, 4);
    });
  });

  it('corrected, its mean does not fade with the mask', () => {
    tf.tidy(() => {
      const white = tf.ones<tf.Rank.R4>([1, 4 * side, 4 * side, 3]);
      const batch = { lr: uniform(side, 1), hr: white };
      const loss = (settings: object): number => {
        const process = alignmentLossProcess(config(settings), right(3));
        return process.losses(alwaysGives(tf.zerosLike(white)), batch, 1).aligned.value.dataSync()[0];
      };
      expect(loss({ corrections: { warp: true } })).toBeCloseTo((side - 3) / side, 5);
      expect(loss({ corrections: { warp: true, mean: true } })).toBeCloseTo(1, 5);
    });
  });

  describe('with colour mapping', () => {
    let gcm: Gcm;
    beforeAll(() => {
      gcm = new Gcm({ coordinates: false }).initialise(1);
    });
    afterAll(() => gcm.dispose());
    const withGcm = config({ gcm: 'plain' });

    it('estimates the flow from the recoloured LR, which learns from its own loss alone', () => {
      tf.tidy(() => {
        const batch = { lr: uniform(side, 1), hr: uniform(4 * side, 2) };
        const estimator = fixedFlow(tf.zeros([1, side, side, 2]));
        const process = alignmentLossProcess(withGcm, estimator, gcm);
        expect(process).toMatchObject({ helper: gcm, minimumPatch: 7 });
        const variables = gcm.trainable().map(([, p]) => p.variable);
        const { value, grads } = tf.variableGrads(() => {
          const terms = process.losses(alwaysGives(batch.hr), batch, 1);
          expect(Object.keys(terms)).toEqual(['aligned', 'gcm']);
          return terms.gcm.value;
        }, variables);
        expect(value.dataSync()[0]).toBeGreaterThan(0);
        for (const v of variables) expect(tf.max(tf.abs(grads[v.name])).dataSync()[0]).toBeGreaterThan(0);
        const [first, second] = estimator.asked;
        const recoloured = gcm.forward(batch.lr, second);
        expect(tf.max(tf.abs(tf.sub(first, recoloured))).dataSync()[0]).toBeLessThan(1e-6);
        expect(() =>
          tf.variableGrads(() => process.losses(alwaysGives(batch.hr), batch, 1).aligned.value, variables),
        ).toThrow(/Cannot find a connection/);
        tf.dispose(estimator.asked);
      });
    });

    it('compares the recoloured LR with the warped HR at LR size', () => {
      tf.tidy(() => {
        // Colours that the mapping leaves alone, and no flow: the difference is that of the two pictures.
        const identity = { forward: (x: tf.Tensor4D) => x, valueCount: () => 0 } as unknown as Gcm;
        const batch = {
          lr: tf.fill<tf.Rank.R4>([1, side, side, 3], 0.25),
          hr: tf.fill<tf.Rank.R4>([1, 32, 32, 3], 0.75),
        };
        const process = alignmentLossProcess(withGcm, fixedFlow(tf.zeros([1, side, side, 2])), identity);
        expect(process.losses(alwaysGives(batch.hr), batch, 1).gcm.value.dataSync()[0]).toBeCloseTo(0.5, 5);
      });
    });
  });

  it('refuses a flow that its record does not name', () => {
    expect(() => alignmentLossProcess(config({ flow: 'raft-small' }), right(0))).toThrow(
      /names flow 'raft-small', got pwc-net-rgb/,
    );
  });
});

describe('A configuration of the alignment loss', () => {
  it('is the official code where nothing is said', () => {
    expect(processConfig({ name: 'alignment-loss' })).toEqual({
      name: 'alignment-loss',
      options: { flow: 'pwc-net-rgb', gcm: 'none', corrections: { grid: false, warp: false, mean: false } },
    });
  });

  it('corrects everything at once', () => {
    const { flow, corrections } = config(alignmentLossCorrected());
    expect(corrections).toEqual({ grid: true, warp: true, mean: true });
    expect(['pwc-net-bgr', 'small']).toContain(flow);
  });

  it.each([
    [{ flow: 'farneback' }, /'options\.flow'.*"farneback"/],
    [{ gcm: true }, /'options\.gcm'.*true/],
    [{ gmc: 'plain' }, /'gmc'.*did you mean 'gcm'/],
  ])('%o is refused with the reason', (options, message) => {
    expect(() => processConfig({ name: 'alignment-loss', options })).toThrow(InputError);
    expect(() => processConfig({ name: 'alignment-loss', options })).toThrow(message);
  });
});

describe('The alignment loss without its weights', () => {
  beforeEach(() => {
    vi.stubEnv('MIMICSR_SHARED', '');
    vi.stubEnv('MIMICSR_DATA', 'no-such-folder');
  });
  afterEach(() => {
    vi.unstubAllEnvs();
  });

  it('says which file is missing and what brings it', async () => {
    await leavesNoTensors(() => {
      expect(() => createAlignmentLossProcess(config({ gcm: 'plain' }), 1)).toThrow(
        /PWC-Net weights at .*no-such-folder.*pwc-net\.pth: 'mimicsr data fetch pwc-net'/,
      );
    });
  });
});
