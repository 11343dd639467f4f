/** What an experiment has found: numbers for programs, tables and charts for people. */

import type { Image } from "../image/image.js";

export interface Table {
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** A chart as SVG, or a picture. */
export type Figure = {
  /** Of the file, without its ending. */
  readonly name: string;
  readonly caption: string;
} & ({ readonly svg: string } | { readonly image: Image });

export interface Result {
  /** Of its files: `table2`. */
  readonly name: string;
  readonly title: string;
  /** What was done and how to read it, a paragraph each. */
  readonly text: readonly string[];
  readonly tables: readonly Table[];
  readonly figures: readonly Figure[];
  /** The numbers behind the tables, unrounded. */
  readonly data: object;
}

/** Under which circumstances figures were measured. */
export interface Conditions {
  readonly command: string;
  readonly adapter: string;
  /** Year, month, day. */
  readonly date: string;
}

/** A result as its JSON holds it: the charts are files beside it. */
export interface Written extends Omit<Result, "figures"> {
  readonly format: string;
  readonly conditions: Conditions;
  readonly figures: readonly { readonly file: string; readonly caption: string }[];
}
