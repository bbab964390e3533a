/** The paper's tables, and ours beyond them, as grids. */
import type { CameraPresetName } from '../data/camera-presets';
import { NETWORK_NAMES, type NetworkName } from '../networks/networks';
import { mimicCorrected, mimicRecoloured, mimicThroughCamera, type MimicSettings } from '../mimic/config';
import { MODES, type Recipe, type TrainingSettings } from '../train/config';
import { InputError, knownName, unknownName } from '../util/errors';
import { NO_REFERENCE_METRICS, type Benchmark } from './benchmarks';
import { experiment, type Experiment } from './experiment';
import {
  GRID_NAMES,
  type Grid,
  type GridColumn,
  type GridName,
  type GridOptions,
  type GridRow,
  type VariantOptions,
} from './grid';
import { missingModels, realNotes, tableNotes, variantNotes } from './grid-notes';
import { METHOD_NAMES, METHODS, mimicReleased, type MethodName } from './methods';
import { TRAINING_SETS, type Profile, type TrainingSetName } from './profiles';
import {
  CORRECTIONS,
  recolouredThroughLens,
  recolouredTakenBack,
  SWITCH_NAMES,
  withOption,
  without,
} from './variants';

const BASELINES = ['alignment-loss', 'cx', 'cobi', 'auxiliary-input', 'pseudo-gt'] as const;
/** The paper's method, and what goes beyond the paper. */
const OURS = [
  'mimic',
  'mimic-corrected',
  'mimic-recoloured',
  'mimic-camera',
  'alignment-loss-recoloured',
] as const;

/** Synthetic Data, in the paper of Table 3 alone, stands everywhere: who trains on real pairs must beat it. */
const TABLE_METHODS: Readonly<Record<'table1' | 'table2' | 'table3' | 'real', readonly MethodName[]>> = {
  table1: ['synthetic', 'l1', ...BASELINES, ...OURS],
  table2: ['synthetic', 'l1', ...BASELINES, ...OURS],
  table3: ['synthetic', ...BASELINES, ...OURS],
  real: ['synthetic', 'l1', 'alignment-loss', ...OURS],
};

/** Of the grid `real`, by what its columns call the training. The pairs are crops, by one registration nearly aligned. */
const REAL_PAIRS = {
  'real pairs': { kind: 'pairs', folder: 'DRealSR-x4-crops' },
  'real pairs, misaligned': { kind: 'pairs', folder: 'DRealSR-x4-crops', misaligned: 'srraw-like' },
} as const;
/** Other scenes, photographed by others with other cameras. */
const REAL_BENCHMARK: Benchmark = { name: 'RealSR-x4-crops', kind: 'full-reference', lr: 'real' };

export const LAMBDAS = [0, 0.001, 0.01, 0.1, 1] as const;

/** Sizes of the movement in LR pixels; `srraw-like` has 0.42 to 1.75. */
export const MISALIGNMENTS = [0, 0.5, 1, 2, 4] as const;
/** One row a size each. */
const MISALIGNED_METHODS = [
  'l1',
  'alignment-loss-recoloured',
  'mimic-recoloured',
] as const satisfies readonly MethodName[];

/**
 * Options that a grid has no use for are passed over, so that one set of them serves several grids.
 * @throws InputError for an unknown grid, network or process, and for what is named twice
 */
export function grid(name: string, profile: Profile, options: GridOptions = {}): Grid {
  requireNames(options);
  switch (name as GridName) {
    case 'table1':
      return benchmarkTable('table1', 'SR-RAW', profile, options);
    case 'table2':
      return benchmarkTable('table2', 'RealSR', profile, options);
    case 'table3':
      return pictureTable(profile, options);
    case 'real':
      return realPairs(profile, options);
    case 'importance':
      return importance(profile, options);
    case 'misalignment':
      return misalignmentSweep(profile, options);
    case 'ablations':
      return ablations(profile, options);
    case 'lambda':
      return lambdaSweep(profile, options);
    default:
      throw unknownName('table or figure', name, GRID_NAMES);
  }
}

