/**
 * Mutated files: whatever the bytes, a reader gives something sound or refuses with an InputError, in less than two seconds, with
 * less memory than four times the file and 64 MiB.
 *
 * MUTATIONS sets how many of each kind are tried (`MUTATIONS=10000 npm run fuzz`). A failure names the mutation's number; each is
 * drawn from its own seed, so FIRST=number MUTATIONS=1 repeats it alone.
 */
import { expect, it } from 'vitest';
import { InputError } from '../../src/util/errors';
import { Random } from '../../src/util/random';
import { watchMemory } from './peak-memory';

const MUTATIONS = Number(process.env.MUTATIONS ?? 1500);
const FIRST = Number(process.env.FIRST ?? 0);
const MIB = 2 ** 20;

export interface FuzzTarget {
  readonly mutated: (random: Random) => Buffer;
  /** Reads the bytes; throws an InputError to refuse them, anything else is a fault. */
  readonly read: (bytes: Buffer) => unknown;
  /** Bytes that reading may take; default: four times the file and 64 MiB. */
  readonly memory?: number;
  /** How many of the suite's, as a share; slow readers are tried less often. Default 1. */
  readonly share?: number;
}

/** The test of one kind of file. */
export function fuzz(name: string, { mutated, read, memory, share = 1 }: FuzzTarget): void {
  const count = process.env.MUTATIONS === undefined ? Math.round(share * MUTATIONS) : MUTATIONS;
  it(`${name}, mutated ${count} times, is read soundly or refused, fast and in bounds`, async () => {
    const counts = { read: 0, refused: 0 };
    for (let i = FIRST; i < FIRST + count; i++) {
      const bytes = mutated(new Random('weights', name, i));
      const start = performance.now();
      const grown = watchMemory();
      try {
        await read(bytes);
        counts.read++;
      } catch (error) {
        if (!(error instanceof InputError)) throw new Error(`mutation ${i}`, { cause: error });
        counts.refused++;
      }
      const milliseconds = performance.now() - start;
      if (milliseconds > 2000) throw new Error(`mutation ${i} took ${milliseconds} ms`);
      const bytesGrown = grown();
      if (bytesGrown > (memory ?? 4 * bytes.length + 64 * MIB))
        throw new Error(`mutation ${i} took ${bytesGrown} bytes`);
    }
    if (process.env.MUTATIONS === undefined) {
      // Mutations that are never read, or never refused, would test nothing.
      expect(counts.read).toBeGreaterThan(count / 100);
      expect(counts.refused).toBeGreaterThan(count / 10);
    }
  }, 3_600_000);
}
