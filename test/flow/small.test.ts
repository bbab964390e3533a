import * as tf from '@tensorflow/tfjs-core';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { byFlowSize, endPointErrors, zeroFlow } from '../../scripts/flow/evaluate';
import { cutPatches, takeShot, type FlowBatch, type Shot } from '../../scripts/flow/pairs';
import { RECIPE, sources } from '../../scripts/flow/recipe';
import { CAMERA_PRESETS } from '../../src/data/camera-presets';
import { drawScene } from '../../src/data/scenes';
import { flowAtHand, loadFlowEstimator } from '../../src/flow/estimators';
import { SMALL_FLOW_WEIGHTS, SmallFlow } from '../../src/flow/small';
import { cropImage, type Image } from '../../src/image/image';
import { colourAtHand } from '../../src/losses/colour-terms';
import { mimicConfig, mimicCorrected } from '../../src/mimic/config';
import { createMimicProcess } from '../../src/mimic/process';
import { Adam } from '../../src/train/adam';
import { InputError } from '../../src/util/errors';
import { Random } from '../../src/util/random';
import { warp } from '../../src/ops/warp';
import { leavesNoTensors, startTestEngine, TEST_ENGINE } from '../engines';
import { checkGradients, randomTensor } from '../gradient-check';
import { NO_SHARED, SHARED, shared } from '../shared';

beforeAll(startTestEngine);

const tensorOf = ({ width, height, data }: Image): tf.Tensor4D => tf.tensor4d(data, [1, height, width, 3]);

const meanError = (batch: FlowBatch, estimator: Parameters<typeof endPointErrors>[0]): number =>
  byFlowSize(endPointErrors(estimator, batch)).at(-1)!.error;

describe(`The small flow network on ${TEST_ENGINE}`, () => {
  let net: SmallFlow;
  let random: Random;
  beforeAll(() => {
    net = new SmallFlow().initialise(3);
    random = new Random('small-flow');
  });
  afterAll(() => net.dispose());
  const pictures = (side: number): [tf.Tensor4D, tf.Tensor4D] => [
    randomTensor(random, [1, side, side, 3], 0, 1) as tf.Tensor4D,
    randomTensor(random, [1, side, side, 3], 0, 1) as tf.Tensor4D,
  ];

  it('has at most 300,000 weights', () => {
    expect(net.parameterCount()).toBe(223_714);
  });

  it('learns: every weight has a gradient, and Adam brings the error of a batch down', async () => {
    const [first, second] = pictures(32);
    const truth = tf.fill<tf.Rank.R4>([1, 32, 32, 2], 1.5);
    const parameters = net.trainable();
    const adam = new Adam(parameters, { betas: [0.9, 0.999], epsilon: 1e-4, clip: 1 });
    const errors: number[] = [];
    for (let step = 0; step < 12; step++) {
      const { value, grads } = tf.variableGrads(
        () => tf.addN(net.flows(first, second).map((f) => tf.mean(tf.abs(tf.sub(f, truth))))) as tf.Scalar,
        parameters.map(([, p]) => p.variable),
      );
      const inOrder = parameters.map(([, p]) => grads[p.variable.name]);
      if (step === 0) {
        inOrder.forEach((g, i) => {
          expect(
            tf.tidy(() => tf.max(tf.abs(g)).dataSync()[0]),
            parameters[i][0],
          ).toBeGreaterThan(0);
        });
      }
      errors.push((await value.data())[0]);
      await adam.step(inOrder, 2e-3);
      tf.dispose([value, grads]);
    }
    expect(errors.at(-1)).toBeLessThan(0.5 * errors[0]);
    adam.dispose();
    tf.dispose([first, second, truth]);
  });
});

