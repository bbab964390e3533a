import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { drawScene } from '../../src/data/scenes';
import { readImage } from '../../src/image/file';
import type { Image } from '../../src/image/image';
import { fromIntegers } from '../../src/image/quantise';
import { aggdTable, fitAggd, ggdTable, logGamma } from '../../src/metrics/generalised-gaussian';
import type { Program } from '../../src/metrics/grey-plane';
import { niqe, niqeDistance, niqeMetric } from '../../src/metrics/niqe';
import { niqeFeatures } from '../../src/metrics/niqe-features';
import { fitNiqeModel } from '../../src/metrics/niqe-fit';
import { readNiqeModel, writeNiqeModel, type NiqeModel } from '../../src/metrics/niqe-model';
import { InputError } from '../../src/util/errors';
import { Random } from '../../src/util/random';
import { goldenImage, intermediates, metricGoldens, type ImageGolden } from '../image/goldens';
import { flatPicture, noisePicture, temporaryFolder } from '../image/pictures';
import { NO_SHARED, SHARED, shared } from '../shared';
import { matBytes } from '../weights/mat-bytes';

type Niqe = NonNullable<ImageGolden['niqe']>;

/** One channel of a grey picture that was read as three. */
function oneChannel(image: Image): Image {
  return { ...image, channels: 1, data: image.data.filter((_, i) => i % 3 === 0) };
}

describe.skipIf(!SHARED)(`NIQE against its goldens (${NO_SHARED})`, () => {
  let model: NiqeModel;
  const goldens: { name: string; golden: Niqe; image: Image }[] = [];
  beforeAll(async () => {
    model = readNiqeModel(shared('data', 'metrics', 'niqe_pristine.safetensors'));
    for (const [name, { niqe: golden }] of Object.entries(metricGoldens().images)) {
      if (golden !== undefined) goldens.push({ name, golden, image: await readImage(goldenImage(name)) });
    }
    expect(goldens.length).toBeGreaterThanOrEqual(35);
  });

  /** Where the reference has a score ours is within `tolerance` of it, where it fails ours is an InputError. */
  function compare(
    expected: number | { error: string } | null | undefined,
    found: () => number,
    tolerance: number,
    what: string,
  ): number {
    if (expected === undefined) return 0;
    if (typeof expected === 'number') expect(Math.abs(found() - expected), what).toBeLessThan(tolerance);
    else expect(found, what).toThrow(InputError);
    return 1;
  }

  test('pyiqa, as the metric alone and as the one inside PI: 1e-5', () => {
    let compared = 0;
    for (const { name, golden, image } of goldens) {
      compared += compare(golden.pyiqa_default_yiq_crop0, () => niqe(image, model), 1e-5, name);
      const inPi = { plane: 'y', crop: 4 } as const;
      compared += compare(
        golden.pyiqa_in_pi_ycbcr_crop4,
        () => niqe(image, model, inPi),
        1e-5,
        `${name} in PI`,
      );
      compared += compare(golden.pyiqa_as_is, () => niqe(oneChannel(image), model), 1e-5, `${name} as is`);
    }
    expect(compared).toBeGreaterThanOrEqual(60);
  });

  test('BasicSR, whose inner sums are float32: 1e-3', () => {
    for (const { name, golden, image } of goldens) {
      compare(golden.basicsr_y_crop0, () => niqe(image, model, { program: 'basicsr' }), 1e-3, name);
      compare(
        golden.basicsr_y_crop4,
        () => niqe(image, model, { program: 'basicsr', crop: 4 }),
        1e-3,
        `${name} crop 4`,
      );
    }
  });

  test("MATLAB: the authors' own score where the order of summation has no say, else the one without noise", () => {
    let strict = 0;
    for (const { name, golden, image } of goldens) {
      const inputs = [
        ['official_gray_crop0', image, {}],
        ['official_ycbcr_crop4', image, { plane: 'y', crop: 4 }],
        ['official_as_is', oneChannel(image), {}],
      ] as const;
      for (const [key, picture, options] of inputs) {
        const expected = golden.official_matlab_code_in_octave[key];
        if (expected === undefined) continue;
        const score = (): number => niqe(picture, model, { program: 'matlab', ...options });
        compare(expected.value === null ? null : expected.snapped_numpy, score, 1e-9, `${name} ${key}`);
        // Constant neighbourhoods at full size are counted; at half size they show as a spread.
        const spread = expected.max_over_summation_orders - expected.min_over_summation_orders;
        if (expected.value === null || expected.constant_7x7_share_scale1 > 0 || spread > 1e-9) continue;
        compare(expected.value, score, 1e-7, `${name} ${key}`);
        strict++;
      }
    }
    expect(strict).toBeGreaterThanOrEqual(10);
  });

  test('features of blocks, and their pooling', async () => {
    const { inputs, values } = intermediates('niqe');
    const f192 = inputs.f192x192;
    const plane = { width: 192, height: 192, data: Uint8Array.from(f192.data) };
    const { features } = niqeFeatures(plane, 'matlab');
    const byColumns = [0, 2, 1, 3].map((i) => Array.from(features[i]));
    const expected = [0, 1, 2, 3].map((i) => [
      ...values['niqe/f192/feat_scale1_block_col_major'].data.slice(18 * i, 18 * (i + 1)),
      ...values['niqe/f192/feat_scale2_block_col_major'].data.slice(18 * i, 18 * (i + 1)),
    ]);
    byColumns.flat().forEach((v, i) => expect(v).toBeCloseTo(expected.flat()[i], 10));
    expect(niqeDistance(features, model, 'matlab')).toBeCloseTo(values['niqe/f192/quality'].data[0], 8);

    const chelsea = oneChannel(await readImage(goldenImage('ext_chelsea_y.png')));
    const { width, height } = chelsea;
    const grey = { width, height, data: Uint8Array.from(chelsea.data, (v) => Math.round(255 * v)) };
    const mean = values['niqe_blocks/ext_chelsea_y__asis/mean'].data;
    const blocks = niqeFeatures(grey, 'matlab').features;
    mean.forEach((m, k) => expect(blocks.reduce((s, f) => s + f[k], 0) / blocks.length).toBeCloseTo(m, 10));
  });

  test('AGGD fits, Gamma and the tables', () => {
    const { values } = intermediates('niqe');
    for (const n of ['', 1, 2, 3, 4, 5, 6]) {
      const input = Float64Array.from(values[`aggd/in${n}`].data);
      const { alpha, left, right } = fitAggd(input, input.length, aggdTable(false));
      [alpha, left, right].forEach((v, i) => expect(v).toBeCloseTo(values[`aggd/out${n}`].data[i], 12));
    }
    values['gamma/x'].data.forEach((x, i) => {
      expect(logGamma(x)).toBeCloseTo(values['gamma/lgamma'].data[i], 11);
    });
  });

  test('a score by its Metric, the model found by name', async () => {
    const image = await readImage(goldenImage('img_001_SRF_4_HR.png'));
    const metric = niqeMetric();
    expect([metric.name, metric.better]).toEqual(['NIQE', 'lower']);
    expect(await metric.score(image)).toBe(niqe(image, model));
  });
});

