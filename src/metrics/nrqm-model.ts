/**
 * NRQM's trained part (Ma et al. 2017, section 3.3): a regression forest (Breiman 2001) for each of the three feature
 * vectors, and a linear combination of their outputs. The forests come from the authors (chaoma99/sr-metric, model.mat, which
 * pyiqa ships as NRQM_model.mat; 500 MB in memory) and are kept in a compact safetensors file, a tenth of that.
 */
import { existsSync } from 'node:fs';
import { extname } from 'node:path';
import { findWeights } from '../data/roots';
import { InputError } from '../util/errors';
import { readMat, type MatNumbers, type MatValue } from '../weights/mat';
import { readSafetensors, writeSafetensors } from '../weights/safetensors';
import type { Dtype, DtypeArrays, StoredTensor } from '../weights/tensor-file';
import type { NrqmFeatures } from './nrqm-features';

/** Numbers in the feature vectors. */
const FEATURE_COUNTS = [18, 45, 75] as const;

/** Trees, one after the other; children and features are counted from 1, within the tree and the vector. */
interface Forest {
  /** [trees + 1]: where a tree's nodes begin. */
  readonly offset: Int32Array;
  /** Child for feature <= value; 0 in a leaf. */
  readonly left: Uint16Array;
  readonly right: Uint16Array;
  readonly feature: Uint8Array;
  /** Threshold, or a leaf's output. float64: float32 would move thresholds across feature values. */
  readonly value: Float64Array;
}

export interface NrqmModel {
  readonly forests: readonly Forest[];
  /** b0 .. b3 of b0 + b1 s1 + b2 s2 + b3 s3. */
  readonly linear: Float64Array;
}

const FILES = ['nrqm.safetensors', 'NRQM_model.mat', 'model.mat'];

/**
 * The model in a file: the compact safetensors, or the authors' .mat (slower to read; `mimicsr convert` makes the other).
 * @param path by default under its usual name in a data root's `weights` folder
 * @throws InputError if there is none (saying what brings it), or the file holds something else
 */
export function readNrqmModel(path = findNrqmModel()): NrqmModel {
  requireNrqmModel(path);
  const model = extname(path) === '.mat' ? fromMat(path) : fromSafetensors(path);
  model.forests.forEach((forest, k) => check(forest, FEATURE_COUNTS[k], `${path}: forest ${k + 1}`));
  if (model.forests.length !== 3 || model.linear.length !== 4 || !model.linear.every(Number.isFinite)) {
    throw new InputError(
      `${path}: expected 3 forests and 4 finite weights, found ${model.forests.length} and ${Array.from(model.linear).join(', ')}`,
    );
  }
  return model;
}

function findNrqmModel(): string {
  return findWeights(FILES);
}

/** @throws InputError that says what brings it, where the model's file is missing */
export function requireNrqmModel(path = findNrqmModel()): void {
  if (existsSync(path)) return;
  throw new InputError(
    `${path}: NRQM's model is missing (PI needs it too); \`mimicsr data fetch nrqm\` brings it or says where it is had`,
  );
}

/** Writes the compact form. */
export function writeNrqmModel(path: string, { forests, linear }: NrqmModel): void {
  const tensors = new Map<string, StoredTensor>();
  forests.forEach(({ offset, left, right, feature, value }, k) => {
    const put = (name: string, tensor: StoredTensor): unknown => tensors.set(`forest${k}.${name}`, tensor);
    put('offset', { dtype: 'I32', shape: [offset.length], data: offset });
    put('left', { dtype: 'U16', shape: [left.length], data: left });
    put('right', { dtype: 'U16', shape: [right.length], data: right });
    put('feature', { dtype: 'U8', shape: [feature.length], data: feature });
    put('value', { dtype: 'F64', shape: [value.length], data: value });
  });
  tensors.set('linear', { dtype: 'F64', shape: [4], data: linear });
  writeSafetensors(path, tensors, { format: 'nrqm-compact-1' });
}

/** NRQM of feature vectors: about 0 (bad) to 10 (good). */
export function predict({ forests, linear }: NrqmModel, features: NrqmFeatures): number {
  return forests.reduce(
    (score, forest, k) => score + linear[k + 1] * forestMean(forest, features[k]),
    linear[0],
  );
}

/** Mean output of the trees. */
export function forestMean({ offset, left, right, feature, value }: Forest, x: readonly number[]): number {
  let sum = 0;
  for (let tree = 0; tree + 1 < offset.length; tree++) {
    const root = offset[tree];
    let node = root;
    while (left[node] !== 0) {
      node = root - 1 + (x[feature[node] - 1] <= value[node] ? left[node] : right[node]);
    }
    sum += value[node];
  }
  return sum / (offset.length - 1);
}