describe(`The committed weights on ${TEST_ENGINE}`, () => {
  let net: SmallFlow;
  beforeAll(() => {
    net = SmallFlow.load();
  });
  afterAll(() => net.dispose());

  it('are those of their provenance, and small', () => {
    const record = JSON.parse(readFileSync(SMALL_FLOW_WEIGHTS.replace('.safetensors', '.json'), 'utf8')) as {
      sha256: string;
      parameters: number;
    };
    const bytes = readFileSync(SMALL_FLOW_WEIGHTS);
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(record.sha256);
    expect([...net.namedParameters()].reduce((sum, [, p]) => sum + p.size, 0)).toBe(record.parameters);
    expect(statSync(SMALL_FLOW_WEIGHTS).size).toBeLessThan(1.5e6);
    expect(net.trainable()).toEqual([]);
  });

  it('find no movement between a picture and itself, nor one with another exposure', async () => {
    await leavesNoTensors(() => {
      tf.tidy(() => {
        const picture = tensorOf(drawScene('identity', 48, 48));
        const darker = tf.pow<tf.Tensor4D>(tf.mul(picture, [0.8, 0.7, 0.6]), 1.2);
        for (const other of [picture, darker]) {
          expect(tf.mean(tf.norm(net.estimate(picture, other), 2, 3)).dataSync()[0]).toBeLessThan(0.1);
        }
      });
    });
  });

  it.each([
    [48, 40],
    [33, 47],
    [128, 70],
  ])('find a shift of (5, -3) in a picture of %i x %i pixels', (width, height) => {
    tf.tidy(() => {
      const scene = drawScene('shift', width + 20, height + 20);
      const window = (left: number, top: number): tf.Tensor4D =>
        tensorOf(cropImage(scene, left, top, width, height));
      const flow = net.estimate(window(10, 5), window(5, 8));
      expect(flow.shape).toEqual([1, height, width, 2]);
      const inner = tf.slice(flow, [0, 5, 5, 0], [1, height - 10, width - 10, 2]);
      const error = tf.mean(tf.norm(tf.sub(inner, tf.tensor1d([5, -3])), 2, 3));
      expect(error.dataSync()[0]).toBeLessThan(0.3);
    });
  });

  it.each([
    [1, 1],
    [5, 3],
    [8, 21],
  ])('take a picture of %i x %i pixels', (width, height) => {
    tf.tidy(() => {
      const [a, b] = [1, 2].map((seed) =>
        tf.randomUniform<tf.Rank.R4>([2, height, width, 3], 0, 1, 'float32', seed),
      );
      const flow = net.estimate(a, b);
      expect(flow.shape).toEqual([2, height, width, 2]);
      expect(flow.dataSync().every(Number.isFinite)).toBe(true);
    });
  });

  it('give the same bits twice, and each pair of a batch what it gets alone', () => {
    tf.tidy(() => {
      const [a, b] = [1, 2].map((seed) =>
        tf.randomUniform<tf.Rank.R4>([3, 32, 32, 3], 0, 1, 'float32', seed),
      );
      const flow = net.estimate(a, b).dataSync();
      expect(net.estimate(a, b).dataSync()).toEqual(flow);
      const alone = net.estimate(
        tf.slice(a, [1, 0, 0, 0], [1, -1, -1, -1]),
        tf.slice(b, [1, 0, 0, 0], [1, -1, -1, -1]),
      );
      const size = 32 * 32 * 2;
      alone.dataSync().forEach((v, i) => expect(Math.abs(v - flow[size + i])).toBeLessThan(1e-3));
    });
  });

  it('are differentiated right, in both pictures', async () => {
    await leavesNoTensors(() => {
      tf.tidy(() => {
        // The later flows stand on constants: their gradient is not that of the whole.
        checkGradients(
          (a, b) => net.flows(a as tf.Tensor4D, b as tf.Tensor4D)[0],
          [1, 2].map((seed) => tf.randomUniform([1, 16, 16, 3], 0.2, 0.8, 'float32', seed)),
          {
            epsilon: 1e-4,
            tolerance: 2e-2,
          },
        );
      });
    });
  });

  it('are a constant: no gradient passes through the estimate', () => {
    tf.tidy(() => {
      const picture = tensorOf(drawScene('constant', 16, 16));
      const loss = (x: tf.Tensor): tf.Tensor =>
        tf.add(tf.sum(x), tf.sum(net.estimate(x as tf.Tensor4D, picture)));
      expect(
        tf
          .grad(loss)(picture)
          .dataSync()
          .every((v) => v === 1),
      ).toBe(true);
    });
  });

  describe('on pairs of the simulated camera that they were not trained on', () => {
    let batches: Record<number, FlowBatch>;
    beforeAll(async () => {
      const { scenes } = sources('held out');
      const shots: Shot[] = [];
      for (let i = 0; i < 8; i++) shots.push(await takeShot(scenes, i, RECIPE.camera, 'small-flow-test', i));
      const cut = (side: number): FlowBatch =>
        cutPatches(shots, new Random('small-flow-test', side), { batch: 12, side, shift: 8, unshifted: 0.3 });
      batches = { 32: cut(32), 64: cut(64) };
    });
    afterAll(() => tf.dispose(Object.values(batches).map((b) => Object.values(b) as tf.Tensor[])));

    it.each([
      [32, 0.3],
      [64, 0.3],
    ])('err little at %i pixels', async (side, bound) => {
      await leavesNoTensors(() => {
        expect(meanError(batches[side], zeroFlow)).toBeGreaterThan(1.5);
        expect(meanError(batches[side], net)).toBeLessThan(bound);
      });
    });

    it.skipIf(SHARED === undefined)(`err less than RAFT-small, in less time (${NO_SHARED})`, () => {
      const raft = loadFlowEstimator('raft-small', shared('data', 'weights', 'raft-small.safetensors'));
      const timed = (estimator: typeof raft): { error: number; milliseconds: number } => {
        const start = performance.now();
        return { error: meanError(batches[32], estimator), milliseconds: performance.now() - start };
      };
      const [ours, theirs] = [timed(net), timed(raft)];
      raft.dispose();
      expect(ours.error).toBeLessThan(theirs.error);
      expect(ours.milliseconds).toBeLessThan(theirs.milliseconds);
    });
  });
});