describe('NIQE', () => {
  /** Covariance 1, mean 0: enough to score with. */
  const unit: NiqeModel = {
    mean: new Float64Array(36),
    covariance: Float64Array.from({ length: 36 * 36 }, (_, i) => (i % 37 === 0 ? 1 : 0)),
  };

  test('of a table, the entry nearest to the ratio of the moments', () => {
    for (const [table, from] of [
      [aggdTable(false), 0.2],
      [ggdTable(false), 0.03],
    ] as const) {
      expect(table.find(NaN)).toBe(from);
    }
    // A Gaussian has shape 2, Laplace's distribution 1.
    expect(aggdTable(false).find(2 / Math.PI)).toBeCloseTo(2, 10);
    expect(ggdTable(false).find(2)).toBeCloseTo(1, 10);
    expect(aggdTable(false).find(1)).toBeCloseTo(10, 10);
    expect(ggdTable(false).find(0)).toBeCloseTo(10, 10);
  });

  test('fits a sample of a known distribution', () => {
    const random = new Random(5, 'aggd');
    const sample = Float64Array.from({ length: 200_000 }, () => {
      const v = Math.abs(random.normal());
      return random.chance(0.25) ? -v : 3 * v; // the halves' probabilities are as their widths
    });
    // Half of a normal of width s: the AGGD's width is s sqrt(G(1/2)/G(3/2)) = s sqrt(2) at shape 2.
    const { alpha, left, right } = fitAggd(sample, sample.length, aggdTable(false));
    expect(alpha).toBeCloseTo(2, 1);
    expect(left).toBeCloseTo(Math.SQRT2, 1);
    expect(right).toBeCloseTo(3 * Math.SQRT2, 1);
  });

  test.each<Program>(['pyiqa', 'basicsr', 'matlab'])(
    '%s: refuses what has no score, saying why',
    (program) => {
      const options = { program };
      expect(() => niqe(noisePicture(95, 200, 1), unit, options)).toThrow(
        /95x200 is too small: expected at least 96x96/,
      );
      expect(() => niqe(noisePicture(100, 100, 1), unit, { program, crop: 4 })).toThrow(/after cropping 4/);
      expect(() => niqe(noisePicture(100, 100, 1), unit, { program, crop: -1 })).toThrow(
        /crop must be a whole number/,
      );
      for (const value of [0, 0.5, 1]) {
        expect(() => niqe(flatPicture(200, 120, value), unit, options)).toThrow(/constant picture/);
      }
      const broken = noisePicture(100, 100, 1);
      broken.data[3] = NaN;
      expect(() => niqe(broken, unit, options)).toThrow(/holds NaN at x 1, y 0/);
      expect(() =>
        niqe({ ...broken, channels: 2, data: broken.data.subarray(0, 20000).fill(0) }, unit),
      ).toThrow(/1 or 3 channels/);
    },
  );

  test.each<Program>(['pyiqa', 'basicsr', 'matlab'])(
    '%s: scores a picture of one block, and partly flat ones',
    (program) => {
      expect(niqe(noisePicture(96, 96, 1), unit, { program })).toBeGreaterThan(0);
      const half = noisePicture(192, 96, 2);
      for (let i = 0; i < half.data.length; i++) if (Math.floor(i / 3) % 192 < 96) half.data[i] = 0.25;
      expect(Number.isFinite(niqe(half, unit, { program }))).toBe(true);
    },
  );

  test('a picture with other pixels beyond its last whole block scores the same', () => {
    // But for the first rows and columns beyond, which the windows would reach: the cut comes first.
    const a = drawScene(1, 200, 130);
    const b = { ...a, data: a.data.slice() };
    for (let y = 0; y < 130; y++) b.data.fill(0, (y * 200 + 192) * 3, (y * 200 + 200) * 3);
    b.data.fill(1, 96 * 200 * 3);
    expect(niqe(b, unit)).toBe(niqe(a, unit));
  });

  test('a fitted model: saved, read, labelled; noise scores worse than the pictures that it was fitted on', async () => {
    const scenes = Array.from({ length: 16 }, (_, i) => drawScene(i, 288, 288));
    const fit = await fitNiqeModel(scenes);
    expect(fit.images).toBe(16);
    expect(fit.blocks).toBeGreaterThan(36);
    const path = join(temporaryFolder(), 'own.safetensors');
    writeNiqeModel(path, fit);
    const model = readNiqeModel(path);
    expect(model.source).toMatch(/^fitted with mimicsr as pyiqa: \d+ blocks of 16 images$/);
    expect(model.mean).toEqual(fit.mean);
    const other = drawScene(99, 288, 288);
    expect(niqe(noisePicture(288, 288, 3), model)).toBeGreaterThan(2 * niqe(other, model));
    await expect(fitNiqeModel(scenes.slice(0, 1))).rejects.toThrow(
      /more than 36 sharp blocks, found \d+ in 1 images/,
    );
  });

  test('a model file that is missing or is none is an error that says so', () => {
    const folder = temporaryFolder();
    const path = join(folder, 'model.safetensors');
    expect(() => readNiqeModel(path)).toThrow(/model\.safetensors: .*mimicsr data fetch niqe-pristine/);
    const mu = { name: 'mu_prisparam', shape: [1, 36], values: Array.from({ length: 36 }, (_, i) => i) };
    const cov = { name: 'cov_prisparam', shape: [36, 36], values: Array.from(unit.covariance) };
    const mat = join(folder, 'modelparameters.mat');
    writeFileSync(mat, matBytes([mu, cov]));
    expect(readNiqeModel(mat)).toEqual({ mean: Float64Array.from(mu.values), covariance: unit.covariance });
    writeFileSync(mat, matBytes([mu]));
    expect(() => readNiqeModel(mat)).toThrow(/expected 1296 finite numbers cov, found none/);
    writeFileSync(mat, matBytes([{ ...mu, values: [...mu.values.slice(1), NaN] }, cov]));
    expect(() => readNiqeModel(mat)).toThrow(/expected 36 finite numbers mu, found NaN or infinity/);
  });

  test('8-bit integers and one channel: what the picture is on disk is what is scored', () => {
    const bytes = Uint8Array.from({ length: 100 * 100 }, (_, i) => (i * 7919) % 256);
    const grey = fromIntegers(bytes, 100, 100, 1);
    const rgb = fromIntegers(
      Uint8Array.from({ length: 30_000 }, (_, i) => bytes[Math.floor(i / 3)]),
      100,
      100,
      3,
    );
    // The weights of YIQ add up to 1: grey stays grey.
    expect(niqe(rgb, unit)).toBe(niqe(grey, unit));
    expect(niqe(rgb, unit, { plane: 'y' })).not.toBe(niqe(grey, unit, { plane: 'y' }));
  });
});
