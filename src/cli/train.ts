import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Command, Option } from 'commander';
import { CAMERA_PRESET_NAMES } from '../data/camera-pairs';
import { startEngine } from '../engine/engines';
import { NETWORK_NAMES } from '../networks/networks';
import {
  checkPart,
  MODE_NAMES,
  PROCESS_NAMES,
  processInMode,
  recipe,
  type PartialSettings,
  type TrainingSettings,
} from '../train/config';
import { train } from '../train/run';
import { readRunConfig } from '../train/run-record';
import { InputError, knownName } from '../util/errors';
import { readJson } from '../util/json';
import { assignments, count, ENGINE_FLAG, number, PRESET_FLAG, type Assignment } from './arguments';
import { interruptible, note, print, progress } from './output';

interface Flags {
  readonly config?: string;
  readonly network?: string;
  readonly preset?: string;
  readonly process?: string;
  readonly mode?: string;
  readonly set?: readonly Assignment[];
  readonly pairs?: string;
  readonly misaligned?: string;
  readonly photos?: string;
  readonly camera?: string;
  readonly misalignment?: number;
  readonly out?: string;
  readonly engine?: string;
  readonly [recipe: string]: unknown;
}

const RECIPE_FLAGS = [
  'patch',
  'batch',
  'iterations',
  'rate',
  'seed',
  'onNan',
  'checkpointEvery',
  'logEvery',
] as const;

const DEFAULTS = recipe();

/** `mimicsr train`: one training, into a run folder; the same command again resumes it. */
export function trainCommand(): Command {
  return new Command('train')
    .description('Train an SR network. The same command again resumes an unfinished run.')
    .option(
      '--config <file>',
      'JSON file with network, process, data and recipe, such as the config.json of a run; flags override it',
    )
    .option('--network <name>', `SR network: ${NETWORK_NAMES.join(', ')} (default: seemore)`)
    .option(...PRESET_FLAG)
    .option('--process <name>', `training process: ${PROCESS_NAMES.join(', ')} (default: l1)`)
    .option(
      '--mode <name>',
      `of mimic and alignment-loss: ${MODE_NAMES.join(', ')} (of mimic alone); default: released, as the official code is; ` +
        'recoloured did best on real pairs',
    )
    .option(
      '--set <option=value>',
      'an option of the process, as `process.options` in a config.json has it: lambda=0.1, flow=none, corrections.noise=true; ' +
        'several times for several',
      assignments('--set'),
    )
    .option('--pairs <folder>', 'real pairs: a folder with HR and LR (or NAME_HR and NAME_LR) pictures')
    .option(
      '--misaligned <preset>',
      'misalign the real pairs further: move their HR and change its colours as this camera does (srraw-like: by 0.4 to 1.8 LR pixels), to see what that costs',
    )
    .option('--photos <folder>', "photographs for the simulated camera, or 'scenes' for drawn ones")
    .option('--camera <preset>', `simulated camera: ${CAMERA_PRESET_NAMES.join(', ')} (default: realsr-like)`)
    .option(
      '--misalignment <px>',
      "size of the camera's movement in every pair, LR pixels (default: drawn as the preset says)",
      number('--misalignment'),
    )
    .option('--iterations <n>', `updates in all (default: ${DEFAULTS.iterations})`, count('--iterations'))
    .option('--batch <n>', `patches an update (default: ${DEFAULTS.batch})`, count('--batch'))
    .option('--patch <n>', `LR patch side, pixels (default: ${DEFAULTS.patch})`, count('--patch'))
    .option('--rate <x>', `learning rate at the start (default: ${DEFAULTS.rate})`, number('--rate'))
    .option('--seed <n>', `seed of weights, order and crops (default: ${DEFAULTS.seed})`, number('--seed'))
    .addOption(
      new Option('--on-nan <what>', 'where a loss or gradient is not finite: stop (default) or skip').choices(
        ['stop', 'skip'],
      ),
    )
    .option(
      '--checkpoint-every <n>',
      `iterations between checkpoints; one at least every ten minutes (default: ${DEFAULTS.checkpointEvery})`,
      count('--checkpoint-every'),
    )
    .option(
      '--log-every <n>',
      `iterations between lines of the log (default: ${DEFAULTS.logEvery})`,
      count('--log-every'),
    )
    .option('--out <folder>', 'run folder (default: runs/NETWORK-PROCESS-SEED)')
    .option(...ENGINE_FLAG)
    .addHelpText(
      'after',
      '\nExample:\n  mimicsr train --network seemore --process l1 --photos scenes --camera aligned \\\n' +
        '    --iterations 500 --batch 8 --out runs/first\n' +
        '  mimicsr train --process mimic --mode corrected --set lambda=0.1 --set guidance=false \\\n' +
        '    --pairs my-pairs --iterations 2000 --batch 8 --out runs/no-guidance',
    )
    .action(async (flags: Flags) => {
      const settings = settingsOf(flags);
      const { name: process } = settings.process;
      const folder =
        flags.out ?? join('runs', `${settings.network.name}-${process}-${settings.recipe?.seed ?? 42}`);
      const engine = await startEngine(flags.engine);
      note(`engine ${engine.name}: ${engine.detail}`);
      const run = await interruptible((signal) => train(folder, settings, { progress, signal }));
      run.network.dispose();
      const { iterations } = run.config.recipe;
      const speed = run.secondsPerStep > 0 ? `, ${run.secondsPerStep.toFixed(3)} s an iteration` : '';
      print(`${run.step} of ${iterations} iterations${speed}; run folder ${folder}`);
      if (run.step < iterations) print('the same command goes on from here');
    });
}

