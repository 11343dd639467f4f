/**
 * A file that grows by whole records. When `append` returns, the record is in the system's hands: a killed process leaves
 * at worst one torn record at the end. It writes synchronously, because records are small and an error then belongs to
 * the step whose record it is.
 */
import { closeSync, fdatasyncSync, fstatSync, openSync, writeSync } from "node:fs";
import { outputError } from "./atomic.js";

export class AppendFile {
  private constructor(
    private readonly path: string,
    private readonly descriptor: number,
    private length: number,
    private open = true,
  ) {}

  /** A new file. Throws `OutputError`, also where there is one already. */
  static create(path: string): AppendFile {
    return attempt(path, () => new AppendFile(path, openSync(path, "wx"), 0));
  }

  /** A file that is there, to grow from its end. Throws `OutputError`. */
  static reopen(path: string): AppendFile {
    return attempt(path, () => {
      const descriptor = openSync(path, "r+");
      return new AppendFile(path, descriptor, fstatSync(descriptor).size);
    });
  }

  /** Throws `OutputError`; the record is then missing, and the next one takes its place. */
  append(record: Uint8Array): void {
    attempt(this.path, () => {
      if (!this.open) throw new Error("it is closed");
      // Positions, not the system's append mode: what a failed write left behind is written over.
      for (let done = 0; done < record.length; ) {
        done += writeSync(this.descriptor, record, done, record.length - done, this.length + done);
      }
      this.length += record.length;
    });
  }

  /** Returns when all records would survive a power cut. Throws `OutputError`. */
  flush(): void {
    attempt(this.path, () => fdatasyncSync(this.descriptor));
  }

  /** May be called again. Throws `OutputError`. */
  close(): void {
    if (!this.open) return;
    this.open = false;
    attempt(this.path, () => closeSync(this.descriptor));
  }
}

function attempt<T>(path: string, action: () => T): T {
  try {
    return action();
  } catch (cause) {
    throw outputError(path, cause);
  }
}
