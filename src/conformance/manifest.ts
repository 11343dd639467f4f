/** A set of golden cases: a folder with `manifest.json` and the files that it names. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { readImage } from "../files/images.js";
import { readSafetensors } from "../files/safetensors.js";
import type { Safetensors } from "../formats/safetensors.js";
import type { Image } from "../image/image.js";
import type { Summary, SummaryTolerances, Values } from "./compare.js";
import { Entry, ManifestError } from "./entry.js";
import { checkFormula } from "./formula.js";

const MANIFEST = "manifest.json";
const FILE_NAME = /^\S+\.(safetensors|pth|json|png)$/;

export interface GoldenCase {
  readonly part: string;
  readonly name: string;
  readonly op: string;
  /** All that the manifest says about it. */
  readonly entry: Entry;
}

/** A network's parameters: one formula each, in state-dict order. */
export interface ParameterFormula {
  readonly name: string;
  readonly shape: readonly number[];
  /** Absent for buffers, which start as the network has them. */
  readonly scale: number | undefined;
  readonly offset: number;
  readonly seed: number;
}

export class GoldenSet {
  readonly #tensors = new Map<string, Promise<Safetensors>>();

  private constructor(
    readonly folder: string,
    readonly manifest: Entry,
    readonly cases: readonly GoldenCase[],
  ) {}

  /** Reads and checks `folder/manifest.json`. Throws `ManifestError`. */
  static open(folder: string): GoldenSet {
    const manifest = readManifest(folder);
    checkFormula(manifest.list("formula_tests"));
    const cases = manifest.list("cases").map(readCase);
    const names = new Set<string>();
    for (const { name } of cases) {
      if (names.has(name)) throw new ManifestError(`the manifest has two cases ${name}`, "Give each a name of its own");
      names.add(name);
    }
    return new GoldenSet(folder, manifest, cases);
  }

  /** Throws one `ManifestError` where files that the cases name are missing. */
  checkFiles(cases: readonly GoldenCase[]): void {
    const missing = new Map<string, string>();
    for (const { name, entry } of cases) {
      for (const file of fileNames(entry.value)) if (!existsSync(join(this.folder, file))) missing.set(file, name);
    }
    const [first] = missing;
    if (first === undefined) return;
    const others = missing.size > 1 ? ` and ${missing.size - 1} more files are` : " is";
    throw new ManifestError(
      `${join(this.folder, first[0])}, which case ${first[1]} needs,${others} missing`,
      "Copy the whole set, or choose other cases with --filter",
    );
  }

  /** A tensor of the set; integers as numbers. Throws `ManifestError` where the file does not have it. */
  async tensor(file: string, key: string): Promise<{ shape: readonly number[]; data: Values }> {
    const tensor = (await this.#open(file)).tensors.get(key);
    if (!tensor) throw new ManifestError(`${join(this.folder, file)} has no tensor ${key}`, "Copy the set again");
    const { data, shape } = tensor;
    return { shape, data: data instanceof BigInt64Array ? Float64Array.from(data, Number) : data };
  }

  /** Summary `i` of those under `key`/…, and its tolerances. */
  async summary(file: string, key: string, i: number): Promise<{ summary: Summary; tolerances: SummaryTolerances }> {
    const row = async (name: string) => {
      const { data, shape } = await this.tensor(file, `${key}/${name}`);
      const width = shape[1] ?? 1;
      return Array.from({ length: width }, (_, j) => data[i * width + j] ?? Number.NaN);
    };
    const one = async (name: string) => (await row(name))[0]!;
    return {
      summary: {
        l2: await one("l2"),
        absmax: await one("absmax"),
        sum: await one("sum"),
        first8: await row("first8"),
        even8: await row("even8"),
      },
      tolerances: {
        absolute: await one("tol_abs"),
        relativeL2: await one("tol_rel_l2"),
        sum: await one("tol_sum"),
      },
    };
  }

  #open(file: string): Promise<Safetensors> {
    let tensors = this.#tensors.get(file);
    if (!tensors) {
      tensors = readSafetensors(join(this.folder, file));
      this.#tensors.set(file, tensors);
    }
    return tensors;
  }

  image(file: string): Promise<Image> {
    return readImage(join(this.folder, file));
  }

  /** `{ seed_base, list }` of a case: the list stands there, or under its name in `extra`. */
  parameters(entry: Entry): ParameterFormula[] {
    const seedBase = entry.number("seed_base");
    const list = Array.isArray(entry.value.list) ? entry.list("list") : this.#listed(entry.text("list"));
    return list.map((item, k) => ({
      name: item.text("name"),
      shape: item.shape(),
      scale: item.flag("buffer", false) ? undefined : item.number("scale"),
      offset: item.number("offset", 0),
      seed: seedBase + k,
    }));
  }

  #listed(path: string): Entry[] {
    const names = path.split(".");
    const last = names.pop() as string;
    return names.reduce((entry, name) => entry.entry(name), this.manifest.entry("extra")).list(last);
  }

  /** The names of the tensors of a summary. */
  summaryNames(entry: Entry): string[] {
    if (entry.has("names_as")) return this.#listed(entry.text("names_as")).map((item) => item.text("name"));
    return [...entry.texts("names")];
  }
}

function readManifest(folder: string): Entry {
  const path = join(folder, MANIFEST);
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    throw new ManifestError(`${path} cannot be read`, "Name the folder that holds a set of golden cases", { cause });
  }
  try {
    return Entry.of("manifest", JSON.parse(text));
  } catch (cause) {
    if (cause instanceof ManifestError) throw cause;
    const problem = cause instanceof Error ? cause.message : String(cause);
    throw new ManifestError(`${path} is no JSON: ${problem}`, "Copy the set again", { cause });
  }
}

function readCase(entry: Entry): GoldenCase {
  const name = entry.text("name");
  return { name, part: entry.text("part"), op: entry.text("op"), entry: new Entry(`case ${name}`, entry.value) };
}

/** All file names in a case, at any depth. */
function fileNames(value: unknown): string[] {
  if (typeof value === "string") return FILE_NAME.test(value) ? [value] : [];
  if (typeof value !== "object" || value === null) return [];
  return Object.values(value).flatMap(fileNames);
}
