/**
 * Profiles: what a table costs. Each names the recipe, the networks' sizes, the data and the benchmarks; where a real set
 * is not at hand, all but `paper` take the simulated camera that is like it, and say so.
 */
import type { CameraPresetName } from '../data/camera-presets';
import { datasetPhotos, hasDataset } from '../data/datasets';
import type { NetworkName } from '../networks/networks';
import type { Recipe, TrainingSettings } from '../train/config';
import { knownName, unlessInputError } from '../util/errors';
import type { Benchmark } from './benchmarks';
import type { TaskResources } from './launcher';
import type { MethodOptions } from './methods';

type DataSettings = TrainingSettings['data'];

/** @param misalignment size of the movement in LR pixels, where it is not to be the preset's */
type CameraData = (preset: CameraPresetName, misalignment?: number) => DataSettings;

/** What the paper trained on. */
export const TRAINING_SETS = ['SR-RAW', 'RealSR'] as const;
export type TrainingSetName = (typeof TRAINING_SETS)[number];

export interface TrainingSet {
  readonly data: DataSettings;
  /** What stands in for the real set, in words; absent where it is the real set. */
  readonly standIn?: string;
  /** Its LR pictures for Table 3. */
  readonly pictures: Benchmark;
}

export interface NetworkChoice {
  readonly label: string;
  /** A size other than the paper's. */
  readonly preset?: string;
  readonly recipe?: Partial<Recipe>;
}

export interface Profile {
  readonly name: ProfileName;
  /** What it is for and what it costs. */
  readonly about: string;
  readonly recipe: Partial<Omit<Recipe, 'seed'>>;
  readonly networks: Readonly<Record<NetworkName, NetworkChoice>>;
  readonly seeds: readonly number[];
  /** What a run gets on a cluster. */
  readonly task: TaskResources;
  readonly methods: MethodOptions;
  readonly trainingSets: Readonly<Record<TrainingSetName, TrainingSet>>;
  /** Data of a training through any camera: ablations, importance of alignment, misalignment. */
  readonly camera: CameraData;
  /** Of Tables 1 and 2. */
  readonly benchmarks: readonly Benchmark[];
  /** Whether Tables 1 and 2 are also made on the LR of the camera that was trained on. */
  readonly cameraBenchmarks: readonly string[];
}

export const PROFILE_NAMES = ['smoke', 'mini', 'small', 'paper'] as const;
export type ProfileName = (typeof PROFILE_NAMES)[number];

/** The paper's benchmarks with reference, in its order. */
export const PAPER_BENCHMARKS = ['Set5', 'Set14', 'BSD100', 'Urban100', 'Manga109', 'DIV2KRK'] as const;
/** Photographs for the simulated camera, best first; the last are BSDS500's training part without Set5's "woman". */
const PHOTOGRAPHS = ['DIV2K:train', 'BSDS500:train', 'BSDS500-train'];

const CAMERA_OF: Readonly<Record<TrainingSetName, CameraPresetName>> = {
  'SR-RAW': 'srraw-like',
  RealSR: 'realsr-like',
};

const PAPER_NETWORKS = {
  rrdbnet: { label: 'RRDBNet' },
  swinir: { label: 'SwinIR' },
  dat: { label: 'DAT' },
  seemore: { label: 'SeeMoRe' },
} as const satisfies Record<NetworkName, NetworkChoice>;

/** What two cores train in minutes a row, named for what it is. */
const MINI_NETWORKS = {
  rrdbnet: { label: 'RRDBNet, 2 of 23 blocks of half the width', preset: 'mini' },
  swinir: { label: 'SwinIR, 1 of 4 groups', preset: 'mini' },
  dat: { label: 'DAT, 4 of 18 blocks', preset: 'mini' },
  seemore: { label: 'SeeMoRe' },
} as const satisfies Record<NetworkName, NetworkChoice>;

