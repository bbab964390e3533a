/** Where commands write: results on standard output, everything else on standard error. */
import { textProgress, type ProgressFactory } from '../util/progress';

// A reader that has enough (`| head`) closes the pipe: the work goes on to its files, and what is still said is lost.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
}

export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Numbers that JSON lacks are written as text: the PSNR of equal pictures is "Infinity". */
export function printJson(value: unknown): void {
  const finite = (_: string, v: unknown): unknown =>
    typeof v === 'number' && !Number.isFinite(v) ? String(v) : v;
  print(JSON.stringify(value, finite, 2));
}

export function note(text: string): void {
  process.stderr.write(`${text}\n`);
}

export const progress: ProgressFactory = textProgress();

/** Columns padded to equal width: words to the left, numbers to the right. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = header.map((_, i) => Math.max(...[header, ...rows].map((row) => row[i].length)));
  const numeric = header.map((_, i) => rows.every((row) => /^[-+]?[\d.,]+$|^$/.test(row[i])));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, i) => (numeric[i] ? cell.padStart(widths[i]) : cell.padEnd(widths[i])))
      .join('  ')
      .trimEnd();
  return [line(header), widths.map((w) => '-'.repeat(w)).join('  '), ...rows.map(line)].join('\n');
}

/**
 * Runs work that can be stopped between two steps: the signal fires on the first Ctrl-C (or SIGTERM), a second one ends
 * the process at once. Before and after the work an interrupt ends the process as usual.
 * @param text what the user is told on the first one
 */
export async function interruptible<T>(
  work: (signal: AbortSignal) => Promise<T>,
  text = '\nstopping after this iteration, with a checkpoint (again: stop at once)',
): Promise<T> {
  const controller = new AbortController();
  const stop = (signal: NodeJS.Signals): void => {
    const code = signal === 'SIGINT' ? 130 : 143;
    if (controller.signal.aborted) process.exit(code);
    note(text);
    process.exitCode = code;
    controller.abort();
  };
  const signals = ['SIGINT', 'SIGTERM'] as const;
  for (const name of signals) process.on(name, stop);
  try {
    return await work(controller.signal);
  } finally {
    for (const name of signals) process.off(name, stop);
  }
}
