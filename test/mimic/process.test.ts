import * as tf from '@tensorflow/tfjs-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { cielabTerm } from '../../src/losses/colour-difference';
import { mimicConfig, mimicCorrected, type MimicSettings } from '../../src/mimic/config';
import { MimicModule } from '../../src/mimic/module';
import { createMimicProcess, mimicProcess } from '../../src/mimic/process';
import { createNetwork } from '../../src/networks/networks';
import type { SrNetwork } from '../../src/networks/sr-network';
import type { LossTerms, PairBatch } from '../../src/losses/training-process';
import { InputError } from '../../src/util/errors';
import { leavesNoTensors, startTestEngine, TEST_ENGINE } from '../engines';

beforeAll(startTestEngine);

/** Needs no weights: no flow, CIELAB. */
const LIGHT: MimicSettings = { flow: 'none', mask: false, colour: 'cielab' };
const FROZEN: MimicSettings = { phase: 'frozen', module: 'given' };

describe('A configuration of the mimicking process', () => {
  it('is the official code where nothing is said', () => {
    expect(mimicConfig()).toEqual({
      lambda: 0.01,
      colour: 'cdnet-released',
      flow: 'pwc-net-rgb',
      mask: true,
      noise: true,
      guidance: true,
      detach: true,
      phase: 'joint',
      corrections: { noise: false, grid: false, warp: false, mean: false, schedule: false },
    });
  });

  it('corrects everything at once, or one slip by itself', () => {
    expect(Object.values(mimicConfig(mimicCorrected()).corrections)).toEqual(Array(5).fill(true));
    for (const key of ['noise', 'grid', 'warp', 'mean', 'schedule']) {
      expect(mimicConfig({ corrections: { [key]: true } }).corrections).toMatchObject({ [key]: true });
    }
  });

  it.each([
    [{ colour: 'none' }, /'lambda'.*expected 0, found 0\.01/],
    [{ lambda: 0 }, /'colour'.*expected 'none', found "cdnet-released"/],
    [{ flow: 'none' }, /'mask'.*nothing to mask.*found true/],
    [{ flow: 'none', mask: false, corrections: { warp: true } }, /'corrections\.warp'.*nothing is warped/],
    [{ mask: false, corrections: { mean: true } }, /'corrections\.mean'.*needs the mask/],
    [{ noise: false, corrections: { noise: true } }, /'corrections\.noise'.*there is none/],
    [{ antialias: true }, /'antialias'.*expected 'corrections\.grid'/],
    [{ residual: true }, /'residual'.*takes the down-sampled HR away/],
    [{ lens: true }, /'lens'.*expected 'residual'/],
    [{ finish: true }, /'finish'.*expected 'noise' false/],
    [{ finish: true, noise: false, detach: false }, /'finish'.*'detach' true/],
    [{ phase: 'frozen', detach: false }, /'detach'.*joint training/],
    [{ phase: 'module', detach: false }, /'detach'.*joint training/],
    [
      { phase: 'frozen', module: 'runs/a', corrections: { schedule: true } },
      /'corrections\.schedule'.*no learning rate/,
    ],
    [{ phase: 'frozen' }, /'module'.*trained before.*found nothing/],
    [{ module: 'runs/a' }, /'module'.*belongs to phase 'frozen'.*found "runs\/a"/],
    [{ lambda: -1 }, /'lambda'/],
    [{ flow: 'farneback' }, /'flow'.*"farneback"/],
    [{ lamda: 1 }, /'lamda'.*did you mean 'lambda'/],
  ])('%o is refused with the reason', (settings, message) => {
    expect(() => mimicConfig(settings)).toThrow(InputError);
    expect(() => mimicConfig(settings)).toThrow(message);
  });
});

