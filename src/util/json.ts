import { readFileSync } from 'node:fs';
import { InputError } from './errors';

/** What a JSON file holds. @throws InputError where it is not JSON */
export function readJson(path: string): unknown {
  return parseJson(readFileSync(path, 'utf8'), path);
}

/**
 * What the text of a JSON file holds.
 * @throws InputError that names the file where it is not JSON
 */
export function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new InputError(`${path} is not JSON: ${(error as Error).message}`);
  }
}