/** @throws InputError for an unknown network or process, and for what is named twice: one result would count as two */
function requireNames(options: GridOptions): void {
  const { networks = [], network, methods = [], seeds = [], lambdas = [], misalignments = [] } = options;
  for (const name of networks) knownName('network', name, NETWORK_NAMES);
  if (network !== undefined) knownName('network', network, NETWORK_NAMES);
  for (const name of methods) knownName('process', name, METHOD_NAMES);
  requireOnce('network', networks);
  requireOnce('process', methods);
  requireOnce('seed', seeds);
  requireOnce('lambda', lambdas);
  requireOnce('misalignment', misalignments);
}

function requireOnce(what: string, values: readonly (number | string)[]): void {
  const again = values.find((value, i) => values.indexOf(value) < i);
  if (again !== undefined) throw new InputError(`${what} ${again} is named twice: expected each once`);
}

const BICUBIC: GridRow = { network: '', method: 'bicubic', ours: false, experiments: {} };

/** Tables 1 and 2: trained on one set of real pairs, scored on benchmarks with reference. */
function benchmarkTable(
  id: 'table1' | 'table2',
  trainedOn: TrainingSetName,
  profile: Profile,
  options: GridOptions,
): Grid {
  return {
    id,
    title: `Table ${id.slice(-1)}: trained on ${trainedOn}, PSNR and SSIM on benchmarks`,
    profile,
    notes: tableNotes(profile, [trainedOn], options),
    rows: [BICUBIC, ...methodRows(id, dataOf(profile, [trainedOn]), profile, options)],
    columns: referenceColumns(profile, trainedOn, cameraOf(profile.trainingSets[trainedOn].data)),
  };
}

/** Table 3: scored without reference, on pictures like those of the training. */
function pictureTable(profile: Profile, options: GridOptions): Grid {
  return {
    id: 'table3',
    title: 'Table 3: scored without reference on pictures of the set trained on',
    profile,
    notes: [...tableNotes(profile, TRAINING_SETS, options), ...missingModels()],
    rows: [BICUBIC, ...methodRows('table3', dataOf(profile, TRAINING_SETS), profile, options)],
    columns: TRAINING_SETS.flatMap((trainedOn) =>
      NO_REFERENCE_METRICS.map((metric) => ({
        trainedOn,
        benchmark: profile.trainingSets[trainedOn].pictures,
        metric,
      })),
    ),
  };
}

/**
 * Beyond the paper: trained on real pairs as they are, and on the same with their HR moved and recoloured; scored on real LR
 * pictures of another set. The degradations are real, and what misalignment costs can be told from them.
 */
function realPairs(profile: Profile, options: GridOptions): Grid {
  return {
    id: 'real',
    title: 'Real pairs, as they are and misaligned further: PSNR and SSIM on the real LR of others',
    profile,
    notes: realNotes(profile, options),
    rows: [BICUBIC, ...methodRows('real', REAL_PAIRS, profile, options)],
    columns: Object.keys(REAL_PAIRS).flatMap((trainedOn) =>
      REFERENCE_METRICS.map((metric) => ({ trainedOn, benchmark: REAL_BENCHMARK, metric })),
    ),
  };
}

/**
 * Figures 1 and 2: what misalignment does to a training with L1, its geometry and its colour apart. Beside it what "Ours" makes
 * of such pairs, and what it costs where there is nothing to align.
 */
function importance(profile: Profile, options: GridOptions): Grid {
  const row = variantRow(profile, options);
  const l1 = { name: 'l1' } as const;
  const ours = (label: string, options: MimicSettings, camera?: CameraPresetName): GridRow =>
    row(label, { name: 'mimic', options }, camera, true);
  return ofVariants(profile, options, {
    id: 'importance',
    title: 'Figures 1 and 2: L1 on pairs misaligned in geometry, in colour, in both and in neither',
    rows: [
      BICUBIC,
      row('L1, aligned pairs', l1, 'srraw-aligned'),
      ours('Ours, aligned pairs', mimicReleased(profile.methods), 'srraw-aligned'),
      ours('Ours corrected, aligned pairs', mimicCorrected(), 'srraw-aligned'),
      ours('Ours recoloured, aligned pairs', mimicRecoloured(), 'srraw-aligned'),
      ours('Ours recoloured, through a lens, aligned pairs', recolouredThroughLens(), 'srraw-aligned'),
      ours('Ours through a camera, aligned pairs', mimicThroughCamera(), 'srraw-aligned'),
      row('L1, colour misaligned', l1, 'srraw-colour'),
      row('L1, geometry misaligned', l1, 'srraw-geometry'),
      row('L1, both misaligned', l1),
      ours('Ours, both misaligned', mimicReleased(profile.methods)),
      ours('Ours corrected, both misaligned', mimicCorrected()),
      ours('Ours recoloured, both misaligned', mimicRecoloured()),
      ours('Ours recoloured, through a lens, both misaligned', recolouredThroughLens()),
      ours('Ours through a camera, both misaligned', mimicThroughCamera()),
      row('Alignment Loss recoloured, both misaligned', MODES.recoloured['alignment-loss']()),
    ],
  });
}

