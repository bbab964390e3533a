import { InputError } from './errors';

/**
 * Files by name, each name once.
 * @param nameOf the name of a file; undefined leaves it out
 * @param clash what to say of two files of one name
 * @throws InputError that says it
 */
export function filesByName(
  paths: Iterable<string>,
  nameOf: (path: string) => string | undefined,
  clash: (first: string, second: string, name: string) => string,
): Map<string, string> {
  const files = new Map<string, string>();
  for (const path of paths) {
    const name = nameOf(path);
    if (name === undefined) continue;
    const other = files.get(name);
    if (other !== undefined) throw new InputError(clash(other, path, name));
    files.set(name, path);
  }
  return files;
}
