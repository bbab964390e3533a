import { basename, isAbsolute, join, relative, resolve } from 'node:path';
import { Command } from 'commander';
import { CAMERA_PRESET_NAMES } from '../data/camera-pairs';
import { datasetFolder } from '../data/datasets';
import { startEngine } from '../engine/engines';
import { benchmarkPairs } from '../experiments/benchmarks';
import { DEFAULT_TILE } from '../networks/upscale';
import { bicubicUpscaler, evaluate, MEASURES, networkUpscaler, type Evaluation } from '../train/evaluate';
import { InputError, knownName, unlessInputError } from '../util/errors';
import { versions } from '../util/versions';
import { count, ENGINE_FLAG } from './arguments';
import { addNetworkOptions, openNetwork, type NetworkFlags } from './network-source';
import { note, print, printJson, progress, table } from './output';

interface Flags extends NetworkFlags {
  readonly benchmark: string[];
  readonly bicubic?: boolean;
  readonly camera?: string;
  readonly crop: number;
  readonly save?: string;
  readonly json?: boolean;
  readonly engine?: string;
}

/** `mimicsr evaluate`: PSNR and SSIM of a run or of weights on benchmarks. */
export function evaluateCommand(): Command {
  return addNetworkOptions(new Command('evaluate'))
    .description('Score a run or weights on benchmarks: PSNR and SSIM on luma and on RGB.')
    .option('--bicubic', 'score bicubic interpolation instead of a network')
    .requiredOption('--benchmark <name...>', 'datasets by name (Set5, …) or folders of pairs')
    .option(
      '--camera <preset>',
      `make the LR of the benchmarks' HR pictures by this simulated camera, held still, as \`reproduce\` does: ${CAMERA_PRESET_NAMES.join(', ')}`,
    )
    .option('--crop <n>', 'pixels left out on each side', count('--crop', 0), 4)
    .option('--save <folder>', 'write the upscaled pictures there; of several benchmarks into a folder each')
    .option('--json', 'machine-readable output')
    .option(...ENGINE_FLAG)
    .addHelpText(
      'after',
      '\nExample:\n  mimicsr evaluate --run runs/first --benchmark Set5 Set14 --json\n' +
        '  mimicsr evaluate --run runs/first --benchmark Set5 --camera srraw-like',
    )
    .action(async (flags: Flags) => {
      const lr = flags.camera === undefined ? 'real' : knownName('camera', flags.camera, CAMERA_PRESET_NAMES);
      const names = [...new Set(flags.benchmark)];
      const folders = flags.save === undefined ? [] : saveFolders(flags.save, names);
      folders.forEach((to, i) => refuseOwnFolder(to, names[i]));
      const sets = names.map((name, i) => ({
        name,
        pairs: benchmarkPairs({ name, kind: 'full-reference', lr }),
        saveTo: folders.at(i),
      }));
      if (flags.bicubic) refuseNetwork(flags);
      const engine = flags.bicubic ? undefined : await startEngine(flags.engine);
      if (engine !== undefined) note(`engine ${engine.name}: ${engine.detail}`);
      const network = flags.bicubic ? undefined : openNetwork(flags);
      const { tile = DEFAULT_TILE } = flags;
      const upscaler = network === undefined ? bicubicUpscaler : networkUpscaler(network, tile);
      const results: Record<string, Evaluation> = {};
      try {
        for (const { name, pairs, saveTo } of sets) {
          results[name] = await evaluate(upscaler, pairs, {
            crop: flags.crop,
            progress,
            ...(saveTo === undefined ? {} : { saveTo }),
          });
        }
      } finally {
        network?.dispose();
      }
      if (flags.json) {
        printJson({
          protocol: { crop: flags.crop, lr, tile: flags.bicubic ? null : tile },
          engine: engine ?? null,
          versions: versions(),
          benchmarks: results,
        });
        return;
      }
      const protocol = [
        `crop ${flags.crop}`,
        ...(flags.bicubic ? [] : [`tile ${tile}`]),
        ...(lr === 'real' ? [] : [`LR by the camera ${lr}`]),
      ].join(', ');
      for (const [name, { images, mean }] of Object.entries(results)) {
        const cells = (row: Evaluation['mean']): string[] =>
          MEASURES.map((m) => row[m].toFixed(m.startsWith('psnr') ? 2 : 4));
        const header = [name, 'PSNR-Y', 'SSIM-Y', 'PSNR-RGB', 'SSIM-RGB'];
        print(table(header, [...images.map((row) => [row.image, ...cells(row)]), ['mean', ...cells(mean)]]));
        print(`${protocol}\n`);
      }
    });
}

/** @throws InputError for a flag that bicubic interpolation has no use for */
function refuseNetwork({ run, weights, network, preset, tile, engine }: Flags): void {
  const given = Object.entries({ run, weights, network, preset, tile, engine }).find(
    ([, value]) => value !== undefined,
  );
  if (given !== undefined) throw new InputError(`--bicubic goes without --${given[0]}`);
}

/** @throws InputError where pictures would be saved among those that they are scored against */
function refuseOwnFolder(to: string, benchmark: string): void {
  const folder = unlessInputError(() => datasetFolder(benchmark));
  if (folder === undefined) return; // that it is missing is said where it is opened
  const way = relative(folder, to);
  if (!way.startsWith('..') && !isAbsolute(way))
    throw new InputError(`--save ${to} is in ${benchmark}'s own folder, ${folder}: choose another`);
}

/** Where the pictures of each benchmark go: of several, each has a folder of its own name. */
function saveFolders(folder: string, benchmarks: readonly string[]): string[] {
  if (benchmarks.length === 1) return [folder];
  const folders = benchmarks.map((name) => join(folder, basename(resolve(name))));
  folders.forEach((to, i) => {
    const first = folders.indexOf(to);
    if (first < i)
      throw new InputError(`${benchmarks[first]} and ${benchmarks[i]} would both be saved in ${to}`);
  });
  return folders;
}
