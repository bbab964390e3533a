/**
 * The comparison behind the paper's claim: one SR network trained on misaligned pairs of simulated cameras with L1, with
 * "Ours" as released and with "Ours" corrected, and with L1 on truly aligned pairs, which is as good as it gets. Every
 * cell of the grid (camera, method, seed) is a run folder with a result.json; a cell that has one is finished.
 *
 * Each run is scored twice on every benchmark: on the benchmark's own LR (MATLAB bicubic), and on its HR pictures
 * photographed by the same camera without misalignment, whose blur, noise and JPEG are those of the training.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cameraPairs, filePhotos, type CameraPresetName } from '../data/camera-pairs';
import { folderPairs, pairFiles, type PairSet } from '../data/pairs';
import { folderOf } from '../data/roots';
import type { FlowName } from '../flow/estimators';
import type { ColourName } from '../losses/colour-terms';
import { mimicCorrected } from '../mimic/config';
import type { TrainingSettings } from '../train/config';
import { bicubicUpscaler, evaluate, networkUpscaler, type Scores, type Upscaler } from '../train/evaluate';
import { train } from '../train/run';
import { InputError } from '../util/errors';
import type { ProgressFactory } from '../util/progress';
import { versions, type Versions } from '../util/versions';
import { runFiles } from '../util/run-files';
import { writeFileAtomic } from '../util/write-file';

export const METHODS = ['l1', 'mimic-released', 'mimic-corrected'] as const;
export type Method = (typeof METHODS)[number];

export interface Comparison {
  readonly network: string;
  /** Folder or dataset of HR photographs to train on. */
  readonly photos: string;
  /** Datasets to score on; no picture of them may be in `photos`. */
  readonly benchmarks: readonly string[];
  readonly cameras: readonly CameraPresetName[];
  readonly methods: readonly Method[];
  readonly seeds: readonly number[];
  readonly iterations: number;
  readonly batch: number;
  readonly patch: number;
  readonly flow: FlowName;
  /** Colour term of both mimic methods; absent: CDNet, released or corrected as the method. */
  readonly colour?: ColourName;
  /** Folder of the runs, tables and pictures. */
  readonly out: string;
}

/** One run, or bicubic interpolation, which is trained on nothing. */
export type Cell =
  | { readonly method: Method; readonly camera: CameraPresetName; readonly seed: number }
  | { readonly method: 'bicubic' };

/** Mean scores on one benchmark. `lr` says which LR: the benchmark's own, or of which camera. */
export interface BenchmarkScores extends Scores {
  readonly benchmark: string;
  readonly lr: 'bicubic' | CameraPresetName;
}

export interface CellResult {
  readonly cell: Cell;
  /** What was trained; null for bicubic. */
  readonly settings: TrainingSettings | null;
  readonly scores: readonly BenchmarkScores[];
  readonly secondsPerStep?: number;
  readonly versions: Versions;
  readonly finished: string;
}

/** Benchmark pictures are photographed by cameras of this seed, training pictures by those of the run's data seed. */
const BENCHMARK_SEED = 1_000_003;

/** The grid, a complete table for the first seed first. */
export function comparisonCells({ cameras, methods, seeds }: Comparison): Cell[] {
  const runs = seeds.flatMap((seed) =>
    methods.flatMap((method) => cameras.map((camera): Cell => ({ method, camera, seed }))),
  );
  return [{ method: 'bicubic' }, ...runs];
}

/** "srraw-like-l1-1": the cell's name and its folder's. */
export function cellName(cell: Cell): string {
  return cell.method === 'bicubic' ? 'bicubic' : `${cell.camera}-${cell.method}-${cell.seed}`;
}

export function cellFolder(comparison: Comparison, cell: Cell): string {
  return join(comparison.out, 'runs', cellName(cell));
}

/**
 * The cell's result, or undefined where it is not finished, or lacks one of the benchmarks.
 * @throws InputError where the folder holds a run with other settings
 */
