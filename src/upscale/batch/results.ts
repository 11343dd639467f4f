/**
 * `results.csv`, the table of a batch: a row for each pair that is done or has failed. It grows as the batch goes on; at
 * the end, and when the batch begins again, it is written anew in the order of the pairs.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { cellText, decodeText, formatCsv, parseRecords, textCell } from "../../data/csv.js";
import { DataError } from "../../data/errors.js";
import { AppendFile } from "../../files/append.js";
import { writeFileAtomic } from "../../files/atomic.js";

const NAME = "results.csv";
const COLUMNS = [
  "out",
  "lr",
  "status",
  "psnr",
  "ssim",
  "bicubic_psnr",
  "bicubic_ssim",
  "similarity",
  "seconds",
  "error",
] as const;
type Column = (typeof COLUMNS)[number];

/** PSNR in dB and SSIM, both on Y; a column is empty where nothing was measured. */
export type Row = Partial<Readonly<Record<Column, string | number | undefined>>> & {
  readonly out: string;
  readonly status: "done" | "failed";
};

export class Results {
  readonly #rows: Map<string, Row>;
  #file: AppendFile | undefined;

  private constructor(
    readonly path: string,
    rows: readonly Row[],
  ) {
    this.#rows = new Map(rows.map((row) => [row.out, row]));
  }

  /** The table in `folder`, as yet empty where there is none. Throws `DataError` where the file is another table. */
  static async read(folder: string): Promise<Results> {
    const path = join(folder, NAME);
    const bytes = await readFile(path).catch((cause: NodeJS.ErrnoException) => {
      if (cause.code === "ENOENT" || cause.code === "ENOTDIR") return undefined;
      throw new DataError(
        `${path} cannot be read: ${cause.message}`,
        "Check its permissions, or give --out another folder",
      );
    });
    // A killed process may have left half a row.
    const whole = bytes?.subarray(0, bytes.lastIndexOf("\n") + 1);
    const rows = whole?.length ? parseTable(decodeText(whole, path), path) : [];
    return new Results(path, rows);
  }

  get(out: string): Row | undefined {
    return this.#rows.get(out);
  }

  /** Puts a row in the place of what was said of the same result before. Throws `OutputError`. */
  async set(row: Row): Promise<void> {
    this.#rows.set(row.out, row);
    if (!this.#file) {
      await this.write();
      this.#file = AppendFile.reopen(this.path);
    } else this.#file.append(Buffer.from(line(row)));
  }

  /** Writes all rows: first those of other batches, then those named, in this order. Throws `OutputError`. */
  async write(order: readonly string[] = []): Promise<void> {
    this.#file?.close();
    this.#file = undefined;
    const place = new Map(order.map((out, i) => [out, i]));
    const rows = [...this.#rows.values()].sort((a, b) => (place.get(a.out) ?? -1) - (place.get(b.out) ?? -1));
    await writeFileAtomic(this.path, Buffer.from([`${formatCsv(COLUMNS)}\n`, ...rows.map(line)].join("")));
  }
}

/** Columns with texts of others: names and messages. */
const TEXTS: readonly Column[] = ["out", "lr", "error"];

function parseTable(text: string, path: string): Row[] {
  return parseRecords(text, path, COLUMNS, { own: true }).map(({ record }) => {
    const texts = TEXTS.map((column) => [column, cellText(record[column])]);
    return { ...record, ...Object.fromEntries(texts) } as Row;
  });
}

function line(row: Row): string {
  const cells = COLUMNS.map((column) => {
    const cell = `${row[column] ?? ""}`;
    return TEXTS.includes(column) ? textCell(cell) : cell;
  });
  return `${formatCsv(cells)}\n`;
}
