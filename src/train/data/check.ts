/**
 * Every image of a data set is looked at before anything is computed with it: a run of days must not end at a file that
 * was broken from the beginning. One pass over the files finds all faults: what is missing, no image, too small, truncated
 * or damaged.
 */
import { availableParallelism } from "node:os";
import { REF_MULTIPLE } from "../../image/pairs.js";
import { DataError } from "./errors.js";
import type { Case, Pair } from "./layouts.js";
import { Pool } from "./pool.js";
import type { CheckedFile, Result, Task } from "./tasks.js";

/** Files in one task: few enough for smooth progress. */
const CHUNK = 16;
/** SSIM looks at windows of this size. */
const SMALLEST_TEST_IMAGE = 11;

export interface CheckOptions {
  readonly signal?: AbortSignal | undefined;
  /** `done` of `total` files are checked. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/** Throws `DataError` with all faults unless every pair gives training images of `size`. */
export function checkPairs(pairs: readonly Pair[], size: number, options?: CheckOptions): Promise<void> {
  // Borders are repeated up to multiples of 16, as officially; what is smaller than that stays too small.
  const minimum = size - REF_MULTIPLE + 1;
  return checkFiles(
    pairs.flatMap(({ hr, ref }) => [hr, ref].map((path) => ({ path, minimum }))),
    "training pairs",
    options,
  );
}

/** Throws `DataError` with all faults unless every image of the test cases can be used. */
export function checkCases(cases: readonly Case[], options?: CheckOptions): Promise<void> {
  return checkFiles(
    cases.flatMap(({ hr, refs }) => [
      { path: hr, minimum: SMALLEST_TEST_IMAGE },
      ...refs.map((path) => ({ path, minimum: 1 })),
    ]),
    "test images",
    options,
  );
}

async function checkFiles(files: readonly CheckedFile[], what: string, options: CheckOptions = {}): Promise<void> {
  const { signal, onProgress } = options;
  signal?.throwIfAborted();
  // A file that several pairs share is read once; the strictest of their demands counts.
  const byPath = new Map<string, CheckedFile>();
  for (const file of files) if (file.minimum > (byPath.get(file.path)?.minimum ?? 0)) byPath.set(file.path, file);
  const unique = [...byPath.values()];
  const pool = new Pool<Task, Result>(new URL("./worker.js", import.meta.url), availableParallelism());
  const abort = () => void pool.close(signal?.reason);
  signal?.addEventListener("abort", abort);
  try {
    let done = 0;
    onProgress?.(0, unique.length);
    const tasks = Array.from({ length: Math.ceil(unique.length / CHUNK) }, async (_, i) => {
      const chunk = unique.slice(i * CHUNK, (i + 1) * CHUNK);
      const faults = (await pool.run({ kind: "check", files: chunk })) as readonly string[];
      done += chunk.length;
      onProgress?.(done, unique.length);
      return faults;
    });
    const faults = (await Promise.all(tasks)).flat();
    if (faults.length > 0)
      throw new DataError(`${faults.length} of ${unique.length} ${what} cannot be used`, "Repair or remove:", faults);
  } finally {
    signal?.removeEventListener("abort", abort);
    await pool.close();
  }
}
