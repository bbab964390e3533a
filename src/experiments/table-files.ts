/** A table's files. */
import { join } from 'node:path';
import { writeFileAtomic } from '../util/write-file';
import type { Table } from './table';
import { tableCsv, tableHtml, tableLatex, tableMarkdown } from './table-text';

/** Writes `ID.md`, `.csv`, `.tex` and `.html`. */
export function writeTable(filled: Table, folder: string): void {
  const file = (ending: string): string => join(folder, `${filled.id}.${ending}`);
  writeFileAtomic(file('md'), tableMarkdown(filled));
  writeFileAtomic(file('csv'), tableCsv(filled));
  writeFileAtomic(file('tex'), tableLatex(filled));
  writeFileAtomic(file('html'), tableHtml(filled));
}