const PROFILES: Readonly<Record<ProfileName, () => Omit<Profile, 'name'>>> = {
  smoke: () => ({
    about: 'seconds a run, for tests: two updates, on drawn scenes; the numbers mean nothing',
    recipe: { iterations: 2, batch: 2, patch: 24, checkpointEvery: 2, logEvery: 1 },
    networks: MINI_NETWORKS,
    seeds: [1],
    task: { gpus: 0, cpus: 2, memoryGiB: 4, minutes: 15 },
    methods: {
      weights: 'at hand',
      pseudoGt: { lengths: { dam: 0.5, alignformer: 0.5 }, patch: 24, batch: 1 },
    },
    ...simulated(undefined, 2, 1),
    benchmarks: [{ name: 'scenes', kind: 'full-reference', lr: 'bicubic', pictures: 1 }],
    cameraBenchmarks: [],
  }),
  mini: () => ({
    about: 'a coffee a row on two cores: 600 updates of 8 patches; order of the rows, not their height',
    recipe: { iterations: 600, batch: 8, patch: 32, checkpointEvery: 100, logEvery: 10 },
    networks: MINI_NETWORKS,
    seeds: [1],
    task: { gpus: 0, cpus: 4, memoryGiB: 8, minutes: 240 },
    methods: {
      weights: 'at hand',
      pseudoGt: { lengths: { dam: 0.5, alignformer: 0.5 }, patch: 32, batch: 2 },
    },
    ...simulated(photographs(), 64, 20),
    ...benchmarksAtHand(['Set5', 'Set14', 'BSD100'], ['Set5', 'Set14']),
  }),
  small: () => ({
    about: 'about an hour of one GPU a row: 20,000 updates of 16 patches, three seeds',
    recipe: { iterations: 20_000, batch: 16, patch: 32, checkpointEvery: 1000, logEvery: 50 },
    networks: PAPER_NETWORKS,
    seeds: [1, 2, 3],
    task: { gpus: 1, cpus: 8, memoryGiB: 32, minutes: 480 },
    methods: { weights: 'at hand', pseudoGt: { lengths: { dam: 0.5, alignformer: 0.5 } } },
    ...simulated(photographs(), 256),
    ...benchmarksAtHand(PAPER_BENCHMARKS, ['Set5', 'Set14', 'BSD100']),
  }),
  paper: () => ({
    about: "the paper's recipe on the paper's data: 200,000 updates of 32 patches a run",
    recipe: {},
    networks: PAPER_NETWORKS,
    seeds: [42],
    task: { gpus: 1, cpus: 8, memoryGiB: 32, minutes: 1440 },
    methods: { weights: 'paper' },
    trainingSets: {
      'SR-RAW': {
        data: { kind: 'pairs', folder: 'SR-RAW-x4/train' },
        pictures: { name: 'SR-RAW-x4/test', kind: 'no-reference', lr: 'real' },
      },
      RealSR: {
        data: { kind: 'pairs', folder: 'RealSR-V3-x4/Canon-train' },
        pictures: { name: 'RealSR-V3-x4/Canon-test', kind: 'no-reference', lr: 'real' },
      },
    },
    camera: cameraData(photographs(), 256),
    benchmarks: PAPER_BENCHMARKS.map((name) => ({ name, kind: 'full-reference', lr: 'bicubic' })),
    cameraBenchmarks: [],
  }),
};

/** @throws InputError for an unknown name */
export function profile(name: string): Profile {
  const known = knownName('profile', name, PROFILE_NAMES);
  return { name: known, ...PROFILES[known]() };
}

/** The photographs that are here for the simulated camera, by their name as a data set. */
export function photographs(): string | undefined {
  return PHOTOGRAPHS.find((name) => unlessInputError(() => datasetPhotos(name)) !== undefined);
}

function cameraData(photos: string | undefined, scenes: number): CameraData {
  return (preset, misalignment) => {
    const moved = misalignment === undefined ? {} : { misalignment };
    return photos === undefined
      ? { kind: 'scenes', preset, count: scenes, ...moved }
      : { kind: 'camera', preset, photos, ...moved };
  };
}

function simulated(
  photos: string | undefined,
  scenes: number,
  pictures?: number,
): Pick<Profile, 'trainingSets' | 'camera'> {
  const camera = cameraData(photos, scenes);
  const standIn = (set: TrainingSetName): TrainingSet => ({
    data: camera(CAMERA_OF[set]),
    standIn: `simulated camera ${CAMERA_OF[set]} on ${photos ?? `${scenes} drawn scenes`}`,
    pictures: {
      name: ['BSD100', 'Set14'].find((name) => photos !== undefined && hasDataset(name)) ?? 'scenes',
      kind: 'no-reference',
      lr: CAMERA_OF[set],
      ...(pictures === undefined ? {} : { pictures }),
    },
  });
  return { trainingSets: { 'SR-RAW': standIn('SR-RAW'), RealSR: standIn('RealSR') }, camera };
}

/** Those of the benchmarks that are here; drawn scenes where none is. */
function benchmarksAtHand(
  wanted: readonly string[],
  byCamera: readonly string[],
): Pick<Profile, 'benchmarks' | 'cameraBenchmarks'> {
  const here = (names: readonly string[]): string[] => {
    const found = names.filter(hasDataset);
    return found.length === 0 ? ['scenes'] : found;
  };
  return {
    benchmarks: here(wanted).map((name) => ({ name, kind: 'full-reference', lr: 'bicubic' })),
    cameraBenchmarks: here(byCamera),
  };
}
