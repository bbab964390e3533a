/** Progress of long work: a bar in a terminal, a line now and then elsewhere. */
import { SingleBar } from 'cli-progress';

export interface Progress {
  /** `done` of the total; `text` is what else to show (losses, say). */
  update(done: number, text: string): void;
  stop(): void;
}

export type ProgressFactory = (label: string, total: number) => Progress;

/** Shows nothing: library use and tests. */
export const silentProgress: ProgressFactory = () => ({ update: () => undefined, stop: () => undefined });

/**
 * On a terminal a bar with rate and time left; else (a log file, a pipe) a line every ten seconds.
 * @param out where to: standard error, so that results on standard output stay clean
 */
export function textProgress(out: NodeJS.WriteStream = process.stderr): ProgressFactory {
  return (label, total) => (out.isTTY ? bar(out, label, total) : lines(out, label, total));
}

function bar(stream: NodeJS.WriteStream, label: string, total: number): Progress {
  const single = new SingleBar({
    stream,
    format: `${label} [{bar}] {value}/{total}  {rate}  left {left}  {text}`,
    hideCursor: true,
    barsize: 24,
    gracefulExit: false,
  });
  const clock = new Clock(total);
  single.start(total, 0, { rate: '', left: '', text: '' });
  return {
    update: (done, text) => single.update(done, { ...clock.read(done), text }),
    stop: () => single.stop(),
  };
}

function lines(out: NodeJS.WriteStream, label: string, total: number): Progress {
  const clock = new Clock(total);
  let shown = performance.now();
  return {
    update(done, text) {
      if (done < total && performance.now() - shown < 10_000) return;
      shown = performance.now();
      const { rate, left } = clock.read(done);
      out.write(`${label} ${done}/${total}  ${rate}  left ${left}  ${text}\n`);
    },
    stop: () => undefined,
  };
}

/** Rate and time left from where this process began counting (a resumed run does not begin at 0). */
export class Clock {
  private start?: { readonly at: number; readonly done: number };

  constructor(private readonly total: number) {}

  read(done: number): { rate: string; left: string } {
    this.start ??= { at: performance.now(), done };
    const seconds = (performance.now() - this.start.at) / 1000;
    const rate = (done - this.start.done) / seconds;
    if (!(rate > 0)) return { rate: '…', left: '…' };
    return {
      rate: rate >= 1 ? `${rate.toFixed(1)}/s` : `${(1 / rate).toFixed(1)} s each`,
      left: duration((this.total - done) / rate),
    };
  }
}

/** Seconds as "42 s", "3 min 20 s", "2 h 5 min". */
export function duration(seconds: number): string {
  const s = Math.round(seconds);
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
}
