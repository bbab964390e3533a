import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** Folder of goldens and real images for development, or undefined: tests that need it are then skipped. */
export const SHARED: string | undefined = process.env.MIMICSR_SHARED;

/** Reason shown where a test is skipped. */
export const NO_SHARED = 'skipped without MIMICSR_SHARED (goldens and real images)';

/** Path of a file or folder of the shared material. */
export function shared(...parts: string[]): string {
  if (SHARED === undefined) throw new Error(NO_SHARED);
  const path = join(SHARED, ...parts);
  if (!existsSync(path)) throw new Error(`MIMICSR_SHARED has no ${parts.join('/')}`);
  return path;
}
