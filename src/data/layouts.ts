/**
 * Where the images of a data set lie. The layouts are those that the official code reads, and a list of one's own:
 *
 *   pairs.csv                                                columns hr,ref; paths relative to the file
 *   train/input/NAME.png      train/ref/NAME.png             CUFED, for training
 *   test/CUFED5/NNN_0.png     test/CUFED5/NNN_1.png … _5.png CUFED5: references from most to least similar
 *   Sun_Hays_SR_groundtruth/NAME   Sun_Hays_SR_scenematches/NAME/*   Sun80: a folder of references for each image
 *   *.png                                                    Urban100: the LR image is its own reference
 *
 * Only names are looked at here. A partner that a layout promises is listed whether it exists or not: `checkFiles`
 * then finds it missing together with all other faults.
 */
import { type Dirent, existsSync, statSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { basename, dirname, extname, join, resolve } from "node:path";
import { decodeText, parseRecords } from "./csv.js";
import { DataError } from "./errors.js";
import { composed, NameFinder } from "./names.js";

/** A training pair: two images of similar content. */
export interface Pair {
  readonly name: string;
  readonly hr: string;
  readonly ref: string;
}

/** A test case. Without references its LR image serves as its own. */
export interface Case {
  readonly name: string;
  readonly hr: string;
  readonly refs: readonly string[];
}

/** Training pairs, and how their files are laid out. */
export interface TrainingData {
  readonly layout: "CUFED" | "pairs.csv";
  readonly pairs: readonly Pair[];
}

/** Test cases, and how their files are laid out, which is how they are prepared. */
export interface TestData {
  readonly layout: "CUFED5" | "Sun80" | "Urban100" | "pairs.csv";
  readonly cases: readonly Case[];
}

const MANIFEST = "pairs.csv";
const SUN80_IMAGES = "Sun_Hays_SR_groundtruth";
const SUN80_REFERENCES = "Sun_Hays_SR_scenematches";
/** What counts as an image by its name. */
export const IMAGE_NAME = /\.(png|jpe?g|webp|tiff?|avif|gif)$/i;
const CUFED5_NAME = /^(.+)_([0-9]+)\.[a-z]+$/i;

/** The training pairs of a folder or of a .csv file, in the order of their names. Throws `DataError`. */
export async function findTrainingData(path: string): Promise<TrainingData> {
  const manifest = manifestOf(path);
  if (manifest) return { layout: "pairs.csv", pairs: await readManifest(manifest) };
  const folders = [join(path, "train"), path];
  for (const folder of folders) {
    if (isFolder(join(folder, "input")) && isFolder(join(folder, "ref")))
      return { layout: "CUFED", pairs: nonEmpty(await pairsByName(folder), folder) };
  }
  throw await notFound(path, "training pairs", [
    `${MANIFEST} (columns hr,ref)`,
    "train/input with train/ref",
    "input with ref (images of equal names)",
  ]);
}

/** The test cases of a folder or of a .csv file, in the order of their names. Throws `DataError`. */
export async function findTestData(path: string): Promise<TestData> {
  const manifest = manifestOf(path);
  if (manifest) {
    const pairs = await readManifest(manifest);
    return { layout: "pairs.csv", cases: pairs.map(({ name, hr, ref }) => ({ name, hr, refs: [ref] })) };
  }
  for (const folder of [join(path, "test", "CUFED5"), join(path, "CUFED5"), path]) {
    const cases = await cufed5Cases(folder);
    if (cases.length > 0) return { layout: "CUFED5", cases };
  }
  if (isFolder(join(path, SUN80_IMAGES))) return { layout: "Sun80", cases: nonEmpty(await sun80Cases(path), path) };
  const images = await imagesIn(path);
  if (images.length > 0)
    return { layout: "Urban100", cases: images.map((name) => ({ name, hr: join(path, name), refs: [] })) };
  throw await notFound(path, "test images", [
    `${MANIFEST} (columns hr,ref)`,
    "test/CUFED5, CUFED5 or the folder itself with NNN_0.png and NNN_1.png …",
    `${SUN80_IMAGES} with ${SUN80_REFERENCES}`,
    "images without references",
  ]);
}

function manifestOf(path: string): string | undefined {
  if (extname(path).toLowerCase() === ".csv") return path;
  const manifest = join(path, MANIFEST);
  return existsSync(manifest) ? manifest : undefined;
}

/** The rows of a .csv file, as `parseRecords` gives them. Throws `DataError`. */
export async function readRecords<Column extends string>(path: string, columns: readonly Column[]) {
  const bytes = await readFile(path).catch((cause: unknown) => {
    throw new DataError(`${path} cannot be read: ${cause instanceof Error ? cause.message : cause}`, "Check the path");
  });
  return parseRecords(decodeText(bytes, path), path, columns);
}

async function readManifest(path: string): Promise<Pair[]> {
  const records = await readRecords(path, ["hr", "ref"]);
  const faults = records
    .filter(({ record }) => !(record.hr && record.ref))
    .map(({ line }) => `line ${line} names no hr or no ref`);
  if (faults.length > 0) throw new DataError(`${path} has lines without a file`, "Name two files in each:", faults);
  const finder = new NameFinder();
  const at = (name: string) => finder.find(resolve(dirname(path), name));
  return nonEmpty(
    records.map(({ record: { hr, ref } }) => ({ name: hr, hr: at(hr), ref: at(ref) })),
    path,
  );
}

/** Every name that one of the two folders has. */
async function pairsByName(folder: string): Promise<Pair[]> {
  const [input, ref] = [join(folder, "input"), join(folder, "ref")];
  const byName = async (of: string) => new Map((await imagesIn(of)).map((name) => [composed(name), name]));
  const [inputs, refs] = [await byName(input), await byName(ref)];
  const names = new Set([...inputs.keys(), ...refs.keys()]);
  return [...names].sort().map((key) => {
    const name = inputs.get(key) ?? refs.get(key) ?? key;
    return { name, hr: join(input, name), ref: join(ref, refs.get(key) ?? name) };
  });
}

/** Levels that no case has are not expected of any. */
async function cufed5Cases(folder: string): Promise<Case[]> {
  const byCase = new Map<string, Map<number, string>>();
  const levels = new Set<number>();
  let originals = 0;
  for (const name of await imagesIn(folder)) {
    const [, stem, digits] = CUFED5_NAME.exec(name) ?? [];
    if (stem === undefined) continue;
    const files = byCase.get(stem) ?? new Map<number, string>();
    byCase.set(stem, files.set(Number(digits), name));
    if (Number(digits) === 0) originals++;
    else levels.add(Number(digits));
  }
  if (originals === 0) return [];
  const sorted = [...levels].sort((a, b) => a - b);
  return [...byCase].map(([stem, files]) => {
    const file = (level: number) => join(folder, files.get(level) ?? `${stem}_${level}.png`);
    return { name: basename(file(0)), hr: file(0), refs: sorted.map(file) };
  });
}

async function sun80Cases(folder: string): Promise<Case[]> {
  const names = await imagesIn(join(folder, SUN80_IMAGES));
  return Promise.all(
    names.map(async (name) => {
      const matches = join(folder, SUN80_REFERENCES, name);
      const refs = (await imagesIn(matches)).map((ref) => join(matches, ref));
      // A folder that is missing or empty is named in place of the image it should hold.
      return { name, hr: join(folder, SUN80_IMAGES, name), refs: refs.length > 0 ? refs : [matches] };
    }),
  );
}

/** Sorted names of what claims to be an image, folders called *.png included: those are faults to be reported. */
export async function imagesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((): Dirent[] => []);
  return entries
    .map(({ name }) => name)
    .filter((name) => IMAGE_NAME.test(name) && !name.startsWith("."))
    .sort();
}

/** Sorted names of the files in a folder that are no images by their name; hidden ones are left out. */
export async function skippedIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((): Dirent[] => []);
  return entries
    .filter((entry) => !entry.isDirectory() && !IMAGE_NAME.test(entry.name) && !entry.name.startsWith("."))
    .map(({ name }) => name)
    .sort();
}

/** Whether there is a folder of this name. */
export function isFolder(path: string): boolean {
  return existsSync(path) && statSync(path).isDirectory();
}

function nonEmpty<T>(items: T[], path: string): T[] {
  if (items.length === 0) throw new DataError(`${path} names no images`, "Give a data set that is not empty");
  return items;
}

async function notFound(path: string, what: string, looked: readonly string[]): Promise<DataError> {
  if (!existsSync(path)) return new DataError(`${path} does not exist`, "Check the path");
  if (!isFolder(path))
    return new DataError(`${path} is no folder`, "Give a folder, or a .csv file with the columns hr,ref");
  const names = (await readdir(path)).sort();
  const found = names.length === 0 ? "nothing" : `${names.slice(0, 6).join(", ")}${names.length > 6 ? ", …" : ""}`;
  return new DataError(`${path} holds no ${what}`, `It has ${found}; looked for:`, looked);
}
