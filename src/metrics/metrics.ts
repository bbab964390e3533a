/** The metrics by name, with every choice that a score depends on. */
import { readMat } from '../weights/mat';
import { ciede2000Metric } from './ciede2000';
import type { Program } from './grey-plane';
import type { FullReferenceProtocol, Metric } from './metric';
import { niqeMetric } from './niqe';
import { readNiqeModel, requireNiqeModel, writeNiqeModel } from './niqe-model';
import { nrqmMetric } from './nrqm';
import { readNrqmModel, requireNrqmModel, writeNrqmModel } from './nrqm-model';
import { piMetric } from './pi';
import { psnrMetric } from './psnr';
import { ssimMetric } from './ssim';

export const METRIC_NAMES = ['niqe', 'nrqm', 'pi', 'psnr', 'ssim', 'ciede2000'] as const;
export type MetricName = (typeof METRIC_NAMES)[number];

/** Compare a picture with a reference of the same size. */
export const FULL_REFERENCE: readonly MetricName[] = ['psnr', 'ssim', 'ciede2000'];

export interface MetricSettings {
  /** Of PSNR and SSIM. */
  readonly protocol: FullReferenceProtocol;
  /** Of NIQE, NRQM and PI: whose code they repeat. */
  readonly program: Program;
  /** Model files, where they are not to be those in the data root. */
  readonly models: { readonly niqe?: string; readonly nrqm?: string };
}

const MAKERS: Record<MetricName, (settings: MetricSettings) => Metric> = {
  niqe: ({ program, models }) => niqeMetric({ program }, models.niqe),
  nrqm: ({ program, models }) => nrqmMetric({ program }, models.nrqm),
  pi: ({ program, models }) => piMetric(program, models),
  psnr: ({ protocol }) => psnrMetric(protocol),
  ssim: ({ protocol }) => ssimMetric(protocol),
  ciede2000: () => ciede2000Metric,
};

/** A metric; its model is read when it first scores. */
export function createMetric(name: MetricName, settings: MetricSettings): Metric {
  return MAKERS[name](settings);
}

/** @throws InputError where a model that one of the metrics needs is not there; its contents are not looked at */
export function requireModels(names: readonly MetricName[], { models }: MetricSettings): void {
  if (names.includes('niqe') || names.includes('pi')) requireNiqeModel(models.niqe);
  if (names.includes('nrqm') || names.includes('pi')) requireNrqmModel(models.nrqm);
}

/** @throws InputError where a model that one of the metrics needs is not there or unusable */
export function checkModels(names: readonly MetricName[], { models }: MetricSettings): void {
  if (names.includes('niqe') || names.includes('pi')) readNiqeModel(models.niqe);
  if (names.includes('nrqm') || names.includes('pi')) readNrqmModel(models.nrqm);
}

/** The model of NIQE or NRQM in an author's .mat as the kit's safetensors; returns what it was. */
export function convertMetricModel(mat: string, output: string): string {
  if (readMat(mat).has('model')) {
    const model = readNrqmModel(mat);
    writeNrqmModel(output, model);
    return `NRQM's model, ${model.forests.map((f) => f.offset.length - 1).join(' + ')} trees`;
  }
  writeNiqeModel(output, readNiqeModel(mat));
  return "NIQE's pristine model";
}
