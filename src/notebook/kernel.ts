/**
 * The way out of a notebook's cell: what the kernel (`jupyter/kernel`) offers, and plain text where a script runs the same
 * code. A thing shows itself as a MIME bundle, its forms side by side, of which the front end takes the richest it knows.
 */
import { randomUUID } from 'node:crypto';

/** Content by MIME type: text, base64 for binary types, objects for JSON types. `text/plain` is always there. */
export type Bundle = Readonly<Record<string, string | object>> & { readonly 'text/plain': string };

/** The key under which a value offers its bundle; the last value of a cell is shown by it. */
export const DISPLAY: unique symbol = Symbol.for('Jupyter.display') as never;

export interface Displayable {
  [DISPLAY](): Bundle | Promise<Bundle>;
}

interface Kernel {
  show(bundle: Bundle, options?: { readonly id?: string; readonly update?: boolean }): void;
  takeSignal(): AbortSignal;
}

function kernel(): Kernel | undefined {
  return (globalThis as { mimicsrKernel?: Kernel }).mimicsrKernel;
}

/** Whether a notebook's cell runs this. */
export function inNotebook(): boolean {
  return kernel() !== undefined;
}

/** Shows values below the cell, in their order; their text on standard output where there is no notebook. */
export async function show(...values: readonly Displayable[]): Promise<void> {
  for (const value of values) emit(await value[DISPLAY]());
}

function emit(bundle: Bundle, options?: { readonly id: string; readonly update: boolean }): void {
  const to = kernel();
  if (to !== undefined) to.show(bundle, options);
  else if (!options?.update) process.stdout.write(`${bundle['text/plain']}\n`);
}

/** An output that changes in place. Without a notebook only its first state is printed. */
export class LiveOutput {
  private readonly id = randomUUID();
  private shown = false;

  async update(value: Displayable): Promise<void> {
    const bundle = await value[DISPLAY]();
    emit(bundle, { id: this.id, update: this.shown });
    this.shown = true;
  }
}

/** Lines of text, or HTML with its text. */
export function text(plain: string, html?: string): Displayable {
  return {
    [DISPLAY]: () => ({ 'text/plain': plain, ...(html === undefined ? {} : { 'text/html': html }) }),
  };
}

/**
 * Runs work that an interrupt of the cell stops: the signal fires on the first interrupt, and the cell goes on to its end;
 * the second one ends the cell as any. Without a notebook the signal never fires.
 */
export function interruptSignal(): AbortSignal {
  return kernel()?.takeSignal() ?? new AbortController().signal;
}
