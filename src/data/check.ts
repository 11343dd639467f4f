/**
 * Every image of a data set is looked at before anything is computed with it: a run of days must not end at a file that
 * was broken from the beginning. One pass over the files finds all faults: what is missing, no image, too small, truncated
 * or damaged.
 */
import { availableParallelism } from "node:os";
import { REF_MULTIPLE, STACKED_REF_SIZE } from "../image/pairs.js";
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

/** Throws `DataError` with all faults unless every image of the test cases can be used; `stacked`: "all" references. */
export function checkCases(
  cases: readonly Case[],
  { stacked = false, ...options }: CheckOptions & { readonly stacked?: boolean } = {},
): Promise<void> {
  const ref = { minimum: 1, ...(stacked && { maximum: STACKED_REF_SIZE }) };
  return checkFiles(
    cases.flatMap(({ hr, refs }) => [
      { path: hr, minimum: SMALLEST_TEST_IMAGE },
      ...refs.map((path) => ({ path, ...ref })),
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
  for (const file of files) byPath.set(file.path, strictest(file, byPath.get(file.path)));
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

function strictest(a: CheckedFile, b: CheckedFile = a): CheckedFile {
  const any = Number.POSITIVE_INFINITY;
  const maximum = Math.min(a.maximum ?? any, b.maximum ?? any);
  return { path: a.path, minimum: Math.max(a.minimum, b.minimum), maximum };
}