/** Children come after their parent and lie within the tree, so that every walk ends in a leaf of it. */
function check({ offset, left, right, feature, value }: Forest, features: number, what: string): void {
  const nodes = value.length;
  const fits = [left, right, feature].every(({ length }) => length === nodes);
  if (!fits || offset.length < 2 || offset[0] !== 0 || offset[offset.length - 1] !== nodes) {
    throw new InputError(`${what}: arrays of ${nodes} nodes do not fit together`);
  }
  for (let tree = 0; tree + 1 < offset.length; tree++) {
    const [begin, end] = [offset[tree], offset[tree + 1]];
    let sound = end > begin;
    for (let i = begin; sound && i < end; i++) {
      const number = i - begin + 1;
      const leaf = left[i] === 0;
      const inside = [left[i], right[i]].every((child) => child > number && child <= end - begin);
      sound = Number.isFinite(value[i]) && (leaf || (inside && feature[i] >= 1 && feature[i] <= features));
    }
    if (!sound) throw new InputError(`${what}: tree ${tree + 1} is damaged`);
  }
}

function fromSafetensors(path: string): NrqmModel {
  const { tensors } = readSafetensors(path);
  const get = <D extends Dtype>(name: string, dtype: D): DtypeArrays[D] => {
    const tensor = tensors.get(name);
    if (tensor?.dtype === dtype) return tensor.data as DtypeArrays[D];
    throw new InputError(
      `${path}: expected tensor '${name}' of type ${dtype}, found ${tensor?.dtype ?? 'none'}`,
    );
  };
  return {
    forests: FEATURE_COUNTS.map((_, k) => ({
      offset: get(`forest${k}.offset`, 'I32'),
      left: get(`forest${k}.left`, 'U16'),
      right: get(`forest${k}.right`, 'U16'),
      feature: get(`forest${k}.feature`, 'U8'),
      value: get(`forest${k}.value`, 'F64'),
    })),
    linear: get('linear', 'F64'),
  };
}

/** The authors' file: struct `model` of `rf`, a cell of three structs as randomforest-matlab makes them, and `linear`. */
function fromMat(path: string): NrqmModel {
  const missing = (what: string): InputError =>
    new InputError(`${path}: expected NRQM's model, found no ${what}`);
  const field = (struct: MatValue | undefined, name: string): MatValue => {
    const value = struct?.kind === 'structs' ? struct.structs[0]?.get(name) : undefined;
    if (value === undefined) throw missing(name);
    return value;
  };
  const model = readMat(path).get('model');
  const rf = field(model, 'rf');
  const linear = field(model, 'linear');
  if (rf.kind !== 'cells') throw missing('cell rf');
  if (linear.kind !== 'numbers') throw missing('numbers linear');
  return {
    forests: rf.cells.map((forest) => {
      const numbers = (name: string): MatNumbers => {
        const value = field(forest, name);
        if (value.kind !== 'numbers') throw missing(`numbers ${name}`);
        return value.data;
      };
      const most = field(forest, 'lDau').shape[0];
      if (!numbers('ndtree').every((n) => n >= 1 && n <= most)) throw missing('trees of 1 to nrnodes nodes');
      return compact(most, numbers);
    }),
    linear: Float64Array.from(linear.data),
  };
}

/** Keeps the `ndtree` nodes of each tree, out of the `most` that its column has. */
function compact(most: number, numbers: (name: string) => MatNumbers): Forest {
  const lengths = numbers('ndtree');
  const offset = new Int32Array(lengths.length + 1);
  lengths.forEach((n, tree) => (offset[tree + 1] = offset[tree] + n));
  const nodes = offset[lengths.length];
  const [left, right, feature] = [new Uint16Array(nodes), new Uint16Array(nodes), new Uint8Array(nodes)];
  const value = new Float64Array(nodes);
  const [lDau, rDau, mbest, upper, avnode] = ['lDau', 'rDau', 'mbest', 'upper', 'avnode'].map(numbers);
  for (let tree = 0; tree < lengths.length; tree++) {
    for (let i = 0; i < lengths[tree]; i++) {
      const [from, to] = [tree * most + i, offset[tree] + i];
      left[to] = lDau[from];
      right[to] = rDau[from];
      feature[to] = mbest[from];
      value[to] = lDau[from] === 0 ? avnode[from] : upper[from];
    }
  }
  return { offset, left, right, feature, value };
}
