/** The options that say which runs of which table: shared by `reproduce` and `grid`. */
import { Option, type Command } from 'commander';
import { METHOD_NAMES, type MethodName } from '../experiments/methods';
import { PROFILE_NAMES } from '../experiments/profiles';
import { FIGURES, TARGETS, type GridRequest } from '../experiments/request';
import type { NetworkName } from '../networks/networks';
import { count, ENGINE_FLAG, number } from './arguments';

export interface GridFlags {
  readonly profile: string;
  readonly networks?: string[];
  readonly processes?: string[];
  readonly seeds?: number[];
  readonly iterations?: number;
  readonly lambdas?: number[];
  readonly misalignments?: number[];
  readonly out?: string;
  readonly runs: string;
  readonly engine?: string;
}

export function withGridOptions(command: Command): Command {
  return command
    .argument('<what>', TARGETS.join(', '))
    .addOption(new Option('--profile <name>', 'budget').choices(PROFILE_NAMES).default('mini'))
    .option('--networks <names>', 'SR networks, separated by commas (default: all)', list)
    .option('--processes <names>', `rows: ${METHOD_NAMES.join(', ')} (default: the table's)`, list)
    .option(
      '--seeds <numbers>',
      "separated by commas (default: trains the profile's; the table has others that are finished too)",
      listOf(count('--seeds')),
    )
    .option('--iterations <n>', "updates of a run (default: the profile's)", count('--iterations'))
    .option(
      '--lambdas <numbers>',
      'of the grid lambda: weights of the colour term, separated by commas',
      listOf(number('--lambdas')),
    )
    .option(
      '--misalignments <numbers>',
      'of the grid misalignment: sizes of the movement in LR pixels, separated by commas',
      listOf(number('--misalignments')),
    )
    .option('--out <folder>', 'results (default: results/PROFILE)')
    .option('--runs <folder>', 'run folders', 'runs')
    .option(...ENGINE_FLAG);
}

const list = (text: string): string[] => text.split(',').map((part) => part.trim());

const listOf =
  <T>(parse: (text: string) => T) =>
  (text: string): T[] =>
    list(text).map((part) => parse(part));

/** Names are checked when the request is opened. */
export function gridRequest(what: string, flags: GridFlags): GridRequest {
  const { profile, seeds, iterations, lambdas, misalignments, out, runs, engine } = flags;
  return {
    what,
    profile,
    ...(flags.networks ? { networks: flags.networks as NetworkName[] } : {}),
    ...(flags.processes ? { methods: flags.processes as MethodName[] } : {}),
    ...(seeds ? { seeds } : {}),
    ...(iterations === undefined ? {} : { iterations }),
    ...(lambdas ? { lambdas } : {}),
    ...(misalignments ? { misalignments } : {}),
    ...(out === undefined ? {} : { out }),
    runs,
    ...(engine === undefined ? {} : { engine }),
  };
}

export const FIGURES_HELP = `\nFigures:\n${Object.entries(FIGURES)
  .map(([name, { about }]) => `  ${name}  ${about}`)
  .join('\n')}\n`;
