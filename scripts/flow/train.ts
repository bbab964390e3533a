/**
 * npm run train:flow -- [--photos FOLDER] [--out FILE] [--iterations N]: trains the small flow network by `recipe.ts`.
 *
 * FOLDER holds photographs, by path or as a dataset's name; without it, drawn scenes alone are used. FILE (default
 * weights/flow-small.safetensors) gets the weights and, beside it, FILE with .json what they were made with. The state
 * is kept in runs/train-flow: the same command goes on from there.
 */
import * as tf from '@tensorflow/tfjs-core';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { count } from '../../src/cli/arguments';
import { interruptible, note, progress } from '../../src/cli/output';
import { startEngine } from '../../src/engine/engines';
import { SMALL_FLOW_WEIGHTS, SmallFlow } from '../../src/flow/small';
import { Adam } from '../../src/train/adam';
import { loadCheckpoint, saveCheckpoint, saveWeights } from '../../src/train/checkpoint';
import { DivergedError } from '../../src/train/diverged';
import { cosineRate } from '../../src/train/schedule';
import { Random } from '../../src/util/random';
import { versions } from '../../src/util/versions';
import { writeFileAtomic } from '../../src/util/write-file';
import { cutPatches, takeShot, type FlowBatch, type Shot } from './pairs';
import { RECIPE, sources } from './recipe';

const SAVE_EVERY = 500;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      photos: { type: 'string' },
      out: { type: 'string', default: SMALL_FLOW_WEIGHTS },
      iterations: { type: 'string', default: String(RECIPE.iterations) },
    },
  });
  const iterations = count('--iterations')(values.iterations);
  const engine = await startEngine();
  note(`engine ${engine.name}: ${engine.detail}`);
  const network = new SmallFlow().initialise(RECIPE.seed);
  const data = sources('training', values.photos);
  const training = {
    recipe: { ...RECIPE, iterations },
    parameters: network.parameterCount(),
    data: [data.photos, data.scenes].flatMap((s) => s?.description ?? []),
    dataSha256: data.sha256,
    engine,
  };
  const provenance = { ...training, ...versions() };
  const identity = createHash('sha256').update(JSON.stringify(training)).digest('hex').slice(0, 12);
  const checkpoint = join('runs', 'train-flow', `${identity}.safetensors`);

  const shots = await interruptible(() => takeShots(data));
  const error = await interruptible((signal) => train(network, shots, iterations, checkpoint, signal));
  if (error === undefined) return note(`stopped; the same command goes on from ${checkpoint}`);
  saveWeights(values.out, await network.stateDict(), { network: network.name });
  const sha256 = createHash('sha256').update(readFileSync(values.out)).digest('hex');
  const record = { ...provenance, lastError: Number(error.toFixed(4)), sha256 };
  writeFileAtomic(
    values.out.replace(/(\.safetensors)?$/, '.json'),
    `${JSON.stringify(record, undefined, 2)}\n`,
  );
  note(`${values.out}: end-point error ${error.toFixed(3)} px over the last training patches`);
}

async function takeShots({ photos, scenes }: ReturnType<typeof sources>): Promise<Shot[]> {
  const parts = [
    { name: 'scenes', source: scenes, size: RECIPE.sceneShots },
    ...(photos === undefined ? [] : [{ name: 'photographs', source: photos, size: RECIPE.photoShots }]),
  ];
  const shots: Shot[] = [];
  for (const { name, source, size } of parts) {
    const bar = progress(`shots of ${name}`, size);
    for (let i = 0; i < size; i++) {
      shots.push(await takeShot(source, i % source.size, RECIPE.camera, RECIPE.seed, name, i));
      bar.update(i + 1, '');
    }
    bar.stop();
  }
  return shots;
}

/** @returns the mean end-point error over the last iterations' patches, or undefined where it was stopped */
async function train(
  network: SmallFlow,
  shots: readonly Shot[],
  iterations: number,
  checkpoint: string,
  signal: AbortSignal,
): Promise<number | undefined> {
  const parameters = network.trainable();
  const optimiser = new Adam(parameters, RECIPE.adam);
  const state = { parts: () => [{ name: 'flow', module: network, optimiser }] };
  let step = existsSync(checkpoint) ? loadCheckpoint(checkpoint, state) : 0;
  let error = Infinity;
  const bar = progress('train', iterations);
  while (step < iterations && !signal.aborted) {
    step++;
    const random = new Random(RECIPE.seed, 'patches', step);
    const patches = cutPatches(shots, random, { ...RECIPE, ...random.pick(RECIPE.patches) });
    const found = await update(network, parameters, optimiser, patches, rateOf(step, iterations), step);
    tf.dispose({ ...patches });
    error = Number.isFinite(error) ? 0.99 * error + 0.01 * found : found;
    bar.update(step, `error ${error.toFixed(3)} px`);
    if (step % SAVE_EVERY === 0 || signal.aborted) await saveCheckpoint(checkpoint, state, step);
  }
  bar.stop();
  optimiser.dispose();
  return signal.aborted ? undefined : error;
}

/** One iteration. @returns the last flow's mean end-point error, pixels */
async function update(
  network: SmallFlow,
  parameters: ReturnType<SmallFlow['trainable']>,
  optimiser: Adam,
  { first, second, flow, visible }: FlowBatch,
  rate: number,
  step: number,
): Promise<number> {
  let last: tf.Scalar | undefined;
  const { value, grads } = tf.variableGrads(
    () => {
      const weights = tf.add<tf.Tensor3D>(tf.mul(visible, 1 - RECIPE.hidden), RECIPE.hidden);
      const errors = network.flows(first, second).map((found) => meanDistance(found, flow, weights));
      last = tf.keep(tf.clone(errors[errors.length - 1]));
      return tf.addN(
        errors.map((e, i) => tf.mul(e, RECIPE.discount ** (errors.length - 1 - i))),
      ) as tf.Scalar;
    },
    parameters.map(([, p]) => p.variable),
  );
  try {
    const error = (await last!.data())[0];
    if (!Number.isFinite(error)) throw new DivergedError(`iteration ${step}: the error is ${error}`);
    await optimiser.step(
      parameters.map(([, p]) => grads[p.variable.name]),
      rate,
    );
    return error;
  } finally {
    tf.dispose([value, grads, last!]);
  }
}

/** Weighted mean of |a - b|, its slope kept finite at 0 by a hundredth of a pixel. */
function meanDistance(a: tf.Tensor4D, b: tf.Tensor4D, weights: tf.Tensor3D): tf.Scalar {
  const distance = tf.sqrt(tf.add(tf.sum(tf.squaredDifference(a, b), 3), 1e-4));
  return tf.div(tf.sum(tf.mul(distance, weights)), tf.sum(weights));
}

function rateOf(step: number, iterations: number): number {
  const { rate, minimumRate, warmUp } = RECIPE;
  return Math.min(1, step / warmUp) * cosineRate(step, iterations, rate, minimumRate);
}

main().catch((error: unknown) => {
  note(error instanceof Error ? (error.stack ?? error.message) : String(error));
  process.exitCode = 1;
});
