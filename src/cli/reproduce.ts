import { dirname } from 'node:path';
import { Command, Option } from 'commander';
import { startEngine } from '../engine/engines';
import { estimateSeconds } from '../experiments/estimate';
import { missingMaterial, missingText, requireMaterial } from '../experiments/material';
import { cellArguments, openRequest } from '../experiments/request';
import { knownResults, uncountedText, type Folders } from '../experiments/known-results';
import type { PlannedRun } from '../experiments/plan';
import { completeRun, openRuns, runGrid } from '../experiments/runner';
import { fillGrid } from '../experiments/table';
import { writeTable } from '../experiments/table-files';
import { InputError, unknownName } from '../util/errors';
import { duration } from '../util/progress';
import { count } from './arguments';
import { FIGURES_HELP, gridRequest, withGridOptions, type GridFlags } from './grid-options';
import { printTable, writePictures } from './grid-report';
import { interruptible, note, print, progress, table } from './output';

interface Flags extends GridFlags {
  readonly jobs: number;
  readonly dryRun?: boolean;
  readonly cell?: string;
}

/** `mimicsr reproduce`: a table or figure of the paper; trains what is missing. */
export function reproduceCommand(): Command {
  return withGridOptions(new Command('reproduce'))
    .description(
      "Make a table or figure of the paper: train what is missing, score it, write it beside the paper's.",
    )
    .option('--jobs <n>', 'runs side by side, which share the cores', count('--jobs'), 1)
    .option('--dry-run', 'only say what would be run, and about how long it takes')
    .addOption(new Option('--cell <id>', 'complete this run alone, in this process').hideHelp())
    .addHelpText(
      'after',
      `${FIGURES_HELP}\nExample:\n  mimicsr reproduce table2 --profile smoke\n` +
        '  mimicsr reproduce table1 --networks seemore --processes l1,alignment-loss,mimic --jobs 2\n' +
        '  mimicsr reproduce ablations --profile mini --dry-run',
    )
    .action(reproduce);
}

async function reproduce(what: string, flags: Flags): Promise<void> {
  const opened = openRequest(gridRequest(what, flags));
  const { request, grid: asked, plan, folders } = opened;
  if (flags.cell === undefined) for (const text of asked.notes) note(text);
  if (flags.dryRun) {
    dryRun(plan, folders);
    return;
  }
  if (flags.cell !== undefined) {
    await completeCell(plan, flags.cell, folders, flags.engine);
    return;
  }
  const known = knownResults(plan, folders);
  requireMaterial(openRuns(plan, known, folders), known);
  if (flags.jobs === 1) {
    const engine = await startEngine(flags.engine);
    note(`engine ${engine.name}: ${engine.detail}`);
  }
  const outcome = await interruptible((signal) =>
    runGrid(plan, folders, {
      jobs: flags.jobs,
      cellArguments: (id) => cellArguments(request, id),
      progress,
      signal,
      note,
      onResults: (results) => writeTable(fillGrid(asked, results), dirname(folders.results)),
    }),
  );
  const filled = fillGrid(asked, outcome.results);
  printTable(opened, filled);
  if (outcome.stopped) return;
  await writePictures(opened, filled);
  if (outcome.failed.length > 0) throw new InputError(`not finished:\n${outcome.failed.join('\n')}`);
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
  const uncounted = uncountedText(plan, folders);
  if (uncounted !== undefined) note(uncounted);
  const open = openRuns(plan, results, folders);
  const seconds = estimateSeconds(open, results);
  const times = new Map(open.map((run, i) => [run, seconds[i]]));
  print(
    table(
      ['run', 'network', 'process', 'state'],
      plan.map((run) => [
        run.id,
        run.network,
        run.method,
        times.has(run) ? `about ${duration(times.get(run)!)}` : 'finished',
      ]),
    ),
  );
  const total = seconds.reduce((sum, t) => sum + t, 0);
  print(`${open.length} of ${plan.length} runs to do, about ${duration(total)} on two cores (rough)`);
  const missing = missingMaterial(open, results);
  if (missing.length > 0) print(missingText(missing));
}
