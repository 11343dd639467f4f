/**
 * Tables as spreadsheets write them: columns between commas, semicolons or tabs, lines that end in LF, CR LF or CR, fields
 * in quotes where they need them (RFC 4180), UTF-8 or UTF-16 with or without a byte order mark. The package papaparse reads
 * and writes them.
 */
import Papa from "papaparse";
import { DataError } from "./errors.js";

export interface Row {
  /** 1 for the first line of the file. */
  readonly line: number;
  readonly fields: readonly string[];
}

/** How a table is read. */
export interface CsvOptions {
  /** What stands between columns. Default: the one of , ; and tab that makes the header have the columns asked for. */
  readonly delimiter?: string | undefined;
  /**
   * The table was written here, row by row: line breaks in fields stay as they are, and a last row that a killed process left
   * half written is dropped.
   */
  readonly own?: boolean | undefined;
}

const DELIMITERS = [",", ";", "\t"] as const;
const LINE_BREAK = /\r\n|\r|\n/g;

/** All rows but empty ones. Throws `DataError` that names `path` and the line. */
export function parseCsv(text: string, path: string, { delimiter = ",", own = false }: CsvOptions = {}): Row[] {
  const body = text.replace(/^\ufeff/, "");
  const whole = own ? body.slice(0, body.lastIndexOf("\n") + 1) : body.replaceAll("\r\n", "\n");
  const newline = whole.includes("\n") ? "\n" : "\r";
  const { data, errors } = Papa.parse<string[]>(whole, { delimiter, newline });
  const lines = lineNumbers(data);
  const rows = data.map((fields, i) => ({ line: lines[i] as number, fields }));
  for (const { row = 0, code } of errors) {
    if (own && code === "MissingQuotes") rows.length = Math.min(rows.length, row);
    else
      throw new DataError(
        `${path} line ${lines[row] ?? 1} has a quote where none may be`,
        'Put the field in quotes and double those in it: "a ""b"" c"',
      );
  }
  // A spreadsheet also saves rows of empty cells.
  return rows.filter(({ fields }) => fields.some((field) => field !== ""));
}

/** The line where each row begins. */
function lineNumbers(rows: readonly (readonly string[])[]): number[] {
  let line = 1;
  return rows.map((fields) => {
    const first = line;
    line += 1 + fields.reduce((sum, field) => sum + (field.match(LINE_BREAK)?.length ?? 0), 0);
    return first;
  });
}

/** One row without its line break. */
export function formatCsv(fields: readonly (string | number)[]): string {
  return Papa.unparse([fields.map(String)], { newline: "\n" });
}

/** Spreadsheets take a cell that begins like this for a formula. */
const FORMULA = /^'*[=+\-@\t\r]/;

/** A text as a cell that no spreadsheet computes: an apostrophe before it, where it would be a formula. */
export function textCell(text: string): string {
  return FORMULA.test(text) ? `'${text}` : text;
}

/** The text of such a cell. */
export function cellText(cell: string): string {
  return cell.startsWith("'") && FORMULA.test(cell) ? cell.slice(1) : cell;
}

/** The rows below the header as records, which must have `columns`; others are kept. Throws `DataError`, listing all bad lines. */
export function parseRecords<Column extends string>(
  text: string,
  path: string,
  columns: readonly Column[],
  options: CsvOptions = {},
): { line: number; record: Record<Column, string> }[] {
  const delimiter = options.delimiter ?? findDelimiter(text, columns);
  const [header, ...rows] = parseCsv(text, path, { ...options, delimiter });
  const names = (header?.fields ?? []).map((name) => name.trim());
  const missing = columns.filter((column) => !names.includes(column));
  if (missing.length > 0)
    throw new DataError(
      `${path} has no column ${missing.map((name) => `'${name}'`).join(", ")}`,
      `Begin it with the line ${columns.join(",")}`,
    );
  const faults = rows
    .filter(({ fields }) => fields.length !== names.length)
    .map(({ line, fields }) => `line ${line} has ${fields.length} field${fields.length === 1 ? "" : "s"}`);
  if (faults.length > 0)
    throw new DataError(`${path} has lines that do not fit its header`, `Give each ${names.length} fields:`, faults);
  return rows.map(({ line, fields }) => ({
    line,
    record: Object.fromEntries(names.map((name, i) => [name, fields[i]!])) as Record<Column, string>,
  }));
}

/** The delimiter with which the first line has the columns. */
function findDelimiter(text: string, columns: readonly string[]): string {
  const [first = ""] = text.replace(/^\ufeff/, "").split(/[\r\n]/, 1);
  const found = DELIMITERS.find((delimiter) => {
    const names = first.split(delimiter).map((name) => name.trim().replace(/^"(.*)"$/, "$1"));
    return columns.every((column) => names.includes(column));
  });
  return found ?? ",";
}

/** The text of a file in UTF-8, or in UTF-16 with a byte order mark. Throws `DataError` that names the first odd line. */
export function decodeText(bytes: Uint8Array, path: string): string {
  const mark = (bytes[0] ?? 0) * 256 + (bytes[1] ?? 0);
  if (mark === 0xfffe || mark === 0xfeff)
    return new TextDecoder(mark === 0xfffe ? "utf-16le" : "utf-16be").decode(bytes);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    const readable = new TextDecoder().decode(bytes).split("\ufffd", 1)[0] as string;
    const line = 1 + (readable.match(LINE_BREAK)?.length ?? 0);
    throw new DataError(
      `${path} line ${line} has a character that is not UTF-8`,
      "Save the list as UTF-8; in Excel, as 'CSV UTF-8'",
    );
  }
}
