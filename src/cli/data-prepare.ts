import { Command } from 'commander';
import { join } from 'node:path';
import { prepareRealSr } from '../data/prepare-realsr';
import { prepareSrRaw } from '../data/prepare-sr-raw';
import { summaries, type Prepared } from '../data/prepared';
import { MOTIONS, type Motion } from '../data/registration';
import { dataRoot, folderOf } from '../data/roots';
import { InputError, knownName, unknownName } from '../util/errors';
import { interruptible, note, print, progress, table } from './output';

interface Flags {
  readonly from?: string;
  readonly out?: string;
  readonly shrink?: boolean;
  readonly motion?: string;
}

const SETS = ['RealSR-V1', 'RealSR-V2', 'RealSR-V3', 'SR-RAW'];

/** `mimicsr data prepare`: x4 pairs from the sets as they are published. */
export function prepareCommand(): Command {
  return new Command('prepare')
    .description('Make x4 pairs of a set of real photographs, with a report of how far LR and HR are apart.')
    .argument('<name>', SETS.join(', '))
    .option('--from <folder>', 'the set as published (default: where fetch or import put it)')
    .option('--out <folder>', 'the pairs (default: NAME-x4 below the data root)')
    .option(
      '--shrink',
      'RealSR-V1, -V2: shrink the LR, which is stored at HR size, by 4; softens its degradation',
    )
    .option(
      '--motion <name>',
      `SR-RAW: registration, ${MOTIONS.join(' (as the paper says) or ')} (default: affine, as its authors' source)`,
    )
    .addHelpText(
      'after',
      '\nExample:\n  mimicsr data prepare RealSR-V3\n  mimicsr train --pairs RealSR-V3-x4/Canon-train',
    )
    .action(async (given: string, flags: Flags) => {
      const name = SETS.find((set) => set.toLowerCase() === given.toLowerCase());
      if (name === undefined) throw unknownName('set to prepare', given, SETS);
      if (flags.motion !== undefined && name !== 'SR-RAW')
        throw new InputError(`--motion is for SR-RAW, not ${name}`);
      if (flags.shrink && name === 'SR-RAW') throw new InputError('--shrink is for RealSR, not SR-RAW');
      const motion = motionOf(flags.motion);
      const out = flags.out ?? join(dataRoot(), `${name}-x4`);
      const source = flags.from ?? folderOf(name);
      const prepared = await interruptible((signal) => {
        const options = { signal, progress, log: note };
        if (name !== 'SR-RAW')
          return prepareRealSr(source, out, { ...options, shrink: flags.shrink ?? false });
        return prepareSrRaw(source, out, { ...options, motion });
      }, '\nstopping after this pair (again: stop at once)');
      report(prepared);
    });
}

function motionOf(name: string = 'affine'): Motion {
  return knownName('motion', name, MOTIONS);
}

function report(prepared: Prepared): void {
  const rows = summaries(prepared).map((s) => [
    s.set,
    String(s.pairs),
    String(s.textured),
    ...[s.flowBefore, s.flow, s.flowP90, s.colourGap].map((v) => v.toFixed(2)),
  ]);
  print(table(['folder', 'pairs', 'textured', 'flow before', 'flow', 'flow p90', 'colour gap'], rows));
  print(`medians over textured pairs; flow in LR pixels, colour CIE76; each pair: ${prepared.report}`);
  if (prepared.refused.length > 0) print(`${prepared.refused.length} left out, see the report`);
  if (prepared.pairs.length === 0) throw new InputError(`no pair could be made of ${prepared.source}`);
}