export function cellResult(comparison: Comparison, cell: Cell): CellResult | undefined {
  const path = join(cellFolder(comparison, cell), 'result.json');
  if (!existsSync(path)) return undefined;
  const result = JSON.parse(readFileSync(path, 'utf8')) as CellResult;
  const settings = JSON.stringify(cellSettings(comparison, cell));
  if (JSON.stringify(result.settings) !== settings) {
    throw new InputError(
      `${path}: expected a run of ${settings}, found ${JSON.stringify(result.settings)}: choose another folder`,
    );
  }
  const scored = ({ benchmark, lr }: Wanted): boolean =>
    result.scores.some((row) => row.benchmark === benchmark && row.lr === lr);
  return wantedScores(comparison, cell).every(scored) ? result : undefined;
}

/**
 * Trains (or goes on training) and scores one cell. An engine must be running.
 * @returns false where `signal` stopped it before its last iteration
 */
export async function runCell(
  comparison: Comparison,
  cell: Cell,
  options: { readonly progress?: ProgressFactory; readonly signal?: AbortSignal } = {},
): Promise<boolean> {
  const folder = cellFolder(comparison, cell);
  const settings = cellSettings(comparison, cell);
  const finish = async (upscaler: Upscaler, extra: { secondsPerStep?: number } = {}): Promise<void> => {
    const scores: BenchmarkScores[] = [];
    for (const { benchmark, lr } of wantedScores(comparison, cell)) {
      const { mean } = await evaluate(upscaler, benchmarkPairs(benchmark, lr), options);
      scores.push({ benchmark, lr, ...mean });
    }
    const result: CellResult = {
      cell,
      settings,
      scores,
      ...extra,
      versions: versions(),
      finished: new Date().toISOString(),
    };
    writeFileAtomic(join(folder, 'result.json'), `${JSON.stringify(result, undefined, 2)}\n`);
  };
  if (settings === null) {
    await finish(bicubicUpscaler);
    return true;
  }
  const run = await train(folder, settings, options);
  try {
    if (run.step < comparison.iterations) return false;
    const { secondsPerStep } = run;
    await finish(networkUpscaler(run.network), secondsPerStep > 0 ? { secondsPerStep } : {});
    return true;
  } finally {
    run.network.dispose();
  }
}

function cellSettings(comparison: Comparison, cell: Cell): TrainingSettings | null {
  if (cell.method === 'bicubic') return null;
  const { network, photos, iterations, batch, patch, flow, colour } = comparison;
  const parts = { flow, ...(colour === undefined ? {} : { colour }) };
  const process: TrainingSettings['process'] =
    cell.method === 'l1'
      ? { name: 'l1' }
      : {
          name: 'mimic',
          options: { ...(cell.method === 'mimic-corrected' ? mimicCorrected() : {}), ...parts },
        };
  return {
    network: { name: network },
    process,
    data: { kind: 'camera', preset: cell.camera, photos },
    recipe: { iterations, batch, patch, seed: cell.seed, checkpointEvery: 200, logEvery: 20 },
  };
}

type Wanted = Pick<BenchmarkScores, 'benchmark' | 'lr'>;

/** Runs on aligned pairs are the upper bound of every camera, so they and bicubic are scored on the LR of each. */
function wantedScores({ benchmarks, cameras }: Comparison, cell: Cell): Wanted[] {
  const all = cell.method === 'bicubic' || cell.camera === 'aligned';
  const lrs = ['bicubic', ...(all ? cameras : [cell.camera])] as const;
  return benchmarks.flatMap((benchmark) => lrs.map((lr) => ({ benchmark, lr })));
}

/** A benchmark with its own LR, or its HR pictures photographed by a camera without misalignment. */
export function benchmarkPairs(benchmark: string, lr: BenchmarkScores['lr']): PairSet {
  const folder = folderOf(benchmark);
  if (lr === 'bicubic') return folderPairs(folder);
  const files = pairFiles(folder).map((pair) => pair.hr);
  return cameraPairs(filePhotos(files, `${benchmark} photographs`), lr, BENCHMARK_SEED, 'aligned');
}

/** The configuration of a cell's run as it was stored, with engine, versions, commit and the data's checksum. */
export function cellRecord(comparison: Comparison, cell: Cell): Record<string, never> | undefined {
  const { config } = runFiles(cellFolder(comparison, cell));
  return existsSync(config) ? (JSON.parse(readFileSync(config, 'utf8')) as Record<string, never>) : undefined;
}
