/** The paper's printed numbers, from `results/paper/*.csv`: data, always labelled as the paper's. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import { z } from 'zod';
import { parseWith } from '../util/schema';
import { PACKAGE_ROOT } from '../util/versions';

const numberSchema = z.strictObject({
  network: z.string(),
  process: z.string(),
  trainedOn: z.string(),
  benchmark: z.string(),
  metric: z.string(),
  value: z.coerce.number(),
});
export type PaperNumber = z.infer<typeof numberSchema>;

/** The numbers of a table; none where the paper has no such table or they are not at hand. */
export function paperNumbers(table: string): PaperNumber[] {
  const path = join(PACKAGE_ROOT, 'results', 'paper', `${table}.csv`);
  if (!existsSync(path)) return [];
  const records: unknown[] = parse(readFileSync(path), { columns: true, skip_empty_lines: true });
  return records.map((record, i) => parseWith<PaperNumber>(numberSchema, record, `${path} row ${i + 1}`));
}
