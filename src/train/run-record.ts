/** What a run's config.json says: its configuration, where it ran, and on and with what it trains. */
import { existsSync } from 'node:fs';
import type { RunningEngine } from '../engine/engines';
import type { FrozenNetwork, StageRecipe, TrainingProcess } from '../losses/training-process';
import { InputError } from '../util/errors';
import { readJson } from '../util/json';
import type { versions } from '../util/versions';
import { trainingConfig, type TrainingConfig } from './config';

export interface RunRecord extends TrainingConfig {
  readonly engine: RunningEngine;
  readonly versions: ReturnType<typeof versions>;
  /** Where it went on otherwise than it began, and after which iteration. */
  readonly resumed?: readonly Execution[];
  readonly provenance: {
    /** In words. */
    readonly pairs: string;
    readonly pairsSha256: string;
    /** Of the SR network. */
    readonly parameters: number;
    /** What the process needs beside it. */
    readonly adds: {
      readonly trained: TrainingProcess['trained'];
      readonly frozen: Readonly<Record<string, FrozenNetwork>>;
      readonly stages?: readonly { readonly name: string; readonly recipe: StageRecipe }[];
    };
    /** What was prepared for the SR network, once that trains. Older records lack it. */
    readonly preparation?: PreparationRecord;
  };
}

interface PreparationRecord {
  /** Its folder, as seen from the run's. */
  readonly folder: string;
  /** Of the pairs that came out. */
  readonly pairsSha256: string;
}

/** What may differ between executions of one run without its being another. */
interface Execution {
  readonly step: number;
  readonly engine: RunningEngine;
  readonly versions: RunRecord['versions'];
  readonly onNan?: TrainingConfig['recipe']['onNan'];
}

function executionOf({ engine, versions, recipe: { onNan } }: RunRecord, step: number): Execution {
  return { step, engine, versions, ...(onNan === undefined ? {} : { onNan }) };
}

/** How a run was last executed. */
export function lastExecution(record: RunRecord): Execution {
  return record.resumed?.at(-1) ?? executionOf(record, 0);
}

/** The record of a run that goes on as `now` after `step` iterations; undefined where that is how it went before. */
export function goingOn(before: RunRecord, now: RunRecord, step: number): RunRecord | undefined {
  const next = executionOf(now, step);
  if (JSON.stringify({ ...lastExecution(before), step }) === JSON.stringify(next)) return undefined;
  return { ...before, resumed: [...(before.resumed ?? []), next] };
}

/**
 * The record of a run whose SR network trains, or goes on training, on what was prepared.
 * @throws InputError where it began with other pairs
 */
export function trainingOn(preparation: PreparationRecord, record: RunRecord): RunRecord {
  const before = record.provenance.preparation;
  if (before !== undefined && before.pairsSha256 !== preparation.pairsSha256) {
    throw new InputError(
      `the run began with other prepared pairs than are in ${preparation.folder}: pairsSha256 was ${before.pairsSha256}, is ` +
        `${preparation.pairsSha256}: choose another folder to train from the start`,
    );
  }
  return { ...record, provenance: { ...record.provenance, preparation } };
}

/**
 * @param path of a run's config.json
 * @throws InputError if it is missing, not JSON or not a run's
 */
export function readRunRecord(path: string): RunRecord {
  if (!existsSync(path)) throw new InputError(`no run here: ${path} is missing`);
  const { network, process, data, recipe, engine, versions, resumed, provenance } =
    (readJson(path) as RunRecord | null) ?? ({} as RunRecord);
  const config = trainingConfig({ network, process, data, recipe }, path);
  const lacks = Object.entries({ engine, versions, provenance: provenance?.adds && provenance });
  const missing = lacks.find(([, value]) => typeof value !== 'object' || value === null);
  if (missing !== undefined)
    throw new InputError(`${path}: expected a run's record, found no '${missing[0]}'`);
  return { ...config, engine, versions, ...(resumed === undefined ? {} : { resumed }), provenance };
}

/** The configuration in it. @throws InputError as `readRunRecord` */
export function readRunConfig(path: string): TrainingConfig {
  const { network, process, data, recipe } = readRunRecord(path);
  return { network, process, data, recipe };
}

/**
 * Checkpoint spacing, log spacing and what is done where a loss is not finite may change between executions, and where it
 * runs; nothing else that changes the weights may.
 * @returns the record at `path`
 * @throws InputError that lists what is not as the record at `path` has it
 */
export function refuseOtherRun(path: string, record: RunRecord): RunRecord {
  const found = readRunRecord(path);
  const [before, now] = [decisive(found), decisive(record)];
  const changed = [...new Set([...Object.keys(before), ...Object.keys(now)])].filter(
    (key) => JSON.stringify(before[key]) !== JSON.stringify(now[key]),
  );
  if (changed.length === 0) return found;
  const list = changed
    .map((key) => `${key} was ${JSON.stringify(before[key])}, is ${JSON.stringify(now[key])}`)
    .join('; ');
  throw new InputError(
    `${path} belongs to another run (${list}): choose another folder, or the same settings to resume`,
  );
}

/** Everything that changes the weights, by its path. */
function decisive({ network, process, data, recipe, provenance }: RunRecord): Record<string, unknown> {
  const { pairsSha256, adds } = provenance;
  return {
    ...flat({
      network,
      process,
      data,
      recipe: { ...recipe, checkpointEvery: 0, logEvery: 0, onNan: undefined },
    }),
    ...flat({ pairsSha256, frozen: adds.frozen }),
  };
}

function flat(value: unknown, prefix = ''): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return { [prefix]: value };
  return Object.assign(
    {},
    ...Object.entries(value).map(([k, v]) => flat(v, prefix === '' ? k : `${prefix}.${k}`)),
  ) as never;
}
