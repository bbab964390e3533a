/** The `mimicsr` command. Exit code 0: done; 2: an input that the user can mend; 1: anything else; 130/143: interrupted. */
import { Command, CommanderError } from 'commander';
import { DivergedError } from '../train/diverged';
import { InputError } from '../util/errors';
import { systemError } from '../util/system-errors';
import { versions } from '../util/versions';
import { alignCommand } from './align';
import { convertCommand } from './convert';
import { dataCommand } from './data';
import { doctorCommand } from './doctor';
import { evaluateCommand } from './evaluate';
import { gridCommand } from './grid';
import { note } from './output';
import { quickstartCommand } from './quickstart';
import { reproduceCommand } from './reproduce';
import { scoreCommand } from './score';
import { trainCommand } from './train';
import { upscaleCommand } from './upscale';

export function program(): Command {
  const root = new Command('mimicsr')
    .description('Train super-resolution networks on misaligned real-world LR/HR pairs.')
    .version(versions().mimicsr);
  const commands = [
    quickstartCommand,
    reproduceCommand,
    gridCommand,
    trainCommand,
    evaluateCommand,
    scoreCommand,
    upscaleCommand,
    alignCommand,
    convertCommand,
    dataCommand,
    doctorCommand,
  ];
  for (const command of commands) {
    root.addCommand(command());
  }
  root.hook('preAction', (_, command) => refuseEmpty(command));
  for (const command of withSubcommands(root)) {
    command.showHelpAfterError(`(${fullName(command)} --help shows the options and an example)`);
  }
  return root;
}

/** An unset variable in a script leaves an option empty: that is no folder, and no name. */
function refuseEmpty(command: Command): void {
  for (const [name, value] of Object.entries(command.opts<Record<string, unknown>>())) {
    if ([value].flat().includes(''))
      throw new InputError(`${flagOf(command, name)}: expected a value, found nothing`);
  }
}

function flagOf({ options }: Command, attribute: string): string {
  return options.find((option) => option.attributeName() === attribute)?.long ?? attribute;
}

/** Runs the command line; sets the exit code. */
export async function main(argv: readonly string[]): Promise<void> {
  const root = program();
  for (const command of withSubcommands(root)) command.exitOverride();
  try {
    await root.parseAsync([...argv]);
  } catch (error) {
    const mendable = error instanceof InputError ? error.message : systemError(error);
    if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2;
    else if (mendable !== undefined) {
      note(`mimicsr: ${mendable}`);
      process.exitCode = 2;
    } else if (error instanceof DivergedError) {
      note(
        `mimicsr: ${error.message}\n--on-nan skip leaves such updates out: with it the same command goes on from the last checkpoint`,
      );
      process.exitCode = 1;
    } else {
      note(`mimicsr: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
      process.exitCode = 1;
    }
  }
}

/** "mimicsr data fetch". */
function fullName(command: Command): string {
  return command.parent === null ? command.name() : `${fullName(command.parent)} ${command.name()}`;
}

function withSubcommands(command: Command): Command[] {
  return [command, ...command.commands.flatMap(withSubcommands)];
}
