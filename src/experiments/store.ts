/**
 * The results store: one CSV row a score (experiment, benchmark, metric), each with its protocol and provenance. Tables are
 * functions of these rows alone. Files are written whole and atomically; a key is never there twice.
 */
import { existsSync, readFileSync } from 'node:fs';
import { parse } from 'csv-parse/sync';
import { stringify } from 'csv-stringify/sync';
import { z } from 'zod';
import { InputError } from '../util/errors';
import { parseWith } from '../util/schema';
import { writeFileAtomic } from '../util/write-file';

export const SCORE_METRICS = ['psnrY', 'ssimY', 'psnrRgb', 'ssimRgb', 'niqe', 'nrqm', 'pi'] as const;
export type ScoreMetric = (typeof SCORE_METRICS)[number];
/** Of which less is better. */
export const LOWER_IS_BETTER: readonly ScoreMetric[] = ['niqe', 'pi'];

/** A CSV has text alone: an empty cell is null. */
const optional = <T extends z.ZodType>(type: T) =>
  z.preprocess((v) => (v === '' || v === undefined ? null : v), z.nullable(type));
const DECIMAL = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
const decimal = (text: unknown): number => (DECIMAL.test(String(text)) ? Number(text) : NaN);
const number = z.preprocess(decimal, z.custom<number>(Number.isFinite, 'expected a number'));
const whole = z.preprocess(decimal, z.custom<number>(Number.isInteger, 'expected a whole number'));
/** PSNR of equal pictures is infinite. */
const score = z.preprocess(
  (text) => (text === 'Infinity' ? Infinity : decimal(text)),
  z.custom<number>((v) => !Number.isNaN(v), 'expected a number'),
);

const rowSchema = z.strictObject({
  /** `Experiment.id`, or "bicubic". */
  experiment: z.string().min(1),
  network: z.string(),
  process: z.string(),
  /** What it was trained on, in words. */
  trainedOn: z.string(),
  /** The process's complete options, JSON. */
  options: z.string(),
  seed: optional(whole),
  iterations: optional(whole),
  batch: optional(whole),
  patch: optional(whole),
  /** "Set5", and which LR of it: its own bicubic one, or of which camera. */
  benchmark: z.string().min(1),
  lr: z.string().min(1),
  metric: z.enum(SCORE_METRICS),
  /** How the metric looked: "luma, crop 4". */
  protocol: z.string(),
  /** Mean over the pictures. PSNR in dB. */
  value: score,
  images: whole,
  engine: z.string(),
  secondsPerStep: optional(number),
  pairsSha256: z.string(),
  /** Of the code that trained, and of that which scored. */
  commit: z.string(),
  scoredAt: z.string(),
  finished: z.string(),
});

export type ResultRow = z.infer<typeof rowSchema>;

const COLUMNS = Object.keys(rowSchema.shape);

export const rowKey = (row: Pick<ResultRow, 'experiment' | 'benchmark' | 'lr' | 'metric'>): string =>
  JSON.stringify([row.experiment, row.benchmark, row.lr, row.metric]);

/**
 * The rows of a results file; none where it is missing.
 * @throws InputError naming the file, line and column where it is not one
 */
export function readResults(path: string): ResultRow[] {
  if (!existsSync(path)) return [];
  let records: Record<string, string>[];
  try {
    records = parse(readFileSync(path), { bom: true, columns: true, skip_empty_lines: true });
  } catch (error) {
    throw new InputError(`${path} is not a results file: ${(error as Error).message}`);
  }
  return records.map((record, i) => parseWith<ResultRow>(rowSchema, record, `${path} row ${i + 1}`));
}

/** Writes rows sorted by key, so that equal results are equal files. */
export function writeResults(path: string, rows: readonly ResultRow[]): void {
  const sorted = [...rows].sort((a, b) => (rowKey(a) < rowKey(b) ? -1 : 1));
  writeFileAtomic(path, stringify(sorted, { header: true, columns: COLUMNS }));
}

/** All rows; where a key is in several, the last wins. */
export function mergeResults(...sets: readonly (readonly ResultRow[])[]): ResultRow[] {
  return [...new Map(sets.flat().map((row) => [rowKey(row), row])).values()];
}
