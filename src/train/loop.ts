/** Iterations from the last checkpoint to the last one asked for, with a log, checkpoints and progress. */
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { setImmediate as turnOfEventLoop } from 'node:timers/promises';
import { silentProgress, type ProgressFactory } from '../util/progress';
import { cannotWrite } from '../util/system-errors';
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
  /** Iterations between checkpoints; where they take longer than ten minutes there is one after those. */
  readonly checkpointEvery: number;
  readonly logEvery: number;
  readonly progress?: ProgressFactory;
  /** Ends the loop after the current iteration, with a checkpoint. */
  readonly signal?: AbortSignal;
  /** Called before the first iteration of this execution, with how many are done; not where none is left. */
  readonly onStart?: (step: number) => void;
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

const CHECKPOINT_MS = 10 * 60 * 1000;

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
    await saveCheckpoint(files.checkpoint, trainer, step);
    await options.onSave?.(step);
    saved = performance.now();
  };
  const started = performance.now();
  let saved = started;
  const first = step;
  const progress = (options.progress ?? silentProgress)(options.label, iterations);
  if (step < iterations) options.onStart?.(step);
  progress.update(step, '');
  try {
    while (step < iterations && !signal?.aborted) {
      const report = await trainer.step(step + 1);
      step++;
      if (report.skipped !== undefined || step % options.logEvery === 0 || step === iterations)
        log.add(report, (performance.now() - started) / 1000);
      progress.update(step, lossText(report));
      await options.onStep?.(report);
      if (step % options.checkpointEvery === 0 || performance.now() - saved > CHECKPOINT_MS) await save();
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
 * The log, written line by line. After a kill the lines behind the checkpoint are those of iterations that will be done again,
 * and are left out; so is a last one that was cut off.
 */
class Log {
  private text: string;

  constructor(
    private readonly path: string,
    step: number,
  ) {
    const old = existsSync(path) ? readFileSync(path, 'utf8') : undefined;
    const lines = (old ?? '').split('\n').filter((line) => stepOf(line) <= step);
    this.text = lines.map((line) => `${line}\n`).join('');
    if (this.text !== old) writeFileAtomic(path, this.text);
  }

  add(report: StepReport, seconds: number): void {
    const line = `${JSON.stringify({ ...report, seconds: Number(seconds.toFixed(3)) })}\n`;
    this.text += line;
    // Deleted meanwhile: as a whole again.
    if (!existsSync(this.path)) return writeFileAtomic(this.path, this.text);
    try {
      appendFileSync(this.path, line);
    } catch (error) {
      throw cannotWrite(this.path, error);
    }
  }
}

function stepOf(line: string): number {
  try {
    return (JSON.parse(line) as StepReport).step;
  } catch {
    return Infinity;
  }
}
