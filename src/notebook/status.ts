/** One line below a cell that says what runs, how fast, and how much is left; it changes in place. */
import { escapeMarkup } from '../util/escape';
import { Clock, type ProgressFactory } from '../util/progress';
import { LiveOutput, text } from './kernel';

/** Between two states of the line, milliseconds. */
const INTERVAL = 400;

export class StatusLine {
  private readonly output = new LiveOutput();
  private prefix = '';
  private last = 0;

  /** What stands before whatever progress is shown next. */
  begin(prefix: string): void {
    this.prefix = prefix === '' ? '' : `${prefix}: `;
  }

  /** The line as it stays. */
  async end(words: string): Promise<void> {
    await this.output.update(text(words, `<small>${escapeMarkup(words)}</small>`));
  }

  /** Progress of long work in this line. */
  readonly progress: ProgressFactory = (label, total) => {
    const clock = new Clock(total);
    return {
      update: (done, words) => {
        if (Date.now() - this.last < INTERVAL) return;
        this.last = Date.now();
        const { rate, left } = clock.read(done);
        const line = `${this.prefix}${label}, ${done} of ${total}, ${rate}, ${left} left, ${words}`;
        const bar = `<progress max="${total}" value="${done}"></progress>`;
        void this.output.update(text(line, `${bar} <small>${escapeMarkup(line)}</small>`));
      },
      stop: () => undefined,
    };
  };
}
