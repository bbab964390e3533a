/** Iterations from the last checkpoint to the last one asked for, with a log, checkpoints and progress. */
import { existsSync, readFileSync } from 'node:fs';
import { setImmediate as turnOfEventLoop } from 'node:timers/promises';
import { silentProgress, type ProgressFactory } from '../util/progress';
import { writeFileAtomic } from '../util/write-file';
import { loadCheckpoint, saveCheckpoint } from './checkpoint';
import type { StepReport, Trainer } from './trainer';

export interface LoopFiles {
  /** The newest complete state; the loop goes on from it. */
  readonly checkpoint: string;
  /** One JSON line every `logEvery` iterations. */
  readonly log: string;
}

export interface LoopOptions {
  /** What is training, for the progress bar. */
  readonly label: string;
  readonly iterations: number;
  readonly checkpointEvery: number;
  readonly logEvery: number;
  readonly progress?: ProgressFactory;
  /** Ends the loop after the current iteration, with a checkpoint. */
  readonly signal?: AbortSignal;
  readonly onStep?: (report: StepReport) => void | Promise<void>;
  /** Called with each checkpoint. */
  readonly onSave?: (step: number) => Promise<void>;
}

export interface LoopResult {
  /** Iterations done; fewer than asked for where the loop was stopped. */
  readonly step: number;
  /** Seconds per iteration of this execution; 0 where there was none. */
  readonly secondsPerStep: number;
}

/**
 * @throws InputError where the checkpoint is of another training
 * @throws DivergedError where a loss or gradient is not finite; the files then hold the last checkpoint
 */
export async function trainingLoop(
  trainer: Trainer,
  files: LoopFiles,
  options: LoopOptions,
): Promise<LoopResult> {
  const { iterations, signal } = options;
  let step = existsSync(files.checkpoint) ? loadCheckpoint(files.checkpoint, trainer) : 0;
  const log = new Log(files.log, step);
  const save = async (): Promise<void> => {
    // The log first: lines behind the checkpoint are dropped, lines before it must be there.
    log.flush();
    await saveCheckpoint(files.checkpoint, trainer, step);
    await options.onSave?.(step);
  };
  const started = performance.now();
  const first = step;
  const progress = (options.progress ?? silentProgress)(options.label, iterations);
  progress.update(step, '');
  try {
    while (step < iterations && !signal?.aborted) {
      const report = await trainer.step(step + 1);
      step++;
      if (report.skipped !== undefined || step % options.logEvery === 0 || step === iterations)
        log.add(report, (performance.now() - started) / 1000);
      progress.update(step, lossText(report));
      await options.onStep?.(report);
      if (step % options.checkpointEvery === 0) await save();
      // Signals and the timer that touches the lock are heard here: an engine that answers at once lets nothing else through.
      await turnOfEventLoop();
    }
  } finally {
    progress.stop();
  }
  await save();
  return { step, secondsPerStep: step > first ? (performance.now() - started) / 1000 / (step - first) : 0 };
}

function lossText({ loss, terms, skipped }: StepReport): string {
  if (skipped !== undefined) return `skipped ${skipped}`;
  const names = Object.keys(terms);
  const each = names.length > 1 ? ` (${names.map((n) => `${n} ${terms[n].toFixed(4)}`).join(', ')})` : '';
  return `loss ${loss.toFixed(4)}${each}`;
}

/**
 * The log, rewritten as a whole before each checkpoint: after a kill the lines behind the checkpoint are those of iterations
 * that will be done again, and are left out.
 */
class Log {
  private readonly lines: string[];

  constructor(
    private readonly path: string,
    step: number,
  ) {
    const old = existsSync(path) ? readFileSync(path, 'utf8').split('\n').filter(Boolean) : [];
    this.lines = old.filter((line) => (JSON.parse(line) as StepReport).step <= step);
  }

  add(report: StepReport, seconds: number): void {
    this.lines.push(JSON.stringify({ ...report, seconds: Number(seconds.toFixed(3)) }));
  }

  flush(): void {
    writeFileAtomic(this.path, this.lines.map((line) => `${line}\n`).join(''));
  }
}
