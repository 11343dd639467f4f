/**
 * Cuts training pairs out of a folder of photographs. Pair i comes from photo i mod (number of photos), in an order drawn
 * from the seed, with the random numbers of (seed, i): it always comes out the same, whatever else is made before it or
 * beside it.
 */
import { createHash } from "node:crypto";
import { existsSync, statSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join, relative, resolve, sep } from "node:path";
import { DataError } from "./errors.js";
import { IMAGE_NAME } from "./layouts.js";
import { fileName, PairFolder } from "./pair_folder.js";
import { defaultWorkers, Pool } from "./pool.js";
import { Random } from "./random.js";
import type { PairShares, ViewPair } from "./views.js";

export interface CutRequest {
  readonly photos: string;
  readonly out: string;
  /** Default: ten for each photo. */
  readonly count?: number | undefined;
  readonly seed: number;
  /** Side of the images. */
  readonly size: number;
  /** How many references are turned, scaled or shifted far, and how many show something else. */
  readonly shares: PairShares;
  readonly signal?: AbortSignal | undefined;
  /** `done` of `total` pairs are made, found or given up. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

export interface CutReport {
  /** Pairs in the folder. */
  readonly pairs: number;
  /** Those that this run made. */
  readonly made: number;
  /** Photographs that were looked at. */
  readonly photos: number;
  /** Photos that gave fewer pairs than their share, and why. */
  readonly poor: readonly { readonly photo: string; readonly reason: string }[];
  /** Photographs in formats that are not read. */
  readonly skipped: readonly string[];
}

export interface CutTask {
  readonly path: string;
  /** The photo that unrelated references are taken from; undefined where there is only one. */
  readonly other: string | undefined;
  /** The pairs to make of this photo. */
  readonly indices: readonly number[];
  readonly seed: number;
  readonly size: number;
  readonly shares: PairShares;
}

export interface CutPair {
  readonly index: number;
  readonly views: ViewPair;
  readonly refPhoto: "same" | "other";
  /** PNG files. */
  readonly input: Uint8Array;
  readonly ref: Uint8Array;
}

export interface CutResult {
  readonly pairs: readonly CutPair[];
  /** Why some were not made. */
  readonly reason?: string | undefined;
}

const PAIRS_PER_PHOTO = 10;
/** Pairs in one task: few, for smooth progress. */
const CHUNK = 8;

/**
 * Makes the pairs that `out` does not hold yet; when aborted, what is there is complete. Throws `DataError` for folders
 * that cannot be used, `OutputError`, and the signal's reason.
 */
export async function cutPairs({
  photos,
  out,
  seed,
  size,
  shares,
  signal,
  onProgress,
  ...rest
}: CutRequest): Promise<CutReport> {
  signal?.throwIfAborted();
  const { names, skipped } = await listPhotos(photos, out);
  const count = rest.count ?? PAIRS_PER_PHOTO * names.length;
  const folder = await PairFolder.open(out, {
    seed,
    size,
    ...shares,
    photos: names.length,
    digest: digestOf(photos, names),
  });
  const before = folder.count;
  const order = new Random({ seed, epoch: 0 }).permutation(names.length);
  const tasks = [
    ...missing(
      [...order].map((i) => names[i]!),
      count,
      folder,
    ),
  ];
  let left = tasks.reduce((sum, { indices }) => sum + indices.length, 0);
  onProgress?.(count - left, count);

  const pool = new Pool<CutTask, CutResult>(new URL("./cut_worker.js", import.meta.url), defaultWorkers());
  const abort = () => void pool.close(signal?.reason);
  signal?.addEventListener("abort", abort);
  const poor = new Map<string, string>();
  const cut = async () => {
    for (let task = tasks.shift(); task !== undefined; task = tasks.shift()) {
      const { photo, next, indices } = task;
      const other = next === photo ? undefined : join(photos, next);
      const { pairs, reason } = await pool.run({ path: join(photos, photo), other, indices, seed, size, shares });
      for (const pair of pairs) await folder.add(photo, pair.refPhoto === "other" ? next : photo, pair);
      if (reason !== undefined) poor.set(photo, reason);
      left -= indices.length;
      onProgress?.(count - left, count);
    }
  };
  try {
    // Each lane writes what it cut before it asks for more: unwritten pairs cannot pile up.
    const lanes = await Promise.allSettled(Array.from({ length: pool.count }, cut));
    await folder.save();
    for (const lane of lanes) if (lane.status === "rejected") throw lane.reason;
  } finally {
    signal?.removeEventListener("abort", abort);
    await pool.close();
  }
  const reasons = [...poor].sort(([a], [b]) => (a < b ? -1 : 1)).map(([photo, reason]) => ({ photo, reason }));
  if (folder.count === 0)
    throw new DataError(
      `none of the ${names.length} photographs in ${photos} can be used`,
      `Give sharp ones, clearly larger than ${size}×${size} pixels:`,
      reasons.map(({ photo, reason }) => `${photo} ${reason}`),
    );
  return {
    pairs: folder.count,
    made: folder.count - before,
    photos: Math.min(count, names.length),
    poor: reasons,
    skipped,
  };
}

/** The pairs that are not there, photo by photo, each with the next photo, which lends it unrelated references. */
function* missing(photos: readonly string[], count: number, folder: PairFolder) {
  for (const [first, photo] of photos.entries()) {
    const indices: number[] = [];
    for (let i = first; i < count; i += photos.length) if (!folder.has(fileName(i))) indices.push(i);
    for (let i = 0; i < indices.length; i += CHUNK)
      yield { photo, next: photos[(first + 1) % photos.length]!, indices: indices.slice(i, i + CHUNK) };
  }
}

/** Formats of photographs that are not read. */
const UNREAD = /\.(heic|heif|bmp|jxl|jp2|psd|dng|cr2|cr3|nef|arw|raf|orf|rw2)$/i;

/** Paths below the folder, with "/", sorted. */
async function listPhotos(photos: string, out: string): Promise<{ names: string[]; skipped: string[] }> {
  const wanted = "Give a folder of photographs";
  if (!existsSync(photos)) throw new DataError(`${photos} does not exist`, wanted);
  if (!statSync(photos).isDirectory()) throw new DataError(`${photos} is no folder`, wanted);
  if (!relative(resolve(photos), resolve(out)).startsWith(".."))
    throw new DataError(`${out} lies among the photographs`, "Write the pairs to a folder outside of theirs");
  const names = (await readdir(photos, { recursive: true })).map((name) => name.split(sep).join("/"));
  const found = names.filter((name) => IMAGE_NAME.test(name) && !/(^|\/)\./.test(name)).sort();
  if (found.length === 0) throw new DataError(`${photos} holds no photographs`, "Give JPEG, PNG, WebP or TIFF files");
  return { names: found, skipped: names.filter((name) => UNREAD.test(name)).sort() };
}

/** Changes with the names and the sizes of the photos. */
function digestOf(photos: string, names: readonly string[]): string {
  const listing = names.map((name) => `${name}\n${statSync(join(photos, name)).size}\n`);
  return createHash("sha256").update(listing.join("")).digest("hex");
}
