import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { mimicsr } from '../cli/run';
import { readImage } from '../../src/image/file';
import type { Image } from '../../src/image/image';
import { featuresOf, nrqm, nrqmMetric } from '../../src/metrics/nrqm';
import { MetricKernels } from '../../src/metrics/kernels';
import {
  forestMean,
  predict,
  readNrqmModel,
  writeNrqmModel,
  type NrqmModel,
} from '../../src/metrics/nrqm-model';
import { nrqmFeatures, type NrqmFeatures } from '../../src/metrics/nrqm-features';
import { perceptualIndex, piMetric } from '../../src/metrics/pi';
import { niqe } from '../../src/metrics/niqe';
import { readNiqeModel } from '../../src/metrics/niqe-model';
import { steerablePyramid } from '../../src/metrics/steerable-pyramid';
import { InputError } from '../../src/util/errors';
import { goldenImage, intermediates, metricGoldens, nrqmPredictions } from '../image/goldens';
import { flatPicture, noisePicture, temporaryFolder } from '../image/pictures';
import { NO_SHARED, SHARED, shared } from '../shared';

function oneChannel(image: Image): Image {
  return { ...image, channels: 1, data: image.data.filter((_, i) => i % 3 === 0) };
}

function worst(found: readonly number[], expected: readonly number[]): number {
  expect(found.length).toBe(expected.length);
  return Math.max(...found.map((v, i) => Math.abs(v - expected[i])));
}

describe.skipIf(!SHARED)(`NRQM against its goldens (${NO_SHARED})`, () => {
  const VARIANTS = {
    official_as_is: { program: 'matlab' },
    official_gray_crop0: { program: 'matlab' },
    official_ycbcr_crop4: { program: 'matlab', plane: 'y', crop: 4 },
    pyiqa_default_yiq_crop0: {},
    pyiqa_in_pi_ycbcr_crop4: { plane: 'y', crop: 4 },
  } as const;
  // Even and odd sides, sharp and smooth, with flat areas, too small: the others take time and show no more.
  const PICTURES = [
    'img_001_crop301x277.png',
    'img_003_crop195x199.png',
    'img_003_SRF_4_HR.png',
    'img_005_SRF_4_HR.png',
    'img_005_jpeg30.png',
    'img_002_bicubic4.png',
    'ext_coffee_x4bicubic_y.png',
    'img_003_SRF_4_LR.png',
  ];

  test.each(PICTURES)('features of %s: f1 1e-7, f2 and f3 1e-9; pyiqa 1e-5', async (name) => {
    const image = await readImage(goldenImage(name));
    let compared = 0;
    for (const [variant, golden] of Object.entries(metricGoldens().images[name].nrqm!.features)) {
      const options = VARIANTS[variant as keyof typeof VARIANTS];
      const features = (): NrqmFeatures =>
        featuresOf(variant === 'official_as_is' ? oneChannel(image) : image, options);
      compared++;
      if (!('f3' in golden) || golden.f3.length < 75) {
        expect(features, variant).toThrow(/too small for NRQM: expected at least 84x84/);
        continue;
      }
      const [f1, f2, f3] = features();
      const official = variant.startsWith('official');
      expect(worst(f1, golden.f1), `${variant} f1`).toBeLessThan(official ? 1e-7 : 1e-5);
      expect(worst(f2, golden.f2), `${variant} f2`).toBeLessThan(official ? 1e-9 : 1e-5);
      expect(worst(f3, golden.f3), `${variant} f3`).toBeLessThan(official ? 1e-9 : 1e-5);
    }
    expect(compared).toBeGreaterThanOrEqual(2);
  });

  test('bands of the pyramid, at even and odd sizes', () => {
    const { inputs, values } = intermediates('nrqm');
    const kernels = new MetricKernels(1);
    for (const name of ['a20x24', 'b33x31']) {
      const { shape, data } = inputs[name];
      const [height, width] = shape;
      const { highpass, levels } = steerablePyramid(kernels, data, width, height, false);
      [highpass, ...levels.flat()].forEach((band, i) => {
        const golden = values[`sfpyr/${name}/band${i + 1}`];
        expect([band.height, band.width]).toEqual(golden.shape);
        expect(worst(Array.from(band.data), golden.data), `${name} band ${i + 1}`).toBeLessThan(1e-9);
      });
    }
  });

  test('features of small planes, even and odd', () => {
    const { inputs, values } = intermediates('nrqm');
    const kernels = new MetricKernels(1);
    for (const name of ['c100x102', 'd101x103']) {
      const { shape, data } = inputs[name];
      const plane = { width: shape[1], height: shape[0], data: Uint8Array.from(data) };
      const features = nrqmFeatures(kernels, plane, false);
      features.forEach((f, k) =>
        expect(worst([...f], values[`feat/${name}/f${k + 1}`].data)).toBeLessThan(1e-10),
      );
    }
  });

  test('results do not depend on the number of threads', async () => {
    const image = oneChannel(await readImage(goldenImage('img_003_SRF_4_HR.png')));
    const plane = { ...image, data: Uint8Array.from(image.data, (v) => Math.round(255 * v)) };
    const three = new MetricKernels(3);
    try {
      expect(nrqmFeatures(three, plane, true)).toEqual(nrqmFeatures(new MetricKernels(1), plane, true));
    } finally {
      await three.end();
    }
  });

  test('the synthetic forests: from .mat and compact, outputs and score', async () => {
    const mat = shared('goldens', 'metrics', 'nrqm_synthetic_model.mat');
    const model = readNrqmModel(mat);
    expect(readNrqmModel(shared('goldens', 'metrics', 'nrqm_synthetic_model.safetensors'))).toEqual(model);
    for (const [name, { s, score }] of Object.entries(nrqmPredictions())) {
      const golden = metricGoldens().images[name]?.nrqm?.features.pyiqa_default_yiq_crop0;
      if (golden === undefined || !('f1' in golden)) continue;
      const features = [golden.f1, golden.f2, golden.f3] as const;
      model.forests.forEach((forest, k) => expect(forestMean(forest, features[k])).toBeCloseTo(s[k], 10));
      expect(predict(model, features)).toBeCloseTo(score, 10);
    }
    const compact = join(temporaryFolder(), 'nrqm.safetensors');
    expect(await mimicsr('convert', mat, compact)).toMatchObject({
      code: 0,
      out: `${compact}: NRQM's model, 6 + 6 + 6 trees\n`,
    });
    expect(readNrqmModel(compact)).toEqual(model);
  });

  test('PI is made of the two on luma without four pixels; the metrics say what they are', async () => {
    const image = await readImage(goldenImage('img_003_SRF_4_HR.png'));
    const models = {
      nrqm: readNrqmModel(shared('goldens', 'metrics', 'nrqm_synthetic_model.safetensors')),
      niqe: readNiqeModel(),
    };
    const inPi = { plane: 'y', crop: 4 } as const;
    const expected = (10 - nrqm(image, models.nrqm, inPi) + niqe(image, models.niqe, inPi)) / 2;
    expect(perceptualIndex(image, models)).toBe(expected);
    const metric = piMetric('pyiqa', { nrqm: shared('goldens', 'metrics', 'nrqm_synthetic_model.mat') });
    expect(await metric.score(image)).toBe(expected);
    expect([metric.name, metric.better, nrqmMetric().name, nrqmMetric().better]).toEqual([
      'PI',
      'lower',
      'NRQM',
      'higher',
    ]);
  });
});

