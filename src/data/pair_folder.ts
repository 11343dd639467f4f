/**
 * A folder of pairs in CUFED's layout while it grows: `train/input/NNNNNN.png`, `train/ref/NNNNNN.png`, `train.csv`, which
 * tells how each pair was cut, and `pairs.json`, which tells what the pairs depend on. Every file is whole or absent; a
 * pair counts when it stands in the table.
 */
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { removeLeftovers, writeFileAtomic } from "../files/atomic.js";
import { decodeText, formatCsv, parseRecords, textCell } from "./csv.js";
import type { CutPair } from "./cut.js";
import { DataError } from "./errors.js";
import type { View } from "./warp.js";

/** What all pairs of a folder share. Pairs of other runs do not go into it. */
export interface PairRun {
  readonly seed: number;
  readonly size: number;
  /** See `PairShares`. */
  readonly far: number;
  readonly poor: number;
  /** Number of photographs, and a hash of their names and sizes. */
  readonly photos: number;
  readonly digest: string;
}

const RUN = "pairs.json";
const TABLE = "train.csv";
/** Kind as in views.ts; shift in widths of the input view; zoom of ref over input; rotation in degrees; share of sharp blocks; corners in pixels. */
const COLUMNS = ["file", "photo", "kind", "refPhoto", "shift", "zoom", "rotation", "sharp", "input", "ref"] as const;
/** How often the table is written on the way. Pairs that are not in it when the process is killed are made again. */
const SAVE_MS = 3000;

/** "000042.png" */
export function fileName(index: number): string {
  return `${String(index).padStart(6, "0")}.png`;
}

export class PairFolder {
  readonly #rows = new Map<string, string>();
  #saved = performance.now();

  private constructor(readonly path: string) {}

  /** Makes the folder, or continues one of the same run. Throws `DataError` for any other that is not empty. */
  static async open(path: string, run: PairRun): Promise<PairFolder> {
    const names = await readdir(path).catch(() => [] as string[]);
    if (names.includes(RUN)) checkRun(path, await readFile(join(path, RUN), "utf8"), run);
    else if (names.some((name) => !name.startsWith(`.${RUN}.`)))
      throw new DataError(`${path} is not empty, and no folder of pairs to be continued`, "Give a new folder");
    const folder = new PairFolder(path);
    for (const of of ["input", "ref"]) await mkdir(join(path, "train", of), { recursive: true });
    await folder.#clean();
    await writeFileAtomic(join(path, RUN), Buffer.from(`${JSON.stringify(run, null, 2)}\n`));
    await folder.#load();
    return folder;
  }

  get count(): number {
    return this.#rows.size;
  }

  has(file: string): boolean {
    return this.#rows.has(file);
  }

  async add(photo: string, refPhoto: string, { index, views, input, ref }: CutPair): Promise<void> {
    const file = fileName(index);
    await writeFileAtomic(this.#image("input", file), input);
    await writeFileAtomic(this.#image("ref", file), ref);
    const { kind, shift, zoom, rotation, sharpness } = views;
    const distance = Number.isNaN(shift) ? "" : shift.toFixed(3);
    const figures = [kind, textCell(refPhoto), distance, zoom.toFixed(3), rotation.toFixed(2), sharpness.toFixed(2)];
    this.#rows.set(file, formatCsv([file, textCell(photo), ...figures, describe(views.input), describe(views.ref)]));
    if (performance.now() - this.#saved > SAVE_MS) await this.save();
  }

  /** Writes the table. */
  async save(): Promise<void> {
    this.#saved = performance.now();
    const rows = [...this.#rows].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row);
    await writeFileAtomic(join(this.path, TABLE), Buffer.from(`${[COLUMNS.join(","), ...rows].join("\n")}\n`));
  }

  #image(of: "input" | "ref", file: string): string {
    return join(this.path, "train", of, file);
  }

  /** Takes over the pairs of the table whose files are there. */
  async #load(): Promise<void> {
    const path = join(this.path, TABLE);
    if (!existsSync(path)) return;
    for (const { record } of parseRecords(decodeText(await readFile(path), path), path, COLUMNS)) {
      const { file } = record;
      const whole = existsSync(this.#image("input", file)) && existsSync(this.#image("ref", file));
      if (whole) this.#rows.set(file, formatCsv(COLUMNS.map((column) => record[column])));
    }
  }

  /** Removes what killed processes left half written. */
  async #clean(): Promise<void> {
    for (const folder of [this.path, join(this.path, "train", "input"), join(this.path, "train", "ref")])
      await removeLeftovers(folder);
  }
}

function checkRun(path: string, text: string, run: PairRun): void {
  let before: Partial<PairRun>;
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null) throw new Error("it is not an object");
    before = value;
  } catch (cause) {
    throw new DataError(
      `${join(path, RUN)} is damaged (${cause instanceof Error ? cause.message : cause})`,
      "Give a new folder",
    );
  }
  if (before.far === undefined)
    throw new DataError(`${path} was begun by an earlier version, whose pairs are of one kind`, "Give a new folder");
  for (const name of ["seed", "size", "far", "poor"] as const)
    if (before[name] !== run[name])
      throw new DataError(
        `${path} was begun with --${name} ${before[name]}, not ${run[name]}`,
        "Use the same, or a new folder",
      );
  if (before.digest !== run.digest)
    throw new DataError(`${path} was begun with other photographs than there are now`, "Give a new folder");
}

/** "x y x y x y x y gamma 1.020 gain 0.990 1.010 1.000" */
function describe({ corners, gamma, gain }: View): string {
  const places = corners.flat().map((value) => value.toFixed(1));
  return `${places.join(" ")} gamma ${gamma.toFixed(3)} gain ${gain.map((value) => value.toFixed(3)).join(" ")}`;
}