/** How much misalignment each process bears: one training a size of the movement; the colours are off in all. */
function misalignmentSweep(profile: Profile, options: GridOptions): Grid {
  const sizes = options.misalignments ?? MISALIGNMENTS;
  const methods = options.methods ?? MISALIGNED_METHODS;
  return ofVariants(profile, options, {
    id: 'misalignment',
    title: 'What a training loses by the size of the misalignment',
    rows: methods.flatMap((name) =>
      sizes.map((size) => {
        const process = METHODS[name].process(profile.methods);
        const row = variantRow(profile, options, size);
        return row(`${METHODS[name].label}, ${size} px`, process, 'srraw-like', process.name === 'mimic');
      }),
    ),
    sweep: {
      name: 'misalignment, LR pixels',
      values: sizes,
      series: methods.map((name) => METHODS[name].label),
    },
  });
}

/**
 * Every slip of the official code corrected by itself, every part of the corrected method left out, its HR antialiased,
 * every step beyond it taken back, and one more taken.
 */
function ablations(profile: Profile, options: GridOptions): Grid {
  const row = variantRow(profile, options);
  const released = mimicReleased(profile.methods);
  const ours = (label: string, options: MimicSettings, isOurs = false): GridRow =>
    row(label, { name: 'mimic', options }, 'srraw-like', isOurs);
  return ofVariants(profile, options, {
    id: 'ablations',
    title: 'Ablations of the mimicking process',
    rows: [
      BICUBIC,
      row('L1', { name: 'l1' }),
      row('L1, aligned pairs', { name: 'l1' }, 'srraw-aligned'),
      ours('Ours, released', released, true),
      ours('Ours, corrected', mimicCorrected(), true),
      ours('Ours, recoloured', mimicRecoloured(), true),
      ours('Ours, through a camera', mimicThroughCamera(), true),
      ...Object.entries(recolouredTakenBack()).map(([label, options]) =>
        ours(`recoloured, ${label}`, options),
      ),
      ours('recoloured, through a lens', recolouredThroughLens()),
      ...CORRECTIONS.map((name) =>
        ours(`released, ${name} corrected`, { ...released, corrections: { [name]: true } }),
      ),
      ...SWITCH_NAMES.map((name) => ours(`corrected, ${name} off`, without(mimicCorrected(), [name]))),
      ours('corrected, antialiased', { ...mimicCorrected(), antialias: true }),
    ],
  });
}

/** The corrected method with other weights of its colour term; 0 is without it. */
function lambdaSweep(profile: Profile, options: GridOptions): Grid {
  const row = variantRow(profile, options);
  const lambdas = options.lambdas ?? LAMBDAS;
  return ofVariants(profile, options, {
    id: 'lambda',
    title: 'Weight lambda of the colour term',
    rows: lambdas.map((lambda) =>
      row(
        `lambda ${lambda}`,
        { name: 'mimic', options: withOption(mimicCorrected(), 'lambda', lambda) },
        'srraw-like',
        true,
      ),
    ),
    sweep: { name: 'lambda', values: lambdas, series: [METHODS['mimic-corrected'].label] },
  });
}

/** A training that differs from others in one thing or another. */
export interface Variant {
  readonly label: string;
  readonly process: TrainingSettings['process'];
  /** Where it departs from the profile's. */
  readonly recipe?: Partial<Omit<Recipe, 'seed'>>;
  /** Whether it is held to be "Ours", not a baseline. */
  readonly ours?: boolean;
}

/** Variants of a training beside each other, all of one network on the same pairs, each with its label as row. */
export function variantGrid(
  title: string,
  variants: readonly Variant[],
  profile: Profile,
  options: VariantOptions = {},
): Grid {
  requireNames(options);
  const { network = 'seemore', data = profile.camera('srraw-like') } = options;
  const choice = profile.networks[network];
  const rows = variants.map(({ label, process, recipe, ours = false }) => {
    const changed = { ...choice, recipe: { ...choice.recipe, ...recipe } };
    const own = { ...profile, networks: { ...profile.networks, [network]: changed } };
    return rowOn(data, own, options, label, process, ours);
  });
  return ofVariants(profile, options, { id: 'variants', title, rows });
}

