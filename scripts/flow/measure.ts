/**
 * npm run measure:flow -- [--photos FOLDER] [--json FILE]: end-point errors of the small flow network, of RAFT-small
 * where its weights are at hand, and of zero flow, on held-out photographs and scenes; and the time that they take.
 */
import * as tf from '@tensorflow/tfjs-core';
import { parseArgs } from 'node:util';
import { note, print, progress, table } from '../../src/cli/output';
import { CAMERA_PRESETS, type CameraPreset } from '../../src/data/camera-presets';
import { startEngine } from '../../src/engine/engines';
import type { FlowEstimator } from '../../src/flow/estimator';
import { loadFlowEstimator } from '../../src/flow/estimators';
import { InputError } from '../../src/util/errors';
import { Random } from '../../src/util/random';
import { writeFileAtomic } from '../../src/util/write-file';
import { byFlowSize, endPointErrors, zeroFlow } from './evaluate';
import { cutPatches, takeShot, type PatchOptions, type Shot } from './pairs';
import { RECIPE, sources } from './recipe';

const SHOTS = 80;
const PATCHES = 400;
const BATCH = 20;

/** Cameras and shifts: the training's own, and the two presets that stand for real pairs, as they are. */
const SETTINGS: Record<string, { camera: CameraPreset; shift: Pick<PatchOptions, 'shift' | 'unshifted'> }> = {
  'training camera': { camera: RECIPE.camera, shift: { shift: 8, unshifted: 0.4 } },
  'realsr-like': { camera: CAMERA_PRESETS['realsr-like'], shift: { shift: 0, unshifted: 1 } },
  'srraw-like': { camera: CAMERA_PRESETS['srraw-like'], shift: { shift: 0, unshifted: 1 } },
};

interface Row {
  readonly camera: string;
  readonly side: number;
  readonly flow: string;
  readonly patches: number;
  /** Mean end-point error by estimator, pixels. */
  readonly errors: Record<string, number>;
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { photos: { type: 'string' }, json: { type: 'string' } } });
  const engine = await startEngine();
  note(`engine ${engine.name}: ${engine.detail}`);
  const estimators = [zeroFlow, ...['raft-small', 'small'].flatMap(loadIfHere)];
  const rows: Row[] = [];
  for (const [camera, { camera: preset, shift }] of Object.entries(SETTINGS)) {
    const shots = await takeShots(camera, preset, values.photos);
    for (const side of [32, 64]) {
      const bar = progress(`${camera}, ${side} px`, PATCHES);
      const errors = estimators.map(() => [] as ReturnType<typeof endPointErrors>);
      for (let i = 0; i < PATCHES; i += BATCH) {
        const random = new Random(RECIPE.seed, 'measure', camera, side, i);
        const patches = cutPatches(shots, random, { ...shift, batch: BATCH, side });
        estimators.forEach((estimator, k) => errors[k].push(...endPointErrors(estimator, patches)));
        tf.dispose({ ...patches });
        bar.update(i + BATCH, '');
      }
      bar.stop();
      const classes = errors.map(byFlowSize);
      classes[0].forEach(({ flow, patches }, i) => {
        if (patches === 0 || (camera !== 'training camera' && flow !== 'all')) return;
        const each = estimators.map(({ name }, k) => [name, classes[k][i].error]);
        rows.push({ camera, side, flow, patches, errors: Object.fromEntries(each) as Row['errors'] });
      });
    }
  }
  const names = estimators.map(({ name }) => name);
  print(
    table(
      ['camera', 'side', 'flow', 'patches', ...names],
      rows.map((r) => [
        r.camera,
        String(r.side),
        r.flow,
        String(r.patches),
        ...names.map((n) => r.errors[n].toFixed(3)),
      ]),
    ),
  );
  const seconds = Object.fromEntries(
    [32, 64, 128].map((side) => [
      side,
      Object.fromEntries(estimators.slice(1).map((e) => [e.name, timeOf(e, side)])),
    ]),
  );
  for (const [side, each] of Object.entries(seconds)) {
    const text = Object.entries(each).map(([name, s]) => `${name} ${(1000 * s).toFixed(1)} ms`);
    print(`8 pairs of ${side} px: ${text.join(', ')}`);
  }
  if (values.json !== undefined) {
    writeFileAtomic(values.json, `${JSON.stringify({ engine, rows, seconds }, undefined, 2)}\n`);
  }
}

/** Nothing where its weights are not at hand. */
function loadIfHere(name: string): FlowEstimator[] {
  try {
    return [loadFlowEstimator(name)];
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    note(`${name} is left out: ${error.message}`);
    return [];
  }
}

async function takeShots(name: string, camera: CameraPreset, folder: string | undefined): Promise<Shot[]> {
  const { photos, scenes } = sources('held out', folder);
  const bar = progress(`shots, ${name}`, SHOTS);
  const shots: Shot[] = [];
  for (let i = 0; i < SHOTS; i++) {
    const source = photos === undefined || i % 4 === 3 ? scenes : photos;
    shots.push(await takeShot(source, i % source.size, camera, RECIPE.seed, 'measure', name, i));
    bar.update(i + 1, '');
  }
  bar.stop();
  return shots;
}

/** Seconds for a batch of 8, the best of five. */
function timeOf(estimator: FlowEstimator, side: number): number {
  const [a, b] = [1, 2].map((seed) =>
    tf.randomUniform<tf.Rank.R4>([8, side, side, 3], 0, 1, 'float32', seed),
  );
  let best = Infinity;
  for (let i = 0; i < 6; i++) {
    const start = process.hrtime.bigint();
    tf.tidy(() => void estimator.estimate(a, b).dataSync());
    if (i > 0) best = Math.min(best, Number(process.hrtime.bigint() - start) / 1e9);
  }
  tf.dispose([a, b]);
  return best;
}

main().catch((error: unknown) => {
  note(error instanceof Error ? (error.stack ?? error.message) : String(error));
  process.exitCode = 1;
});
