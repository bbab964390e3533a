import { dirname, join } from 'node:path';
import { Command, Option } from 'commander';
import { stringify } from 'csv-stringify/sync';
import { startEngine } from '../engine/engines';
import { alignmentRecords, alignmentTruth, type AlignmentTruth } from '../experiments/alignment-truth';
import { cropGrid } from '../experiments/crops';
import { estimateSeconds } from '../experiments/estimate';
import { runFolder } from '../experiments/experiment';
import { grid, GRID_NAMES, type Grid, type GridName, type GridOptions } from '../experiments/grids';
import { METHOD_NAMES, type MethodName } from '../experiments/methods';
import { profile, PROFILE_NAMES, type Profile } from '../experiments/profiles';
import {
  completeRun,
  hasTrained,
  knownResults,
  openRuns,
  planGrid,
  runGrid,
  type Folders,
  type PlannedRun,
} from '../experiments/runner';
import { fillGrid, type Table } from '../experiments/table';
import { tableCells, tableCsv, tableHtml, tableLatex, tableMarkdown } from '../experiments/table-text';
import { writeImage } from '../image/file';
import { alignmentPictures } from '../mimic/alignment-overview';
import { NETWORK_NAMES, type NetworkName } from '../networks/networks';
import { InputError, unknownName } from '../util/errors';
import { duration } from '../util/progress';
import { writeFileAtomic } from '../util/write-file';
import { count, ENGINE_FLAG, number } from './arguments';
import { interruptible, note, print, progress, table } from './output';

/** A figure shows the runs of a grid. */
interface FigureRequest {
  readonly grid: GridName;
  /** Rows, where not all of the grid. */
  readonly methods?: readonly MethodName[];
  readonly about: string;
}

const FIGURES: Readonly<Record<string, FigureRequest>> = {
  fig1: { grid: 'importance', about: 'what misaligned pairs do to a training with L1' },
  fig2: { grid: 'importance', about: 'the same, geometry and colour apart' },
  fig5: {
    grid: 'table1',
    methods: ['mimic', 'mimic-corrected'],
    about: 'error of mimicked and warped LR, against the truth',
  },
  fig6: { grid: 'table2', about: 'crops of a benchmark, all rows of Table 2' },
  fig7: { grid: 'table3', about: 'crops of pictures like RealSR' },
  fig8: { grid: 'table3', about: 'crops of pictures like SR-RAW' },
};
/** What can be asked for. */
const TARGETS = [...GRID_NAMES, ...Object.keys(FIGURES)];

interface Flags {
  readonly profile: string;
  readonly networks?: string[];
  readonly processes?: string[];
  readonly seeds?: number[];
  readonly iterations?: number;
  readonly lambdas?: number[];
  readonly out?: string;
  readonly runs: string;
  readonly jobs: number;
  readonly dryRun?: boolean;
  readonly cell?: string;
  readonly engine?: string;
}

/** `mimicsr reproduce`: a table or figure of the paper; trains what is missing. */
export function reproduceCommand(): Command {
  return new Command('reproduce')
    .description(
      "Make a table or figure of the paper: train what is missing, score it, write it beside the paper's.",
    )
    .argument('<what>', TARGETS.join(', '))
    .addOption(new Option('--profile <name>', 'budget').choices(PROFILE_NAMES).default('mini'))
    .option('--networks <names>', 'SR networks, separated by commas (default: all)', list)
    .option('--processes <names>', `rows: ${METHOD_NAMES.join(', ')} (default: the table's)`, list)
    .option('--seeds <numbers>', "seeds (default: the profile's)", (text) => list(text).map(count('--seeds')))
    .option('--iterations <n>', "updates of a run (default: the profile's)", count('--iterations'))
    .option('--lambdas <numbers>', 'of the sweep', (text) => list(text).map(number('--lambdas')))
    .option('--out <folder>', 'results (default: results/PROFILE)')
    .option('--runs <folder>', 'run folders', 'runs')
    .option('--jobs <n>', 'runs side by side, which share the cores', count('--jobs'), 1)
    .option('--dry-run', 'only say what would be run, and about how long it takes')
    .addOption(new Option('--cell <id>', 'complete this run alone, in this process').hideHelp())
    .option(...ENGINE_FLAG)
    .addHelpText(
      'after',
      `\nFigures:\n${Object.entries(FIGURES)
        .map(([name, { about }]) => `  ${name}  ${about}`)
        .join('\n')}\n\nExample:\n  mimicsr reproduce table2 --profile smoke\n` +
        '  mimicsr reproduce table1 --networks seemore --processes l1,alignment-loss,mimic --jobs 2\n' +
        '  mimicsr reproduce ablations --profile mini --dry-run',
    )
    .action(reproduce);
}

