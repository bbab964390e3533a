/** What a process costs: the time of its training step as a multiple of L1's, measured side by side on a quiet machine. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { InputError } from '../util/errors';
import { PACKAGE_ROOT } from '../util/versions';
import { METHOD_NAMES, METHODS } from './methods';

const FILE = join(PACKAGE_ROOT, 'results', 'processes.jsonl');
const BENCH = 'npm run bench -- processes --json';

/** A line of the bench; `ratio` is L1's time over the process's. */
const lineSchema = z.object({
  name: z.string().regex(/^processes\/\w+:[\w/-]+$/),
  ratio: z.number().positive(),
});

/** Looks a row of a table up: as its SR network and its process are called there. Undefined where it was not measured. */
export type StepTimes = (network: string, method: string) => number | undefined;

/**
 * The measured times; L1 is 1. What a process trains before the SR network (Pseudo GT's stages) is not in its step.
 * @param path what the bench put out. Default: the project's `results/processes.jsonl`
 * @throws InputError where it is missing or no such file
 */
export function stepTimes(path = FILE): StepTimes {
  if (!existsSync(path))
    throw new InputError(`no step times at ${path}: \`${BENCH} > ${path}\` measures them`);
  const times = new Map<string, number>();
  for (const [i, line] of readFileSync(path, 'utf8').split('\n').entries()) {
    if (line.trim() === '') continue;
    const parsed = lineSchema.safeParse(parseLine(line));
    if (!parsed.success) throw new InputError(`${path}: line ${i + 1} is not one of \`${BENCH}\``);
    times.set(parsed.data.name.slice('processes/'.length), 1 / parsed.data.ratio);
  }
  return (network, method) => {
    if (method === METHODS.l1.label) return 1;
    const process = METHOD_NAMES.find((name) => METHODS[name].label === method);
    // "DAT, 4 of 18 blocks" is another network than the bench's DAT.
    return times.get(`${network.toLowerCase()}:${process}`);
  };
}

function parseLine(line: string): unknown {
  try {
    return JSON.parse(line) as unknown;
  } catch {
    return undefined;
  }
}
