/** Comma-separated values as RFC 4180 has them: fields with commas, quotes or line breaks stand in quotes, "" is a quote. */
import { DataError } from "./errors.js";

export interface Row {
  /** 1 for the first line of the file. */
  readonly line: number;
  readonly fields: readonly string[];
}

/** A field in quotes, or one without any quote; then what ends it. */
const FIELD = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|$)/y;

/** All rows but empty lines. Throws `DataError` that names `path` and the line. */
export function parseCsv(text: string, path: string): Row[] {
  const rows: Row[] = [];
  const body = text.replace(/^\ufeff/, "");
  let line = 1;
  let fields: string[] = [];
  FIELD.lastIndex = 0;
  for (let first = line, end = false; !end; ) {
    const match = FIELD.exec(body);
    if (match === null)
      throw new DataError(
        `${path} line ${line} has a quote where none may be`,
        'Put the field in quotes and double those in it: "a ""b"" c"',
      );
    const [whole, quoted, plain = "", terminator] = match;
    fields.push(quoted === undefined ? plain : quoted.replaceAll('""', '"'));
    line += whole.split("\n").length - 1;
    if (terminator === ",") continue;
    if (whole.length > (terminator ?? "").length || fields.length > 1) rows.push({ line: first, fields });
    first = line;
    fields = [];
    end = terminator === "";
  }
  return rows;
}

/** One row without its line break. */
export function formatCsv(fields: readonly (string | number)[]): string {
  return fields
    .map((field) => (/[",\r\n]/.test(`${field}`) ? `"${`${field}`.replaceAll('"', '""')}"` : field))
    .join(",");
}

/** The rows below the header as records, which must have `columns`; others are kept. Throws `DataError`, listing all bad lines. */
export function parseRecords<Column extends string>(
  text: string,
  path: string,
  columns: readonly Column[],
): { line: number; record: Record<Column, string> }[] {
  const [header, ...rows] = parseCsv(text, path);
  const names = header?.fields ?? [];
  const missing = columns.filter((column) => !names.includes(column));
  if (missing.length > 0)
    throw new DataError(
      `${path} has no column ${missing.map((name) => `'${name}'`).join(", ")}`,
      `Begin it with the line ${columns.join(",")}`,
    );
  const faults = rows
    .filter(({ fields }) => fields.length !== names.length)
    .map(({ line, fields }) => `line ${line} has ${fields.length} fields`);
  if (faults.length > 0)
    throw new DataError(`${path} has lines that do not fit its header`, `Give each ${names.length} fields:`, faults);
  return rows.map(({ line, fields }) => ({
    line,
    record: Object.fromEntries(names.map((name, i) => [name, fields[i]!])) as Record<Column, string>,
  }));
}