const list = (text: string): string[] => text.split(',').map((part) => part.trim());

async function reproduce(what: string, flags: Flags): Promise<void> {
  if (!TARGETS.includes(what)) throw unknownName('table or figure', what, TARGETS);
  const wanted = profile(flags.profile);
  const figure = FIGURES[what];
  const options = { ...(figure?.methods ? { methods: figure.methods } : {}), ...optionsOf(flags) };
  const asked = grid(figure?.grid ?? what, wanted, options);
  const folders: Folders = {
    runs: flags.runs,
    results: join(flags.out ?? join('results', wanted.name), 'scores.csv'),
  };
  const plan = planGrid(asked);
  if (flags.dryRun) {
    dryRun(plan, folders);
    return;
  }
  if (flags.cell !== undefined) {
    await completeCell(plan, flags.cell, folders, flags.engine);
    return;
  }
  for (const text of asked.notes) note(text);
  if (flags.jobs === 1) {
    const engine = await startEngine(flags.engine);
    note(`engine ${engine.name}: ${engine.detail}`);
  }
  const outcome = await interruptible((signal) =>
    runGrid(plan, folders, {
      jobs: flags.jobs,
      cellArguments: (id) => cellArguments(what, flags, id),
      progress,
      signal,
      note,
      onResults: (results) => writeTable(fillGrid(asked, results), dirname(folders.results)),
    }),
  );
  const { header, rows } = tableCells(fillGrid(asked, outcome.results));
  print(table(header, rows));
  note(
    `tables: ${join(dirname(folders.results), asked.id)}.{md,csv,tex,html}; all scores: ${folders.results}`,
  );
  if (outcome.stopped) return;
  if (what === 'fig5') await writeFigure5(asked, wanted, folders, flags.engine);
  else await writeCrops(what, asked, wanted, folders, flags.engine);
  if (outcome.failed.length > 0) throw new InputError(`not finished:\n${outcome.failed.join('\n')}`);
}

function optionsOf({ networks, processes, seeds, iterations, lambdas }: Flags): GridOptions {
  const known = <T extends string>(what: string, names: string[], all: readonly T[]): T[] => {
    for (const name of names) if (!all.includes(name as T)) throw unknownName(what, name, all);
    return names as T[];
  };
  const chosen = networks && known<NetworkName>('network', networks, NETWORK_NAMES);
  return {
    ...(chosen ? { networks: chosen, network: chosen[0] } : {}),
    ...(processes ? { methods: known('process', processes, METHOD_NAMES) } : {}),
    ...(seeds ? { seeds } : {}),
    ...(iterations === undefined ? {} : { iterations }),
    ...(lambdas ? { lambdas } : {}),
  };
}

/** The command line of a process that completes one run: this one's, but for what only the whole grid needs. */
function cellArguments(what: string, flags: Flags, id: string): string[] {
  const option = (
    name: string,
    value: string | number | readonly (string | number)[] | undefined,
  ): string[] => (value === undefined ? [] : [`--${name}`, String(value)]);
  return [
    'reproduce',
    what,
    ...option('profile', flags.profile),
    ...option('networks', flags.networks),
    ...option('processes', flags.processes),
    ...option('seeds', flags.seeds),
    ...option('iterations', flags.iterations),
    ...option('lambdas', flags.lambdas),
    ...option('out', flags.out),
    ...option('runs', flags.runs),
    ...option('engine', flags.engine),
    ...option('cell', id),
  ];
}

