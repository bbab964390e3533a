/**
 * Scoring one picture of 512x512 or 2040x1356: PSNR, SSIM (luma), NIQE, NRQM. Case: METRIC-WIDTH. NIQE takes the pristine model
 * of the data root, or, where there is none, one fitted on drawn scenes: the arithmetic is the same. NRQM is its three
 * families of features: the forests, whose file may be missing, are a look-up beside them.
 */
import { drawScene } from '../../src/data/scenes';
import type { Image } from '../../src/image/image';
import { PAPER_PROTOCOL } from '../../src/metrics/metric';
import { niqe } from '../../src/metrics/niqe';
import { fitNiqeModel } from '../../src/metrics/niqe-fit';
import { readNiqeModel, requireNiqeModel, type NiqeModel } from '../../src/metrics/niqe-model';
import { featuresOf } from '../../src/metrics/nrqm';
import { psnr } from '../../src/metrics/psnr';
import { ssim } from '../../src/metrics/ssim';
import { Random } from '../../src/util/random';
import { serve, type Run } from './serve';

const SIZES = { 512: [512, 512], 2040: [2040, 1356] } as const;

async function model(): Promise<NiqeModel> {
  try {
    requireNiqeModel();
    return readNiqeModel();
  } catch {
    return fitNiqeModel([1, 2, 3].map((seed) => drawScene(`pristine-${seed}`, 480, 480)));
  }
}

/** A picture and the same with a little noise. */
function pictures(width: number, height: number): [Image, Image] {
  const picture = drawScene('bench', width, height);
  const random = new Random(1, 'bench');
  return [picture, { ...picture, data: picture.data.map((v) => v + 0.01 * (random.uniform() - 0.5)) }];
}

const METRICS: Record<string, (reference: Image, image: Image, model: NiqeModel) => unknown> = {
  psnr: (reference, image) => psnr(image, reference, PAPER_PROTOCOL),
  ssim: (reference, image) => ssim(image, reference, PAPER_PROTOCOL),
  niqe: (_, image, pristine) => niqe(image, pristine),
  nrqm: (_, image) => featuresOf(image),
};

void model().then((pristine) => {
  const run = (metric: string, [width, height]: readonly [number, number]): Run => {
    const [reference, image] = pictures(width, height);
    return () => void METRICS[metric](reference, image, pristine);
  };
  return serve(
    Object.fromEntries(
      Object.keys(METRICS).flatMap((metric) =>
        Object.entries(SIZES).map(([name, size]) => [`${metric}-${name}`, () => run(metric, size)]),
      ),
    ),
  );
});
