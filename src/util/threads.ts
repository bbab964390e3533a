import { availableParallelism } from 'node:os';
import { InputError } from './errors';

/**
 * CPU threads that this process may use: MIMICSR_THREADS, default all cores.
 * @throws InputError if that is not a positive integer
 */
export function threadCount(): number {
  const text = process.env.MIMICSR_THREADS;
  if (text === undefined || text === '') return availableParallelism();
  if (!/^[1-9]\d{0,3}$/.test(text)) {
    throw new InputError(`MIMICSR_THREADS: expected a positive integer, found "${text}"`);
  }
  return Number(text);
}