describe(`Patches for the small flow network on ${TEST_ENGINE}`, () => {
  it('show through their flow what the first picture shows, in every orientation', async () => {
    const still = {
      ...CAMERA_PRESETS.aligned,
      blur: [0, 0],
      shotNoise: [1e-9, 1e-9],
      readNoise: [1e-9, 1e-9],
      jpegQuality: [100, 100],
    } as const;
    const moving = { ...still, misalignment: [1, 1], movement: RECIPE.camera.movement } as const;
    const { scenes } = sources('held out');
    const shots = [
      await takeShot(scenes, 0, moving, 'patches', 0),
      await takeShot(scenes, 1, moving, 'patches', 1),
    ];
    await leavesNoTensors(() => {
      const patches = cutPatches(shots, new Random('patches'), {
        batch: 16,
        side: 32,
        shift: 6,
        unshifted: 0.2,
      });
      tf.tidy(() => {
        const inner = (x: tf.Tensor4D): tf.Tensor4D => tf.slice(x, [0, 10, 10, 0], [-1, 12, 12, -1]);
        const difference = (x: tf.Tensor4D): number =>
          tf.mean(tf.abs(tf.sub(inner(x), inner(patches.first)))).dataSync()[0];
        expect(difference(warp(patches.second, patches.flow, 'exact'))).toBeLessThan(
          0.4 * difference(patches.second),
        );
      });
      tf.dispose({ ...patches });
    });
  });
});

describe('The flow and colour at hand', () => {
  const folder = mkdtempSync(join(tmpdir(), 'mimicsr-at-hand-'));
  afterEach(() => void vi.unstubAllEnvs());
  afterAll(() => rmSync(folder, { recursive: true }));

  it('are those whose weights are here, by name', () => {
    vi.stubEnv('MIMICSR_SHARED', '');
    vi.stubEnv('MIMICSR_DATA', folder);
    expect([flowAtHand(), colourAtHand()]).toEqual(['small', 'cielab']);
    mkdirSync(join(folder, 'weights'));
    writeFileSync(join(folder, 'weights', 'pwc-net.pth'), '');
    writeFileSync(join(folder, 'weights', 'CD-00014.pt'), '');
    expect([flowAtHand(), colourAtHand()]).toEqual(['pwc-net-bgr', 'cdnet-corrected']);
    expect(mimicConfig(mimicCorrected())).toMatchObject({ flow: 'pwc-net-bgr', colour: 'cdnet-corrected' });
  });

  it('let the corrected process run with nothing downloaded', async () => {
    vi.stubEnv('MIMICSR_SHARED', '');
    vi.stubEnv('MIMICSR_DATA', 'no-such-folder');
    await startTestEngine();
    await leavesNoTensors(() => {
      const config = mimicConfig(mimicCorrected());
      expect(config).toMatchObject({ flow: 'small', colour: 'cielab' });
      const process = createMimicProcess(config, 1);
      process.helper?.dispose();
      process.dispose?.();
    });
  });

  it('a missing file of weights is named', () => {
    expect(() => SmallFlow.load(join(folder, 'none.safetensors'))).toThrow(InputError);
    expect(() => SmallFlow.load(join(folder, 'none.safetensors'))).toThrow(/none\.safetensors/);
  });
});
