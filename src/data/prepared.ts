/** What preparing a set of real pairs leaves: its pairs in folders, and a report of how far LR and HR are apart. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { InputError } from '../util/errors';
import type { ProgressFactory } from '../util/progress';
import { quantile } from '../util/quantile';
import { writeFileAtomic } from '../util/write-file';
import { filesIn } from './layout';
import type { Misalignment } from './misalignment';

export interface PrepareOptions {
  readonly progress?: ProgressFactory;
  /** Stops after the current pair. */
  readonly signal?: AbortSignal;
  /** Hears of what was done to pairs beyond the rule. */
  readonly log?: (text: string) => void;
}

export interface PreparedPair {
  /** Folder below the prepared set's. */
  readonly set: string;
  readonly name: string;
  /** What was done to its files. */
  readonly change: 'linked' | 'cut' | 'shrunk' | 'registered';
  /** As it was found, where it was registered. */
  readonly before?: Misalignment;
  readonly after: Misalignment;
}

export interface Prepared {
  /** Path of report.json. */
  readonly report: string;
  readonly source: string;
  readonly pairs: readonly PreparedPair[];
  /** What could not be made a pair, and why. */
  readonly refused: readonly string[];
}

/** Writes report.json into the prepared set's folder. */
export function writeReport(folder: string, prepared: Omit<Prepared, 'report'>): Prepared {
  const report = join(folder, 'report.json');
  const units = 'lengths in LR pixels, colour gap CIE76; lengths of pairs that are not textured mean nothing';
  writeFileAtomic(report, `${JSON.stringify({ units, ...prepared }, undefined, 2)}\n`);
  return { report, ...prepared };
}

export interface Summary {
  readonly set: string;
  readonly pairs: number;
  readonly textured: number;
  /** Medians over the textured pairs. */
  readonly flowBefore: number;
  readonly flow: number;
  readonly flowP90: number;
  readonly colourGap: number;
}

/** A row a folder. */
export function summaries({ pairs }: Prepared): Summary[] {
  return [...new Set(pairs.map(({ set }) => set))].map((set) => {
    const all = pairs.filter((pair) => pair.set === set);
    const textured = all.filter(({ after }) => after.textured);
    const median = (value: (pair: PreparedPair) => number): number => quantile(textured.map(value), 0.5);
    return {
      set,
      pairs: all.length,
      textured: textured.length,
      flowBefore: median(({ before, after }) => (before ?? after).flowMedian),
      flow: median(({ after }) => after.flowMedian),
      flowP90: median(({ after }) => after.flowP90),
      colourGap: median(({ after }) => after.colourGap),
    };
  });
}

/**
 * `filesIn` a folder that the user has named.
 * @throws InputError where there is no such folder
 */
export function filesBelow(folder: string): string[] {
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory())
    throw new InputError(`no folder ${folder}`);
  return filesIn(folder);
}
