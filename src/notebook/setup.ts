/** A notebook's first cell: the engine, the figures' form, and the parameters. */
import { startEngine } from '../engine/engines';
import { InputError } from '../util/errors';
import { versions } from '../util/versions';
import { interactiveFigures, staticFigures } from './figure';
import { inNotebook, show, text } from './kernel';

/**
 * Starts the engine (MIMICSR_ENGINE pins one), says what runs, and makes figures interactive; with MIMICSR_FIGURES=static
 * they are pictures alone, as in notebooks that are kept with their outputs.
 * @throws InputError where a pinned engine cannot start, saying what to install
 */
export async function setup(): Promise<void> {
  const engine = await startEngine();
  const { mimicsr, node } = versions();
  await show(text(`mimicsr ${mimicsr}, engine ${engine.name}: ${engine.detail}, Node ${node}`));
  if (!inNotebook() || process.env.MIMICSR_FIGURES === 'static') staticFigures();
  else await show(interactiveFigures());
}

/**
 * A notebook's parameters: those of its cell, over which MIMICSR_PARAMETERS (a JSON object) has the last word, so that a
 * notebook can be run by a script with others; the cell says so.
 * @throws InputError where the variable is not a JSON object, or names what the notebook has not
 */
export function parameters<const T extends Record<string, unknown>>(cell: T): T {
  const source = process.env.MIMICSR_PARAMETERS;
  if (source === undefined || source === '') return cell;
  let given: unknown;
  try {
    given = JSON.parse(source);
  } catch (error) {
    throw new InputError(`MIMICSR_PARAMETERS is not JSON: ${(error as Error).message}`);
  }
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw new InputError(`MIMICSR_PARAMETERS: expected a JSON object, found ${source}`);
  }
  const unknown = Object.keys(given).filter((key) => !(key in cell));
  if (unknown.length > 0) {
    throw new InputError(
      `MIMICSR_PARAMETERS names ${unknown.join(', ')}: this notebook has ${Object.keys(cell).join(', ')}`,
    );
  }
  process.stdout.write(`MIMICSR_PARAMETERS: ${JSON.stringify(given)}\n`);
  return { ...cell, ...given };
}
