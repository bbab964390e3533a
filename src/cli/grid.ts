import { Command, Option } from 'commander';
import { uncountedText } from '../experiments/known-results';
import type { Launcher } from '../experiments/launcher';
import { slurm } from '../experiments/slurm';
import {
  cancelGrid,
  collectGrid,
  gridStatus,
  previewGrid,
  submitGrid,
  type CellStatus,
  type SubmitOptions,
} from '../experiments/submission';
import { count } from './arguments';
import { FIGURES_HELP, gridRequest, withGridOptions, type GridFlags } from './grid-options';
import { printTable, writePictures } from './grid-report';
import { note, print, printJson, table } from './output';

const LAUNCHERS: Readonly<Record<string, Launcher>> = { slurm };

interface Flags extends GridFlags {
  readonly launcher: string;
}

interface SubmitFlags extends Flags {
  readonly gpus?: number;
  readonly cpus?: number;
  readonly memory?: number;
  readonly time?: number;
  readonly atOnce?: number;
  readonly schedulerOption?: string[];
  readonly dryRun?: boolean;
}

/** `mimicsr grid`: a table's or figure's runs on a cluster. */
export function gridCommand(): Command {
  return new Command('grid')
    .description(
      "Run a table or figure on a cluster: one run a task of the scheduler's, on folders that all machines share.",
    )
    .addCommand(submitCommand())
    .addCommand(statusCommand())
    .addCommand(collectCommand())
    .addCommand(cancelCommand())
    .addHelpText(
      'after',
      '\nExample:\n  mimicsr grid submit table2 --profile small --scheduler-option partition=gpu\n' +
        '  mimicsr grid status table2 --profile small\n' +
        '  mimicsr grid collect table2 --profile small    # the table, as `mimicsr reproduce` writes it\n\n' +
        'All take the same selection as `mimicsr reproduce`. Runs that failed or were killed: submit again.\n' +
        'Shared folders, other schedulers: docs/clusters.md.',
    );
}

function gridSubcommand(name: string, description: string): Command {
  return withGridOptions(new Command(name))
    .description(description)
    .addOption(new Option('--launcher <name>', 'scheduler').choices(Object.keys(LAUNCHERS)).default('slurm'));
}

function submitCommand(): Command {
  return gridSubcommand(
    'submit',
    'Hand over every run that is neither finished nor in the queue. Again: what has failed since.',
  )
    .option('--gpus <n>', "GPUs of a run (default: the profile's)", count('--gpus', 0))
    .option('--cpus <n>', "cores of a run (default: the profile's)", count('--cpus'))
    .option('--memory <gib>', "memory of a run (default: the profile's)", count('--memory'))
    .option(
      '--time <minutes>',
      "limit, after which a run is queued again to go on (default: the profile's)",
      count('--time'),
    )
    .option('--at-once <n>', 'runs at a time (default: as many as fit)', count('--at-once'))
    .option('--scheduler-option <name=value...>', "the scheduler's own, such as partition=gpu or qos=long")
    .option('--dry-run', 'only print what would be handed over')
    .addHelpText(
      'after',
      `${FIGURES_HELP}\nExample:\n` +
        '  mimicsr grid submit table2 --profile smoke --dry-run\n' +
        '  mimicsr grid submit table1 --profile small --networks seemore,swinir --at-once 8 \\\n' +
        '    --scheduler-option partition=gpu account=sr',
    )
    .action(async (what: string, flags: SubmitFlags) => {
      const request = gridRequest(what, flags);
      const options = submitOptions(flags);
      if (flags.dryRun) print(await previewGrid(request, options));
      else printStatus(await submitGrid(request, options));
    });
}

function submitOptions(flags: SubmitFlags): SubmitOptions {
  const { gpus, cpus, memory: memoryGiB, time: minutes, atOnce, schedulerOption } = flags;
  const chosen = Object.entries({ gpus, cpus, memoryGiB, minutes }).filter(
    ([, value]) => value !== undefined,
  );
  return {
    launcher: LAUNCHERS[flags.launcher],
    resources: Object.fromEntries(chosen),
    ...(atOnce === undefined ? {} : { atOnce }),
    ...(schedulerOption === undefined ? {} : { schedulerOptions: schedulerOption }),
  };
}

function statusCommand(): Command {
  return gridSubcommand('status', 'Say how the runs of a table stand.')
    .option('--json', 'machine-readable output')
    .addHelpText('after', '\nExample:\n  mimicsr grid status table2 --profile small')
    .action(async (what: string, flags: Flags & { json?: boolean }) => {
      const status = await gridStatus(gridRequest(what, flags), LAUNCHERS[flags.launcher]);
      if (flags.json) printJson(status.map(({ run, ...rest }) => ({ run: run.id, ...rest })));
      else printStatus(status);
    });
}

function printStatus(status: readonly CellStatus[]): void {
  print(
    table(
      ['run', 'network', 'process', 'state', 'job', 'the scheduler says'],
      status.map(({ run, state, job = '', words }) => [run.id, run.network, run.method, state, job, words]),
    ),
  );
  const finished = status.filter(({ state }) => state === 'finished').length;
  print(`${finished} of ${status.length} runs are finished`);
  for (const { run, state, log } of status) {
    if (state === 'ended') note(`${run.id} ended without its scores: see ${log}, and submit again`);
  }
}

function collectCommand(): Command {
  return gridSubcommand(
    'collect',
    'Merge the scores of the runs and write the table, as far as it is; with its pictures when all runs are finished.',
  )
    .addHelpText('after', '\nExample:\n  mimicsr grid collect table2 --profile small')
    .action(async (what: string, flags: Flags) => {
      const collected = await collectGrid(gridRequest(what, flags));
      const { plan, folders, open, table: filled } = collected;
      const uncounted = uncountedText(plan, folders);
      if (uncounted !== undefined) note(uncounted);
      printTable(collected, filled);
      if (open.length > 0)
        note(`${open.length} of ${plan.length} runs are not finished: mimicsr grid status ${what}`);
      else await writePictures(collected, filled);
    });
}

function cancelCommand(): Command {
  return gridSubcommand('cancel', 'End the jobs of a table; the runs keep their checkpoints.')
    .addHelpText('after', '\nExample:\n  mimicsr grid cancel table2 --profile small')
    .action(async (what: string, flags: Flags) => {
      const ended = await cancelGrid(gridRequest(what, flags), LAUNCHERS[flags.launcher]);
      for (const { run, job } of ended) note(`${job} (${run.id}) is cancelled`);
      note(`${ended.length} jobs are cancelled`);
    });
}
