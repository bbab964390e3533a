/**
 * The error a user can mend: a bad path, size, key or name. The command line prints its message alone (no stack)
 * and leaves with exit code 2. Every message names the file or key, what was expected and what was found.
 */
export class InputError extends Error {
  override readonly name = 'InputError';
}

/** What anything that was thrown says. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** What `work` gives; its `InputError` begins with the name of what it was about. */
export async function named<T>(name: string, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof InputError) throw new InputError(`${name}: ${error.message}`, { cause: error });
    throw error;
  }
}

/** What `work` gives; undefined where it ends with an `InputError`. */
export function unlessInputError<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (error instanceof InputError) return undefined;
    throw error;
  }
}

/** The entry of `known` nearest to `word` by edit distance, if it is near enough to be a slip of the pen. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  const ranked = known.map((k) => ({ k, d: editDistance(word.toLowerCase(), k.toLowerCase()) }));
  ranked.sort((a, b) => a.d - b.d);
  const best = ranked[0];
  return best && best.d <= Math.max(2, Math.floor(word.length / 3)) ? best.k : undefined;
}

/** "unknown WHAT 'word'; expected one of a, b, c (did you mean a?)" as an InputError. */
export function unknownName(what: string, word: string, known: readonly string[]): InputError {
  const near = nearest(word, known);
  const hint = near === undefined ? '' : ` (did you mean '${near}'?)`;
  return new InputError(`unknown ${what} '${word}': expected one of ${known.join(', ')}${hint}`);
}

/** The word as one of the known names. @throws InputError as `unknownName` has it */
export function knownName<T extends string>(what: string, word: string, known: readonly T[]): T {
  if (!known.includes(word as T)) throw unknownName(what, word, known);
  return word as T;
}

/** Levenshtein distance, one row at a time. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitute = row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(substitute, row[j] + 1, next[j - 1] + 1));
    }
    row = next;
  }
  return row[b.length];
}
