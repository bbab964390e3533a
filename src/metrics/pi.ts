/**
 * PI, the perceptual index of the PIRM 2018 challenge (Blau et al., "The 2018 PIRM challenge on perceptual image
 * super-resolution"; facts from roimehrez/PIRM2018 and pyiqa): ((10 - NRQM) + NIQE) / 2, lower is better.
 *
 * Both parts look at luma (Y of YCbCr) without 4 pixels on each side. NIQE and NRQM by themselves look at another plane,
 * so PI is not made of their columns in a table.
 */
import type { Image } from '../image/image';
import type { Program } from './grey-plane';
import type { Metric } from './metric';
import { niqe } from './niqe';
import { readNiqeModel, type NiqeModel } from './niqe-model';
import { nrqm } from './nrqm';
import { readNrqmModel, type NrqmModel } from './nrqm-model';

export interface PiModels {
  readonly niqe: NiqeModel;
  readonly nrqm: NrqmModel;
}

/**
 * PI of a picture, RGB in [0,1] or one channel of luma, quantised by `toUint8` first.
 * @throws InputError as `niqe` and `nrqm`
 */
export function perceptualIndex(image: Image, models: PiModels, program: Program = 'pyiqa'): number {
  const options = { program, plane: 'y', crop: 4 } as const;
  return (10 - nrqm(image, models.nrqm, options) + niqe(image, models.niqe, options)) / 2;
}

/** PI as a `Metric`. The models are read at the first score, and kept. */
export function piMetric(program?: Program, paths: { niqe?: string; nrqm?: string } = {}): Metric {
  let models: PiModels | undefined;
  return {
    name: 'PI',
    better: 'lower',
    score: (image) =>
      Promise.resolve().then(() => {
        models ??= { niqe: readNiqeModel(paths.niqe), nrqm: readNrqmModel(paths.nrqm) };
        return perceptualIndex(image, models, program);
      }),
  };
}
