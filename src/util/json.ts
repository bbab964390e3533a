import { readFileSync } from 'node:fs';
import { InputError } from './errors';

/** What a JSON file holds. @throws InputError where it is not JSON */
export function readJson(path: string): unknown {
  const text = readFileSync(path, 'utf8');
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new InputError(`${path} is not JSON: ${(error as Error).message}`);
  }
}
