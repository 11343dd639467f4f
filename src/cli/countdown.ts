/** How far a long job is, and when it will end. */
import { SingleBar } from "cli-progress";
import { formatDuration } from "./command.js";
import { isReporting } from "./ranks.js";

/** Seconds between two lines where stderr is no terminal. */
const LINE_SECONDS = 10;

/** One line on stderr, with the time that is left: a bar on a terminal, otherwise a new line every few seconds. */
export class Countdown {
  #bar: SingleBar | undefined;
  #lastLine = 0;
  #first: { readonly done: number; readonly time: number } | undefined;

  /** `what` is counted: "step". */
  constructor(readonly what: string) {}

  /** `done` of `total` are finished; the first call tells where this process began. */
  update(done: number, total: number, details: readonly string[] = []): void {
    if (!isReporting()) return;
    this.#first ??= { done, time: performance.now() };
    const percent = `${Math.floor((100 * done) / total)} %`;
    const line = [percent, ...details, `${this.#left(done, total)} left`].join(" · ");
    if (!process.stderr.isTTY) {
      const now = performance.now();
      if (now - this.#lastLine < 1000 * LINE_SECONDS && done < total) return;
      this.#lastLine = now;
      process.stderr.write(`${this.what} ${done}/${total} · ${line}\n`);
      return;
    }
    if (!this.#bar) {
      const format = "{bar} {value}/{total} · {line}";
      this.#bar = new SingleBar({ format, barsize: 16, hideCursor: false, linewrap: false, stream: process.stderr });
      this.#bar.start(total, done, { line });
    }
    this.#bar.update(done, { line });
  }

  #left(done: number, total: number): string {
    const { done: first, time } = this.#first ?? { done, time: 0 };
    if (done === first) return "?";
    return formatDuration(((performance.now() - time) / (done - first)) * (total - done));
  }

  /** Ends the line, so that something else can be written; the next `update` begins a new one. */
  stop(): void {
    this.#bar?.stop();
    this.#bar = undefined;
  }
}

/** Of the work, what is not counted when the rest is estimated: in it pipelines are compiled, which takes its own time. */
const BEGINNING = 0.03;

/** One job on one line of stderr: percentage, stage and the time that is left, for the whole of it. */
export class JobProgress {
  #bar: SingleBar | undefined;
  #lastLine = performance.now();
  #counted: { readonly share: number; readonly time: number } | undefined;

  /** `share` of all the work, 0 to 1, is done; `stage` is going on. */
  update(stage: string, share: number): void {
    const now = performance.now();
    if (share > BEGINNING) this.#counted ??= { share, time: now };
    const { share: first = share, time = now } = this.#counted ?? {};
    const left = share > first ? formatDuration(((now - time) / (share - first)) * (1 - share)) : "?";
    const percent = Math.floor(100 * share);
    if (!process.stderr.isTTY) {
      if (now - this.#lastLine < 1000 * LINE_SECONDS) return;
      this.#lastLine = now;
      process.stderr.write(`${percent} % · ${left} left · ${stage}\n`);
      return;
    }
    if (!this.#bar) {
      const format = "{bar} {percent} % · {left} left · {stage}";
      this.#bar = new SingleBar({ format, barsize: 24, hideCursor: false, linewrap: false, stream: process.stderr });
      this.#bar.start(1, 0, { percent, left, stage });
    }
    this.#bar.update(share, { percent, left, stage });
  }

  /** Ends the line. */
  stop(): void {
    this.#bar?.stop();
    this.#bar = undefined;
  }
}
