/**
 * NIQE's pristine model: mean and covariance of the features of blocks of good photographs. The one that all published
 * scores use comes with the authors' release (utlive/niqe, modelparameters.mat); any other gives other scores.
 */
import { existsSync } from 'node:fs';
import { extname } from 'node:path';
import { findWeights } from '../data/roots';
import { InputError } from '../util/errors';
import { readMat } from '../weights/mat';
import { readSafetensors, writeSafetensors } from '../weights/safetensors';
import { FEATURES } from './niqe-features';

export interface NiqeModel {
  /** [36] */
  readonly mean: Float64Array;
  /** [36, 36], symmetric */
  readonly covariance: Float64Array;
  /** What it was fitted on, where the file says so: scores of different models are not comparable. */
  readonly source?: string;
}

const FILES = [
  'niqe-pristine.safetensors',
  'niqe_pristine.safetensors',
  'niqe-pristine.mat',
  'modelparameters.mat',
];

/**
 * The model in a file: safetensors (`mu`, `cov`) or the authors' .mat (`mu_prisparam`, `cov_prisparam`).
 * @param path by default under its usual name in a data root's `weights` folder
 * @throws InputError if there is none (saying what brings it), or the file holds something else
 */
export function readNiqeModel(path = findWeights(FILES)): NiqeModel {
  requireNiqeModel(path);
  const { entry, source } = extname(path) === '.mat' ? openMat(path) : openSafetensors(path);
  const read = (names: readonly string[], length: number): Float64Array => {
    const data = names.map(entry).find((found) => found !== undefined);
    if (data?.length !== length || !data.every(Number.isFinite)) {
      const found =
        data === undefined ? 'none' : data.length === length ? 'NaN or infinity' : `${data.length}`;
      throw new InputError(`${path}: expected ${length} finite numbers ${names[0]}, found ${found}`);
    }
    return data;
  };
  const mean = read(['mu', 'mu_prisparam'], FEATURES);
  const covariance = read(['cov', 'cov_prisparam'], FEATURES * FEATURES);
  return { mean, covariance, ...(source === undefined ? {} : { source }) };
}

/** @throws InputError that says what brings it, where the model's file is missing */
export function requireNiqeModel(path = findWeights(FILES)): void {
  if (existsSync(path)) return;
  throw new InputError(
    `${path}: NIQE's pristine model is missing (PI needs it too); \`mimicsr data fetch niqe-pristine\` brings it`,
  );
}

/** Writes a model as safetensors. */
export function writeNiqeModel(path: string, { mean, covariance, source }: NiqeModel): void {
  writeSafetensors(
    path,
    new Map([
      ['mu', { dtype: 'F64', shape: [FEATURES], data: mean }],
      ['cov', { dtype: 'F64', shape: [FEATURES, FEATURES], data: covariance }],
    ]),
    source === undefined ? {} : { source },
  );
}

/** Looks up an array of a model file by name. */
interface ModelFile {
  readonly entry: (name: string) => Float64Array | undefined;
  readonly source?: string;
}

function openMat(path: string): ModelFile {
  const variables = readMat(path);
  return {
    entry: (name) => {
      const value = variables.get(name);
      return value?.kind === 'numbers' ? Float64Array.from(value.data) : undefined;
    },
  };
}

function openSafetensors(path: string): ModelFile {
  const { tensors, metadata } = readSafetensors(path);
  return {
    entry: (name) => {
      const tensor = tensors.get(name);
      return tensor?.dtype === 'F64' ? tensor.data : undefined;
    },
    source: metadata.source,
  };
}
