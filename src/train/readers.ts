/** Readers of a training configuration's values: the same for a config file and for the texts of the command line. */

/** Says what is wanted instead of a value. */
export class Wanted extends Error {}

/** Reads a value of a config file or, as text, of the command line. Throws `Wanted`. */
export type Reader = (value: unknown) => unknown;

export const number =
  (least: number, most = Number.MAX_VALUE): Reader =>
  (value) => {
    const read = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
    if (typeof read === "number" && read >= least && read <= most) return read;
    throw new Wanted(most < Number.MAX_VALUE ? `a number from ${least} to ${most}` : `a number of at least ${least}`);
  };

export const positive: Reader = (value) => {
  const read = number(0)(value);
  if (read !== 0) return read;
  throw new Wanted("a number above 0");
};

export const belowOne: Reader = (value) => {
  const read = number(0, 1)(value);
  if (read !== 1) return read;
  throw new Wanted("a number from 0 to below 1");
};

export const count =
  (least: number, multiple = 1): Reader =>
  (value) => {
    const read = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
    if (Number.isSafeInteger(read) && (read as number) >= least && (read as number) % multiple === 0) return read;
    throw new Wanted(multiple > 1 ? `a multiple of ${multiple}` : `a whole number of at least ${least}`);
  };

export const list =
  (item: Reader, length?: number): Reader =>
  (value) => {
    const items = typeof value === "string" ? value.split(",") : value;
    const what = length === undefined ? "numbers" : `${length} numbers`;
    if (!Array.isArray(items) || (length === undefined ? items.length === 0 : items.length !== length))
      throw new Wanted(`${what}, as ${length === 2 ? "0.9,0.999" : "1,2,3"}`);
    try {
      return items.map(item);
    } catch (wanted) {
      throw new Wanted(`${what}, each ${(wanted as Error).message}`);
    }
  };

export const flag: Reader = (value) => {
  if (typeof value === "boolean") return value;
  if (value === "true" || value === "false") return value === "true";
  throw new Wanted("true or false");
};

export const text: Reader = (value) => {
  if (typeof value === "string" && value !== "") return value;
  throw new Wanted("a name");
};

export const choice =
  (...choices: readonly string[]): Reader =>
  (value) => {
    if (choices.includes(value as string)) return value;
    throw new Wanted(choices.join(" or "));
  };

export const optional =
  (read: Reader): Reader =>
  (value) =>
    value === null || value === "none" ? null : read(value);

export const layer: Reader = (value) => {
  if (typeof value === "string" && /^(conv|relu)([1-2]_[12]|[3-5]_[1-4])$/.test(value)) return value;
  throw new Wanted("a layer of VGG19, as conv5_4 or relu5_1");
};

/** The one of `names` that `key` was probably meant to be. */
export function nearest(key: string, names: readonly string[]): string | undefined {
  const ranked = names.map((known) => [editDistance(key.toLowerCase(), known.toLowerCase()), known]);
  const [distance, known] = ranked.sort(([a], [b]) => (a as number) - (b as number))[0] as [number, string];
  return distance <= Math.max(2, key.length / 3) ? known : undefined;
}

/** Levenshtein's. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next[j] = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + Number(a[i - 1] !== b[j - 1]));
    row = next;
  }
  return row[b.length]!;
}
