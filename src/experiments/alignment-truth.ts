/**
 * Alignment against the simulated camera's truth, which the paper did not have: how far the real LR, the LR warped by optical
 * flow and the mimicked LR of a trained module are off in geometry, colour and every pixel (Figure 5), and how that grows
 * with the misalignment.
 */
import { datasetPhotos } from '../data/datasets';
import type { CameraShot } from '../data/camera';
import { cameraShot, scenePhotos, type CameraPresetName } from '../data/camera-pairs';
import { cameraPreset } from '../data/camera-presets';
import { loadFlowEstimator, type LoadedEstimator } from '../flow/estimators';
import { reduction } from '../metrics/alignment';
import { alignPair, type AlignedPair } from '../mimic/align-pair';
import { measureAlignment, type LrMeasures, type LrPicture, type Truth } from '../mimic/measure-alignment';
import { loadMimicModule } from '../mimic/trained-module';
import { InputError } from '../util/errors';
import { silentProgress, type ProgressFactory } from '../util/progress';
import { BENCHMARK_SEED } from './benchmarks';

export interface AlignmentTruthOptions {
  readonly camera: CameraPresetName;
  /** Data set whose pictures are photographed; "scenes" for drawn ones. No training may have seen them. */
  readonly pictures: string;
  /** How many pictures. Default 10. */
  readonly count?: number;
  /** Size of the movement, LR pixels, instead of the camera's own range. */
  readonly misalignment?: number;
  /** Go through a pair in patches of so many LR pixels, as training does. Default 32. */
  readonly patch?: number;
  readonly progress?: ProgressFactory;
}

/** Means over the shots. */
export interface AlignmentTruth {
  readonly shots: number;
  /** Mean length of the true flow, LR pixels. */
  readonly trueFlow: number;
  readonly measures: readonly LrMeasures[];
  /** Percent by which the squared error of each picture is below the real LR's. */
  readonly reduction: Readonly<Partial<Record<LrPicture, number>>>;
  /** The first pair and its truth, to look at. */
  readonly example: { readonly pair: AlignedPair; readonly truth: Truth };
}

/**
 * @param source run folder of a mimic run, or a module's weights
 * @throws InputError where there is no such module or no pictures
 */
export async function alignmentTruth(
  source: string,
  options: AlignmentTruthOptions,
): Promise<AlignmentTruth> {
  const shots: CameraShot[] = [];
  const all: LrMeasures[][] = [];
  let example: AlignmentTruth['example'] | undefined;
  const { module, config, file } = loadMimicModule(source);
  let flow: LoadedEstimator | undefined;
  try {
    if (config === undefined) {
      throw new InputError(`${file} does not say how it was trained: give the run folder of a mimic run`);
    }
    if (config.flow !== 'none') flow = loadFlowEstimator(config.flow);
    shots.push(...(await takeShots(options)));
    const { patch = 32, progress = silentProgress } = options;
    const bar = progress(`align ${options.camera} shots`, shots.length);
    try {
      for (const [i, shot] of shots.entries()) {
        const pair = await alignPair(shot.lr, shot.hr, { module, config, flow, seed: i, patch });
        example ??= { pair, truth: shot };
        all.push(measureAlignment(pair, shot));
        bar.update(i + 1, '');
      }
    } finally {
      bar.stop();
    }
  } finally {
    module.dispose();
    flow?.dispose();
  }
  const measures = all[0].map((_, k) => meanOf(all.map((row) => row[k])));
  const squared = (picture: LrPicture): number | undefined =>
    measures.find((m) => m.picture === picture)?.squared;
  return {
    shots: shots.length,
    trueFlow: mean(shots.map(({ flow: { data, width, height } }) => meanLength(data, width * height))),
    measures,
    reduction: Object.fromEntries(
      measures
        .filter(({ picture }) => picture !== 'lr')
        .map(({ picture }) => [picture, reduction(squared(picture)!, squared('lr')!)]),
    ),
    example: example!,
  };
}

async function takeShots({
  camera,
  pictures,
  count = 10,
  misalignment,
}: AlignmentTruthOptions): Promise<CameraShot[]> {
  const photos = pictures === 'scenes' ? scenePhotos(count, BENCHMARK_SEED) : datasetPhotos(pictures);
  const preset = cameraPreset(camera, misalignment);
  const shots: CameraShot[] = [];
  for (let i = 0; i < Math.min(count, photos.size); i++) {
    const { image } = await photos.load(i);
    shots.push(await cameraShot(image, preset, BENCHMARK_SEED, i));
  }
  return shots;
}

function meanOf(rows: readonly LrMeasures[]): LrMeasures {
  const numbers = Object.keys(rows[0]).filter((key) => key !== 'picture') as Exclude<
    keyof LrMeasures,
    'picture'
  >[];
  return {
    picture: rows[0].picture,
    ...(Object.fromEntries(numbers.map((key) => [key, mean(rows.map((row) => row[key]!))])) as Omit<
      LrMeasures,
      'picture'
    >),
  };
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, v) => sum + v, 0) / values.length;
}

function meanLength(flow: Float32Array, pixels: number): number {
  let sum = 0;
  for (let i = 0; i < pixels; i++) sum += Math.hypot(flow[2 * i], flow[2 * i + 1]);
  return sum / pixels;
}

/** Figure 5 in numbers: one record a picture of each trained module. */
export function alignmentRecords(
  truths: readonly { readonly method: string; readonly truth: AlignmentTruth }[],
): Record<string, string | number | undefined>[] {
  return truths.flatMap(({ method, truth }) =>
    truth.measures.map((m) => ({
      process: method,
      picture: m.picture,
      shots: truth.shots,
      trueFlow: truth.trueFlow.toFixed(3),
      endPoint: m.endPoint?.toFixed(3),
      misalignment: m.misalignment.toFixed(3),
      colour: m.colour.toFixed(2),
      absolute: m.absolute.toFixed(2),
      squared: m.squared.toFixed(1),
      reduction: truth.reduction[m.picture]?.toFixed(2),
      noise: m.noise.toFixed(2),
      spectrum: m.spectrum.toFixed(2),
    })),
  );
}
