/**
 * npm run compare:ours -- [options]: L1 against "Ours" (released and corrected) on simulated cameras, see
 * src/experiments/comparison.ts. One process a run, --jobs of them side by side, one thread each. The same command goes
 * on where it stopped; runs that are finished are skipped. Writes comparison.csv, comparison.md and crops-*.png to --out.
 */
import { join } from 'node:path';
import { Command, Option } from 'commander';
import { count } from '../src/cli/arguments';
import { interruptible, note, progress } from '../src/cli/output';
import { CAMERA_PRESET_NAMES } from '../src/data/camera-pairs';
import { startEngine } from '../src/engine/engines';
import { FLOW_NAMES, flowAtHand } from '../src/flow/estimators';
import { COLOUR_NAMES } from '../src/losses/colour-terms';
import {
  cellFolder,
  cellName,
  cellResult,
  comparisonCells,
  METHODS,
  runCell,
  type Comparison,
} from '../src/experiments/comparison';
import { comparisonCrops, comparisonCsv, comparisonMarkdown } from '../src/experiments/comparison-report';
import { runProcesses } from '../src/experiments/process-pool';
import { writeImage } from '../src/image/file';
import { NETWORK_NAMES } from '../src/networks/networks';
import { InputError } from '../src/util/errors';
import { writeFileAtomic } from '../src/util/write-file';

type Flags = Comparison & { readonly jobs: number; readonly cell?: string; readonly dryRun?: boolean };

const list = (text: string): string[] => text.split(',');
const seeds = (text: string): number[] => list(text).map(count('--seeds'));
const oneOf =
  (flag: string, known: readonly string[]) =>
  (text: string): string[] =>
    list(text).map((name) => {
      if (!known.includes(name)) throw new InputError(`${flag} ${name}: expected ${known.join(', ')}`);
      return name;
    });

const command = new Command('compare:ours')
  .description('L1 against Ours on simulated cameras. Lists are separated by commas.')
  .addOption(new Option('--network <name>', 'SR network').choices(NETWORK_NAMES).default('seemore'))
  .option('--photos <folder>', 'photographs to train on', 'BSDS500-train')
  .option('--benchmarks <names>', 'datasets to score on', list, ['Set5', 'Set14', 'BSD100'])
  .option('--cameras <names>', 'simulated cameras', oneOf('--cameras', CAMERA_PRESET_NAMES), [
    'srraw-like',
    'realsr-like',
    'aligned',
  ])
  .option('--methods <names>', 'methods', oneOf('--methods', METHODS), [...METHODS])
  .option('--seeds <numbers>', 'seeds', seeds, [1, 2, 3])
  .option('--iterations <n>', 'updates of a run', count('--iterations'), 2000)
  .option('--batch <n>', 'patches an update', count('--batch'), 8)
  .option('--patch <n>', 'LR patch side', count('--patch'), 32)
  .addOption(new Option('--flow <name>', 'flow estimator of Ours').choices(FLOW_NAMES).default(flowAtHand()))
  .addOption(new Option('--colour <name>', 'colour term of Ours (default: CDNet)').choices(COLOUR_NAMES))
  .option('--out <folder>', 'where everything goes', join('runs', 'compare-ours'))
  .option('--jobs <n>', 'runs side by side', count('--jobs'), 1)
  .option('--dry-run', 'only list the runs and which are finished')
  .option('--cell <name>', 'run one cell in this process (what the processes of --jobs do)')
  .action(async (flags: Flags) => {
    if (flags.cell === undefined) await runGrid(flags);
    else await runOne(flags, flags.cell);
  });

async function runOne(flags: Flags, name: string): Promise<void> {
  const cell = comparisonCells(flags).find((c) => cellName(c) === name);
  if (cell === undefined) throw new InputError(`no cell ${name} in this grid`);
  const engine = await startEngine();
  note(`engine ${engine.name}: ${engine.detail}`);
  await interruptible((signal) => runCell(flags, cell, { signal, progress }));
}

async function runGrid(flags: Flags): Promise<void> {
  const cells = comparisonCells(flags);
  const open = cells.filter((cell) => cellResult(flags, cell) === undefined);
  note(`${cells.length - open.length} of ${cells.length} cells are finished`);
  if (flags.dryRun) {
    for (const cell of cells) note(`${open.includes(cell) ? 'open    ' : 'finished'} ${cellName(cell)}`);
    return;
  }
  const failed: string[] = [];
  const stopped = await interruptible(async (signal) => {
    const processes = open.map((cell) => ({
      name: cellName(cell),
      arguments: [...process.execArgv, __filename, ...process.argv.slice(2), '--cell', cellName(cell)],
      log: join(cellFolder(flags, cell), 'console.log'),
    }));
    await runProcesses(processes, {
      jobs: flags.jobs,
      environment: { MIMICSR_THREADS: '1' },
      signal,
      onStart: ({ name, log }) => note(`${time()} ${name} starts: ${log}`),
      onEnd: ({ name }, code) => {
        note(`${time()} ${name} ${code === 0 ? 'is finished' : `ended with ${code ?? 'a signal'}`}`);
        if (code !== 0) failed.push(name);
        writeTables(flags);
      },
    });
    return signal.aborted;
  });
  if (stopped) return;
  writeTables(flags);
  await startEngine();
  for (const camera of flags.cameras) {
    for (const lr of ['bicubic', camera] as const) {
      const path = join(flags.out, `crops-${camera}-${lr === 'bicubic' ? 'bicubic' : 'camera'}.png`);
      await writeImage(path, await comparisonCrops(flags, camera, lr));
      note(path);
    }
  }
  if (failed.length > 0) throw new InputError(`not finished: ${failed.join(', ')} (see their console.log)`);
}

function writeTables(comparison: Comparison): void {
  writeFileAtomic(join(comparison.out, 'comparison.csv'), comparisonCsv(comparison));
  writeFileAtomic(join(comparison.out, 'comparison.md'), comparisonMarkdown(comparison));
}

function time(): string {
  return new Date().toISOString().slice(11, 19);
}

command.parseAsync().catch((error: unknown) => {
  note(error instanceof InputError ? error.message : String((error as Error).stack ?? error));
  process.exitCode = 1;
});
