/**
 * What TensorBoard shows of a run: scalars and images in event files. A run that resumes begins a new file in the same
 * folder; its start event makes TensorBoard drop what the killed process still wrote after the checkpoint.
 */
import { readdir } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { AppendFile } from "../../files/append.js";
import { makeFolder, outputError } from "../../files/atomic.js";
import { imageEvent, scalarsEvent, startEvent, versionEvent } from "./events.js";

export class TensorBoardLog {
  constructor(private readonly file: AppendFile) {}

  /** Begins a file in `folder`, which is made where it is missing. Steps after `resumeStep` are to follow. Throws `OutputError`. */
  static async open(folder: string, resumeStep?: number): Promise<TensorBoardLog> {
    const log = new TensorBoardLog(AppendFile.create(join(folder, await newName(folder))));
    log.file.append(versionEvent(now()));
    // Also where nothing is to be dropped: TensorBoard takes a run's second start for its first resumption.
    log.file.append(startEvent(now(), resumeStep === undefined ? 0 : resumeStep + 1));
    return log;
  }

  /** One value for each tag; "loss/l1" and "loss/total" share a group. Throws `OutputError`. */
  scalars(step: number, values: Readonly<Record<string, number>>): void {
    this.file.append(scalarsEvent(now(), step, values));
  }

  /** Throws `OutputError`. */
  image(step: number, tag: string, png: Uint8Array, width: number, height: number): void {
    this.file.append(imageEvent(now(), step, { tag, png, width, height }));
  }

  /** Returns when all events would survive a power cut. Throws `OutputError`. */
  flush(): void {
    this.file.flush();
  }

  /** Throws `OutputError`. */
  close(): void {
    this.file.close();
  }
}

/** TensorBoard reads a folder's files in the order of their names: a new one comes last, whatever the clock says. */
async function newName(folder: string): Promise<string> {
  await makeFolder(folder);
  const names = await readdir(folder).catch((cause) => {
    throw outputError(folder, cause);
  });
  const times = names.map((name) => Number(/^events\.out\.tfevents\.(\d+)\./.exec(name)?.[1] ?? 0));
  const seconds = Math.max(Math.floor(now()), ...times.map((time) => time + 1));
  return `events.out.tfevents.${String(seconds).padStart(10, "0")}.${hostname()}`;
}

/** Wall time in seconds. */
function now(): number {
  return Date.now() / 1000;
}