describe(`The mimicking process on ${TEST_ENGINE}`, () => {
  let sr: SrNetwork;
  let module: MimicModule;
  let batch: Required<PairBatch>;
  beforeAll(() => {
    sr = createNetwork('seemore').initialise(1);
    module = new MimicModule().initialise(2);
    const uniform = (side: number, seed: number): tf.Tensor4D =>
      tf.randomUniform<tf.Rank.R4>([1, side, side, 3], 0, 1, 'float32', seed);
    batch = { hr: uniform(64, 1), lr: uniform(16, 2), noise: uniform(16, 3) };
  });
  afterAll(() => {
    sr.dispose();
    module.dispose();
    tf.dispose(Object.values(batch));
  });

  const process = (settings: MimicSettings) =>
    mimicProcess(mimicConfig({ ...LIGHT, ...settings }), module, { colour: cielabTerm });

  /** Largest gradient of one loss term in SR network and module; undefined where none arrives. */
  const reach = (settings: MimicSettings, term: string): { sr?: number; module?: number } => {
    const losses = (): tf.Scalar => process(settings).losses(sr, batch, 1)[term].value;
    const largest = (m: SrNetwork | MimicModule): number | undefined => {
      try {
        const { value, grads } = tf.variableGrads(
          losses,
          m.trainable().map(([, p]) => p.variable),
        );
        const found = tf.tidy(() =>
          Math.max(...Object.values(grads).map((g) => tf.max(tf.abs(g)).dataSync()[0])),
        );
        tf.dispose([value, grads]);
        return found;
      } catch (error) {
        expect((error as Error).message).toMatch(/Cannot find a connection/);
        return undefined;
      }
    };
    return { sr: largest(sr), module: largest(module) };
  };

  it('trains the SR network by the reconstruction alone and the module by its own losses alone', () => {
    for (const term of ['degradation', 'colour']) {
      const { sr, module } = reach({}, term);
      expect(sr).toBeUndefined();
      expect(module).toBeGreaterThan(0);
    }
    const { sr, module } = reach({}, 'reconstruction');
    expect(sr).toBeGreaterThan(0);
    expect(module).toBeUndefined();
  });

  it('without detaching the reconstruction reaches the module too', () => {
    const { sr, module } = reach({ detach: false }, 'reconstruction');
    expect(sr).toBeGreaterThan(0);
    expect(module).toBeGreaterThan(0);
  });

  it('finishes what the SR network gets as a camera does, every step anew, and the module learns as without', () => {
    const settings = { noise: false, finish: true };
    const { sr: inSr, module: inModule } = reach(settings, 'reconstruction');
    expect(inSr).toBeGreaterThan(0);
    expect(inModule).toBeUndefined();
    const losses = (settings: MimicSettings, step: number): Record<string, number> =>
      Object.fromEntries(
        Object.entries(process(settings).losses(sr, batch, step)).map(([k, { value }]) => [
          k,
          value.dataSync()[0],
        ]),
      );
    tf.tidy(() => {
      const [first, again, next] = [losses(settings, 1), losses(settings, 1), losses(settings, 2)];
      const { reconstruction: plain, ...own } = losses({ noise: false }, 1);
      expect(again).toEqual(first);
      expect(first).toMatchObject(own);
      expect(new Set([first.reconstruction, next.reconstruction, plain]).size).toBe(3);
    });
  });

  it('a frozen module is a constant, and the reconstruction the only loss', () => {
    const frozen = process(FROZEN);
    expect(frozen.trainsHelper).toBe(false);
    let names: string[] = [];
    tf.tidy(() => (names = Object.keys(frozen.losses(sr, batch, 1))));
    expect(names).toEqual(['reconstruction']);
    const { sr: inSr, module: inModule } = reach(FROZEN, 'reconstruction');
    expect(inSr).toBeGreaterThan(0);
    expect(inModule).toBeUndefined();
  });

  it('a module trained first leaves the SR network alone', () => {
    const first = process({ phase: 'module' });
    expect(first.trainsNetwork).toBe(false);
    let terms: LossTerms = {};
    tf.tidy(() => (terms = first.losses(undefined as unknown as SrNetwork, batch, 1)));
    expect(Object.keys(terms)).toEqual(['degradation', 'colour']);
  });

  it('leaves no tensors, on the tape and off it', async () => {
    await leavesNoTensors(() => {
      for (const settings of [{}, { noise: false, finish: true }, FROZEN]) {
        const { value, grads } = tf.variableGrads(
          () =>
            tf.addN<tf.Scalar>(
              Object.values(process(settings).losses(sr, batch, 1)).map(({ value }) => value),
            ),
          sr.trainable().map(([, p]) => p.variable),
        );
        tf.dispose([value, grads]);
      }
    });
  });

  it('says what the trainer and the loader have to do', () => {
    expect(process({})).toMatchObject({ helperSchedule: 'constant', noise: 'released', minimumPatch: 7 });
    expect(process({ corrections: { schedule: true, noise: true } })).toMatchObject({
      helperSchedule: 'cosine',
      noise: 'repaired',
    });
    expect(process({ noise: false }).noise).toBeUndefined();
    expect(process({ guidance: false }).minimumPatch).toBe(1);
    expect(process({ noise: false, finish: true }).minimumPatch).toBe(16);
  });

  it('refuses parts that its record does not name', () => {
    const other = { ...cielabTerm, name: 'cdnet-released' };
    expect(() => mimicProcess(mimicConfig(LIGHT), module, { colour: other })).toThrow(
      /names colour 'cielab'/,
    );
    expect(() =>
      mimicProcess(mimicConfig({ ...LIGHT, flow: 'raft-small', mask: true }), module, { colour: cielabTerm }),
    ).toThrow(/names flow 'raft-small', got none/);
  });
});

describe('The mimicking process without its weights', () => {
  beforeEach(() => {
    vi.stubEnv('MIMICSR_SHARED', '');
    vi.stubEnv('MIMICSR_DATA', 'no-such-folder');
  });
  afterEach(() => {
    vi.unstubAllEnvs();
  });

  it.each([
    [
      { lambda: 0, colour: 'none' },
      /PWC-Net weights at .*no-such-folder.*pwc-net\.pth: 'mimicsr data fetch pwc-net'/,
    ],
    [
      { lambda: 1, colour: 'cielab', flow: 'raft-small' },
      /RAFT-small weights at .*'mimicsr data fetch raft-small'/,
    ],
    [{ flow: 'none', mask: false }, /CDNet weights at .*CD-00014\.pt: 'mimicsr data fetch cdnet'/],
  ] as [MimicSettings, RegExp][])('%o says which file is missing and what brings it', (settings, message) => {
    expect(() => createMimicProcess(mimicConfig(settings), 1)).toThrow(InputError);
    expect(() => createMimicProcess(mimicConfig(settings), 1)).toThrow(message);
  });

  it('runs where it needs none', async () => {
    await leavesNoTensors(() => {
      const process = createMimicProcess(mimicConfig(LIGHT), 1);
      expect(process.helper?.parameterCount()).toBe(486_915);
      process.helper?.dispose();
      process.dispose?.();
    });
  });
});
