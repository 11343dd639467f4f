/**
 * The pairs of a batch, from a list or from folders:
 *
 *   pairs.csv   columns lr and ref, several references separated by ";"; optionally hr, the true image, and out, the
 *               result's name; paths relative to the file
 *   folders     an image of the same name, whatever its ending, in the folder of references and in that of true images
 *
 * Only names are looked at here: a file that is missing or broken is a failure of its pair alone, found when it is its turn.
 */
import { existsSync, realpathSync } from "node:fs";
import { dirname, isAbsolute, join, normalize, resolve, sep } from "node:path";
import { DataError } from "../../data/errors.js";
import { imagesIn, isFolder, readRecords } from "../../data/layouts.js";
import { NameFinder, partnerFinder, stemOf } from "../../data/names.js";
import { advice, MasaError } from "../../errors.js";
import { checkImagePath, readImage } from "../../files/images.js";
import { ImageError } from "../../image/errors.js";
import type { Image } from "../../image/image.js";
import { SCALE } from "../../image/pairs.js";
import { scaledSize } from "../scale.js";

/** Most pixels of an image to be enlarged: its result has 2²⁸. */
const MAX_LR_PIXELS = 2 ** 24;

/** The files of one image to be enlarged. */
export interface PairFiles {
  readonly lr: string;
  readonly refs: readonly string[];
  /** The true high-resolution image, to measure the result with. */
  readonly hr?: string | undefined;
}

export interface BatchPair extends PairFiles {
  /** The result's name in the folder of results; no other pair of the batch has it. */
  readonly out: string;
}

export interface PairImages {
  readonly lr: Image;
  readonly refs: readonly Image[];
  readonly hr: Image | undefined;
}

/** Reads the images. Throws `ImageError`, also where `hr` is not `scale` times as wide and high as `lr`. */
export async function readPair(files: PairFiles, scale = SCALE): Promise<PairImages> {
  const lr = await readImage(files.lr, { maxPixels: MAX_LR_PIXELS });
  const refs = await Promise.all(files.refs.map((path) => readImage(path)));
  const hr = files.hr === undefined ? undefined : await readImage(files.hr);
  const { width, height } = scaledSize(lr, scale);
  if (hr && (hr.width !== width || hr.height !== height))
    throw new ImageError(
      `${files.hr} is ${hr.width}×${hr.height}, the result will be ${width}×${height}`,
      `Give the image that ${files.lr} was made from`,
    );
  return { lr, refs, hr };
}

/** The pairs of a list, in its order, and the columns that mean nothing here. Throws `DataError` with all faults. */
export async function pairsOfList(path: string): Promise<{ pairs: BatchPair[]; unused: string[] }> {
  const records = await readRecords(path, ["lr", "ref"]);
  const finder = new NameFinder();
  const at = (name: string) => finder.find(resolve(dirname(path), name));
  const faults: string[] = [];
  const pairs = records.map(({ line, record }) => {
    const { lr = "", ref = "", hr, out }: Record<string, string> = record;
    // A name may itself have a semicolon.
    const refs = existsSync(at(ref)) ? [ref] : ref.split(";");
    const named = refs.filter((name) => name.trim() !== "");
    if (lr === "" || named.length === 0) faults.push(`line ${line} names no ${lr === "" ? "lr" : "ref"}`);
    return { lr: at(lr), refs: named.map(at), hr: hr ? at(hr) : undefined, out: normalize(out || resultName(lr)) };
  });
  if (faults.length > 0) throw new DataError(`${path} has lines that lack a file`, "Name one in each:", faults);
  const known = ["lr", "ref", "hr", "out"];
  const unused = Object.keys(records[0]?.record ?? {}).filter((column) => !known.includes(column));
  return { pairs: checked(pairs, path), unused };
}

/**
 * A pair for each image of the folder `lr`. Each of `refs` is a folder with a reference for each, or an image that serves
 * all; `hr` is a folder. Throws `DataError`.
 */
export async function pairsOfFolders(lr: string, refs: readonly string[], hr?: string): Promise<BatchPair[]> {
  const names = await imagesIn(lr);
  if (names.length === 0)
    throw new DataError(`${lr} holds no images`, "Give a folder with PNG, JPEG, WebP, TIFF, AVIF or GIF files");
  const references = await Promise.all(refs.map(partners));
  const truths = hr === undefined ? undefined : await partners(hr);
  const pairs = names.map((name) => ({
    lr: join(lr, name),
    refs: references.map((find) => find(name)),
    hr: truths?.(name),
    out: resultName(name),
  }));
  return checked(pairs, lr);
}

/** Finds the partner of an image by its name. One that is missing keeps the image's own name, to be found missing. */
async function partners(path: string): Promise<(name: string) => string> {
  if (!isFolder(path)) return () => path;
  const partner = partnerFinder(path, await imagesIn(path));
  return (name) => join(path, partner(name) ?? name);
}

/** Throws `DataError` where a result cannot have its name, or two have the same. */
function checked(pairs: readonly BatchPair[], source: string): BatchPair[] {
  if (pairs.length === 0) throw new DataError(`${source} names no pairs`, "Give a list that is not empty");
  const faults: string[] = [];
  const taken = new Map<string, string>();
  for (const { lr, out } of pairs) {
    // Some file systems do not tell A from a.
    const other = taken.get(out.toLowerCase());
    if (other !== undefined) faults.push(`${lr} and ${other} would both become ${out}`);
    else taken.set(out.toLowerCase(), lr);
    if (isAbsolute(out) || out.split(sep)[0] === "..")
      faults.push(`${lr} would become ${out}, which is not in the folder of results`);
    try {
      checkImagePath(out);
    } catch (error) {
      faults.push(`${lr}: ${error instanceof MasaError ? error.problem : error}`);
    }
  }
  if (faults.length > 0)
    throw new DataError(
      `${source} gives results names that they cannot have`,
      "Give others, in a column 'out':",
      faults,
    );
  return [...pairs];
}

/** Throws `DataError` where a result in `folder` would stand in the place of an image that the batch reads, or of a folder. */
export function checkResults(folder: string, pairs: readonly BatchPair[]): void {
  const inputs = new Set(
    pairs.flatMap(({ lr, refs, hr }) => [lr, ...refs, ...(hr === undefined ? [] : [hr])].map(same)),
  );
  const faults = pairs.flatMap(({ out }) => {
    const path = join(folder, out);
    if (inputs.has(same(path))) return [`${path} is one of the images that are read`];
    return isFolder(path) ? [`${path} is a folder`] : [];
  });
  if (faults.length > 0)
    throw new DataError(
      "results would overwrite other files",
      advice("Use another folder:", "Give --out another folder:"),
      faults,
    );
}

function resultName(lr: string): string {
  return `${stemOf(lr)}.png`;
}

/** A file's one name, whatever links lead to it. */
function same(path: string): string {
  return existsSync(path) ? realpathSync(path) : resolve(path);
}
