/** File names as people and systems write them: composed or decomposed letters, and names that differ in their ending only. */
import { existsSync, readdirSync } from "node:fs";
import { basename, dirname, extname, join } from "node:path";
import { DataError } from "./errors.js";

/** A name whose letters are composed: macOS and its archives decompose "ü" into "u" and a diaeresis. */
export function composed(name: string): string {
  return name.normalize("NFC");
}

export function stemOf(name: string): string {
  return basename(name, extname(name));
}

/**
 * Finds files by names that may be composed otherwise than those on the disk. What is not there keeps its name, to be found
 * missing. It reads each folder once.
 */
export class NameFinder {
  readonly #folders = new Map<string, ReadonlyMap<string, string>>();

  find(path: string): string {
    if (existsSync(path)) return path;
    const above = dirname(path);
    if (above === path) return path;
    const folder = this.find(above);
    const name = this.#names(folder).get(composed(basename(path)));
    return join(folder, name ?? basename(path));
  }

  #names(folder: string): ReadonlyMap<string, string> {
    let names = this.#folders.get(folder);
    if (!names) {
      names = new Map(namesIn(folder).map((name) => [composed(name), name]));
      this.#folders.set(folder, names);
    }
    return names;
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/**
 * Finds the partner of an image among the `names` in `folder`: the file with exactly its name, otherwise the only one whose
 * name differs in its ending. The function returns undefined where there is none. Throws `DataError` where there are several.
 */
export function partnerFinder(folder: string, names: readonly string[]): (name: string) => string | undefined {
  const byName = new Map(names.map((name) => [composed(name), name]));
  const byStem = new Map<string, string[]>();
  for (const name of names) {
    const stem = composed(stemOf(name));
    byStem.set(stem, [...(byStem.get(stem) ?? []), name]);
  }
  return (name) => {
    const exact = byName.get(composed(name));
    if (exact !== undefined) return exact;
    const same = byStem.get(composed(stemOf(name))) ?? [];
    if (same.length > 1)
      throw new DataError(
        `${folder} has ${same.length} partners of ${name}: ${same.join(" and ")}`,
        `Keep one of them, or name it exactly ${name}`,
      );
    return same[0];
  };
}
