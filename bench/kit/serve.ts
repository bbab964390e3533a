/**
 * The kit's side of a benchmark: on every line "go" runs once and answers with its seconds; on "end" with its peak memory.
 * Arguments: name of the case. MIMICSR_ENGINE and MIMICSR_THREADS choose the engine.
 */
import * as readline from 'node:readline';
import { startEngine } from '../../src/engine/engines';

/** One run, which ends when its results are there. */
export type Run = () => void | Promise<void>;

/** @param cases name of a case -> sets it up and returns what is timed */
export async function serve(cases: Record<string, () => Run>): Promise<void> {
  const { name, detail } = await startEngine();
  const run = cases[process.argv[2]]();
  await run();
  answer({ ready: `${name}: ${detail}` });
  for await (const line of readline.createInterface({ input: process.stdin })) {
    if (line.trim() === 'end') break;
    const start = performance.now();
    await run();
    answer({ seconds: (performance.now() - start) / 1000 });
  }
  answer({ rss: process.resourceUsage().maxRSS * 1024 });
}

function answer(message: object): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}
