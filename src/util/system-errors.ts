/** Errors of the operating system in the user's words. */
import { InputError } from './errors';

const REASONS: Readonly<Record<string, string>> = {
  ELOOP: 'its links lead in a circle',
  ENOENT: 'there is no such file or folder',
  EISDIR: 'it is a folder, not a file',
  ENOTDIR: 'a part of the path is a file, not a folder',
  EEXIST: 'a part of the path is a file, not a folder',
  EACCES: 'permission denied',
  EROFS: 'the file system is read-only',
  ENOSPC: 'no space left on the device',
  EDQUOT: 'the quota is used up',
  EFBIG: 'larger than a file may be here',
};

/** The reason of a known error, else the error's message on one line. */
export function systemReason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const known = REASONS[(error as NodeJS.ErrnoException).code ?? ''] as string | undefined;
  return known ?? error.message.trim().replace(/\s*\n\s*/g, '; ');
}

/** "PATH: permission denied" of an error of the operating system about a file; undefined of any other. */
export function systemError(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code, path } = error as NodeJS.ErrnoException;
  return path === undefined || code === undefined || !Object.hasOwn(REASONS, code)
    ? undefined
    : `${path}: ${REASONS[code]}`;
}

/** The error of a file that cannot be written. */
export function cannotWrite(path: string, error: unknown): InputError {
  return new InputError(`cannot write ${path}: ${systemReason(error)}`, { cause: error });
}