async function completeCell(
  plan: readonly PlannedRun[],
  id: string,
  folders: Folders,
  engineName: string | undefined,
): Promise<void> {
  const run = plan.find((r) => r.id === id);
  if (run === undefined)
    throw unknownName(
      'run',
      id,
      plan.map((r) => r.id),
    );
  const engine = await startEngine(engineName);
  note(`engine ${engine.name}: ${engine.detail}`);
  await interruptible((signal) => completeRun(run, folders, { progress, signal }));
}

function dryRun(plan: readonly PlannedRun[], folders: Folders): void {
  const results = knownResults(plan, folders);
  const open = openRuns(plan, results);
  const times = plan.map((run) => (open.includes(run) ? estimateSeconds(run, results) : 0));
  print(
    table(
      ['run', 'network', 'process', 'state'],
      plan.map((run, i) => [
        run.id,
        run.network,
        run.method,
        open.includes(run) ? `about ${duration(times[i])}` : 'finished',
      ]),
    ),
  );
  const total = times.reduce((sum, t) => sum + t, 0);
  print(`${open.length} of ${plan.length} runs to do, about ${duration(total)} on two cores (rough)`);
}

function writeTable(filled: Table, folder: string): void {
  const file = (ending: string): string => join(folder, `${filled.id}.${ending}`);
  writeFileAtomic(file('md'), tableMarkdown(filled));
  writeFileAtomic(file('csv'), tableCsv(filled));
  writeFileAtomic(file('tex'), tableLatex(filled));
  writeFileAtomic(file('html'), tableHtml(filled));
}

/** The pictures that go with a table: crops of its benchmarks, where the runs' weights are here. */
async function writeCrops(
  what: string,
  asked: Grid,
  wanted: Profile,
  folders: Folders,
  engine: string | undefined,
): Promise<void> {
  if (!hasTrained(planGrid(asked), folders)) return;
  await startEngine(engine);
  const pictures =
    asked.id === 'table3'
      ? [wanted.trainingSets[what === 'fig7' ? 'RealSR' : 'SR-RAW'].pictures]
      : [
          wanted.benchmarks[0],
          ...asked.columns.map((c) => c.benchmark).filter((b) => b.lr !== 'bicubic'),
        ].slice(0, 2);
  for (const benchmark of pictures) {
    const name = [what, benchmark.name.replace(/\W/g, '-'), benchmark.lr].join('-');
    const path = join(dirname(folders.results), `${name}.png`);
    await writeImage(path, await cropGrid(asked, benchmark, folders));
    note(path);
  }
}

/** Figure 5: what the modules of the grid's mimic runs do to shots of their camera, with error maps of the first. */
async function writeFigure5(
  asked: Grid,
  wanted: Profile,
  folders: Folders,
  engine: string | undefined,
): Promise<void> {
  await startEngine(engine);
  const folder = dirname(folders.results);
  const truths: { method: string; truth: AlignmentTruth }[] = [];
  for (const { method, experiment } of planGrid(asked)) {
    if (experiment?.config.process.name !== 'mimic' || experiment.config.data.kind === 'pairs') continue;
    const truth = await alignmentTruth(runFolder(folders.runs, experiment), {
      camera: experiment.config.data.preset,
      pictures: wanted.cameraBenchmarks[0] ?? 'scenes',
      progress,
    });
    const { overview } = await alignmentPictures(truth.example);
    await writeImage(join(folder, `fig5-${method.toLowerCase().replace(/\W+/g, '-')}.png`), overview);
    truths.push({ method, truth });
  }
  if (truths.length === 0) {
    throw new InputError(
      'fig5 needs the simulated camera, which knows the truth: choose another profile, or mimicsr align',
    );
  }
  const records = alignmentRecords(truths);
  writeFileAtomic(join(folder, 'fig5.csv'), stringify(records, { header: true }));
  print(
    table(
      Object.keys(records[0]),
      records.map((record) => Object.values(record).map((value) => String(value ?? ''))),
    ),
  );
  print(
    "reduction: % by which the squared error is below the LR's. The paper, on its own pictures: 69.36 with the mimicking module, " +
      '9.77 with optical flow',
  );
}
