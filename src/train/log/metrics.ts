/**
 * The figures of a run as JSON Lines: one object a line, appended as the run goes on. A run that was killed repeats the
 * steps after its last checkpoint; when it resumes, their lines are cut off first, so that the file reads as if the run
 * had never stopped.
 *
 * JSON knows no NaN and no infinity. They are written as the strings "NaN", "Infinity" and "-Infinity", which `Number()`
 * and Python's `float()` turn into what they were; null would not say which of them a loss became.
 */
import { readFile } from "node:fs/promises";
import { MasaError } from "../../errors.js";
import { AppendFile } from "../../files/append.js";
import { checkTarget, writeFileAtomic } from "../../files/atomic.js";

/** One line. `step` is what a resumed run is cut back by: the number of steps done. */
export type MetricsRecord = Readonly<Record<string, number | string | boolean | null>>;

export class MetricsLog {
  constructor(private readonly file: AppendFile) {}

  /**
   * A new run's file, which must not be there yet, or without the lines after `resumeStep` the file of a run that
   * resumes; where that is missing, an empty one. Throws `OutputError`, and `MasaError` for a file that holds something
   * else than records.
   */
  static async open(path: string, resumeStep?: number): Promise<MetricsLog> {
    if (resumeStep === undefined) return new MetricsLog(AppendFile.create(path));
    await cutBack(path, resumeStep);
    return new MetricsLog(AppendFile.reopen(path));
  }

  /**
   * Appends a line. A step's lines belong before its checkpoint: what comes after it is lost when the run is killed in
   * between. Throws `OutputError`.
   */
  write(record: MetricsRecord): void {
    this.file.append(Buffer.from(`${JSON.stringify(record, encode)}\n`));
  }

  /** To be called before a checkpoint: all lines then outlast a power cut as it does. Throws `OutputError`. */
  flush(): void {
    this.file.flush();
  }

  /** Throws `OutputError`. */
  close(): void {
    this.file.close();
  }
}

/** All whole lines of a file that `MetricsLog` wrote or is still writing. Throws `MasaError`. */
export async function readMetrics(path: string): Promise<MetricsRecord[]> {
  const text = await read(path);
  if (text === undefined) throw new MasaError(`${path} does not exist`, "Check the path");
  const figures: MetricsRecord[] = [];
  for (const [, record] of lines(text, path)) {
    figures.push(Object.fromEntries(Object.entries(record).map(([name, value]) => [name, decode(value)])));
  }
  return figures;
}

async function cutBack(path: string, step: number): Promise<void> {
  await checkTarget(path);
  const text = await read(path);
  let kept = "";
  for (const [line, record] of lines(text ?? "", path)) {
    if (!(typeof record.step === "number" && record.step > step)) kept += `${line}\n`;
  }
  if (kept !== text) await writeFileAtomic(path, Buffer.from(kept));
}

async function read(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return undefined;
    const problem = cause instanceof Error ? cause.message : String(cause);
    throw new MasaError(`${path} cannot be read: ${problem}`, "Check the path and the disk", { cause });
  }
}

/** The lines and what JSON makes of them. The last one may be torn and is left out then; elsewhere that is an error. */
function* lines(text: string, path: string): Generator<[line: string, record: MetricsRecord]> {
  const all = text.split("\n");
  if (all.at(-1) === "") all.pop();
  for (const [i, line] of all.entries()) {
    const record = parse(line);
    if (record !== undefined) yield [line, record];
    else if (i < all.length - 1)
      throw new MasaError(
        `line ${i + 1} of ${path} holds no figures of a run`,
        "Remove the line or move the file away",
      );
  }
}

function parse(line: string): MetricsRecord | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as MetricsRecord) : undefined;
  } catch {
    return undefined;
  }
}

type Figure = MetricsRecord[string];

function encode(_: string, value: Figure): Figure {
  return typeof value === "number" && !Number.isFinite(value) ? String(value) : value;
}

function decode(value: Figure): Figure {
  return value === "NaN" || value === "Infinity" || value === "-Infinity" ? Number(value) : value;
}