function settingsOf(flags: Flags): TrainingSettings {
  const base = flags.config === undefined ? {} : readConfig(flags.config);
  const recipe: Record<string, unknown> = { ...base.recipe };
  for (const key of RECIPE_FLAGS) if (flags[key] !== undefined) recipe[key] = flags[key];
  const network = { name: 'seemore', ...base.network };
  if (flags.network !== undefined) network.name = flags.network;
  if (flags.preset !== undefined) network.preset = flags.preset;
  return {
    ...base,
    network,
    process: withOptions(processOf(flags, base.process), flags.set),
    data: dataOf(flags) ?? base.data ?? missingData(),
    recipe,
  };
}

/**
 * The flag's process with its own defaults, unless the config file has options for the same one. A mode stands for
 * the options that it has on this machine; the run's record has them one by one.
 */
function processOf(
  { process, mode }: Flags,
  base: TrainingSettings['process'] = { name: 'l1' },
): TrainingSettings['process'] {
  if (mode !== undefined) return processInMode(process, mode);
  if (process === undefined || process === base.name) return base;
  return { name: knownName('training process', process, PROCESS_NAMES) as 'l1' };
}

/** @throws InputError for a process without options; what the options may be, the schema checks */
function withOptions(
  process: TrainingSettings['process'],
  set: readonly Assignment[] = [],
): TrainingSettings['process'] {
  if (set.length === 0) return process;
  if (process.name === 'l1') throw new InputError('--set is for a process with options: l1 has none');
  const options = structuredClone(process.options ?? {}) as Record<string, unknown>;
  for (const { path, value } of set) {
    let within = options;
    for (const key of path.slice(0, -1)) {
      if (Object(within[key]) !== within[key]) within[key] = {}; // what it should have been, the schema says
      within = within[key] as Record<string, unknown>;
    }
    within[path.at(-1)!] = value;
  }
  return { ...process, options };
}

function dataOf({
  pairs,
  misaligned,
  photos,
  camera,
  misalignment,
}: Flags): TrainingSettings['data'] | undefined {
  const further = misaligned === undefined ? {} : { misaligned: misaligned as 'aligned' }; // the schema checks the name
  const simulated = [photos, camera, misalignment].some((flag) => flag !== undefined);
  if (pairs !== undefined && simulated) {
    throw new InputError('--pairs are real pairs: they go without --photos, --camera and --misalignment');
  }
  if (pairs !== undefined) return { kind: 'pairs', folder: pairs, ...further };
  if (misaligned !== undefined) throw new InputError('--misaligned is for real pairs: give --pairs FOLDER');
  if (!simulated) return undefined;
  const preset = (camera ?? 'realsr-like') as 'aligned'; // the schema checks the name
  const moved = misalignment === undefined ? {} : { misalignment };
  return photos === undefined || photos === 'scenes'
    ? { kind: 'scenes', preset, ...moved }
    : { kind: 'camera', preset, photos, ...moved };
}

function missingData(): never {
  throw new InputError(
    'nothing to train on: give --pairs FOLDER, or --photos FOLDER (or scenes) with --camera PRESET',
  );
}

function readConfig(path: string): PartialSettings {
  if (!existsSync(path)) throw new InputError(`no config file ${path}`);
  const config = readJson(path);
  return Object.hasOwn(Object(config) as object, 'provenance')
    ? readRunConfig(path)
    : checkPart(config, path);
}