/** What grids of variants have in common: notes, and benchmarks by their own LR and by the camera's, `srraw-like` if not another. */
function ofVariants(
  profile: Profile,
  options: VariantOptions,
  own: Pick<Grid, 'id' | 'title' | 'rows' | 'sweep'>,
): Grid {
  const { data = profile.camera('srraw-like') } = options;
  return {
    ...own,
    profile,
    notes: variantNotes(profile, options),
    columns: referenceColumns(profile, variantsOn(data), cameraOf(data)),
  };
}

/** The name under which a variant's row has its trainings, whatever camera each was trained through. */
function variantsOn(data: TrainingSettings['data']): string {
  return data.kind === 'pairs' ? data.folder : 'simulated camera';
}

function dataOf(
  { trainingSets }: Profile,
  sets: readonly TrainingSetName[],
): Readonly<Record<string, TrainingSettings['data']>> {
  return Object.fromEntries(sets.map((set) => [set, trainingSets[set].data]));
}

/** @param data what each row is trained on, by the names that the columns have for it */
function methodRows(
  table: keyof typeof TABLE_METHODS,
  data: Readonly<Record<string, TrainingSettings['data']>>,
  profile: Profile,
  options: GridOptions,
): GridRow[] {
  const methods = options.methods ?? TABLE_METHODS[table];
  return (options.networks ?? NETWORK_NAMES).flatMap((network) =>
    methods.map((method) => {
      const process = METHODS[method].process(profile.methods);
      return {
        network: profile.networks[network].label,
        method: METHODS[method].label,
        ours: process.name === 'mimic',
        experiments: Object.fromEntries(
          Object.entries(data).map(([trainedOn, pairs]) => [
            trainedOn,
            experimentsOf(network, process, pairs, profile, options),
          ]),
        ),
      };
    }),
  );
}

function variantRow(
  profile: Profile,
  options: GridOptions,
  misalignment?: number,
): (
  method: string,
  process: TrainingSettings['process'],
  camera?: CameraPresetName,
  ours?: boolean,
) => GridRow {
  return (method, process, camera = 'srraw-like', ours = false) =>
    rowOn(profile.camera(camera, misalignment), profile, options, method, process, ours);
}

function rowOn(
  data: TrainingSettings['data'],
  profile: Profile,
  options: GridOptions,
  method: string,
  process: TrainingSettings['process'],
  ours: boolean,
): GridRow {
  const network = options.network ?? 'seemore';
  return {
    network: profile.networks[network].label,
    method,
    ours,
    experiments: { [variantsOn(data)]: experimentsOf(network, process, data, profile, options) },
  };
}

function experimentsOf(
  network: NetworkName,
  process: TrainingSettings['process'],
  data: TrainingSettings['data'],
  profile: Profile,
  { seeds = profile.seeds, iterations }: GridOptions,
): Experiment[] {
  const { preset, recipe } = profile.networks[network];
  return seeds.map((seed) =>
    experiment({
      network: { name: network, ...(preset === undefined ? {} : { preset }) },
      process,
      data,
      recipe: { ...profile.recipe, ...recipe, ...(iterations === undefined ? {} : { iterations }), seed },
    }),
  );
}

const REFERENCE_METRICS = ['psnrY', 'ssimY'] as const;

/** PSNR and SSIM on luma: the benchmarks' own LR, then that of the camera. */
function referenceColumns(
  profile: Profile,
  trainedOn: string,
  camera: CameraPresetName | undefined,
): GridColumn[] {
  const byCamera =
    camera === undefined
      ? []
      : profile.cameraBenchmarks.map((name): Benchmark => ({ name, kind: 'full-reference', lr: camera }));
  return [...profile.benchmarks, ...byCamera].flatMap((benchmark) =>
    REFERENCE_METRICS.map((metric) => ({ trainedOn, benchmark, metric })),
  );
}

function cameraOf(data: TrainingSettings['data']): CameraPresetName | undefined {
  return data.kind === 'pairs' ? undefined : data.preset;
}