describe('NRQM', () => {
  /** One tree a forest: feature 1 up to 0.5 gives 1, else 9. */
  const stump = {
    offset: Int32Array.of(0, 3),
    left: Uint16Array.of(2, 0, 0),
    right: Uint16Array.of(3, 0, 0),
    feature: Uint8Array.of(1, 0, 0),
    value: Float64Array.of(0.5, 1, 9),
  };
  const model: NrqmModel = { forests: [stump, stump, stump], linear: Float64Array.of(1, 10, 100, 1000) };

  test('a score is the weighted sum of the forests', () => {
    expect(predict(model, [[0.5], [0.6], [0]])).toBe(1 + 10 + 900 + 1000);
  });

  test('refuses what has no score, saying why', () => {
    expect(() => nrqm(noisePicture(60, 60, 1), model)).toThrow(
      /60x60 is too small for NRQM: expected at least 84x84/,
    );
    expect(() => nrqm(noisePicture(40, 300, 1), model)).toThrow(/no side below 45/);
    expect(() => nrqm(flatPicture(100, 100, 0.5), model)).toThrow(/constant/);
    expect(() => nrqm(noisePicture(100, 100, 1), model, { program: 'basicsr' })).toThrow(
      /BasicSR has no NRQM/,
    );
    const broken = noisePicture(100, 100, 1);
    broken.data[0] = Infinity;
    expect(() => nrqm(broken, model)).toThrow(InputError);
    expect(nrqm(noisePicture(45, 300, 1), model)).toBeGreaterThan(0);
  });

  test('a model file that is missing, damaged or another is an error that says so', () => {
    const folder = temporaryFolder();
    const path = join(folder, 'nrqm.safetensors');
    expect(() => readNrqmModel(path)).toThrow(/nrqm\.safetensors: .*mimicsr data fetch nrqm/);
    writeNrqmModel(path, model);
    expect(readNrqmModel(path)).toEqual(model);
    writeNrqmModel(path, { ...model, forests: [stump, { ...stump, left: Uint16Array.of(1, 0, 0) }, stump] });
    expect(() => readNrqmModel(path)).toThrow(/forest 2: tree 1 is damaged/);
    writeNrqmModel(path, {
      ...model,
      forests: [{ ...stump, feature: Uint8Array.of(19, 0, 0) }, stump, stump],
    });
    expect(() => readNrqmModel(path)).toThrow(/forest 1: tree 1 is damaged/);
    writeNrqmModel(path, { ...model, linear: Float64Array.of(1, NaN, 1, 1) });
    expect(() => readNrqmModel(path)).toThrow(/4 finite weights/);
    writeFileSync(path, 'nothing');
    expect(() => readNrqmModel(path)).toThrow(InputError);
  });
});
