/**
 * When a computed tensor agrees with a golden one. Every rule gives a `Check`: an error beside its tolerance. What is
 * not comparable (missing, of another length, NaN) has the error NaN and fails.
 */

/** Numbers of a tensor, flat and row-major. */
export type Values = ArrayLike<number>;

/** max: largest |difference|. l2: ‖difference‖ / ‖golden‖. differing: number of elements that are not equal. */
export type Measure = "max" | "l2" | "differing";

export interface Check {
  readonly tensor: string;
  readonly measure: Measure;
  readonly error: number;
  readonly tolerance: number;
  /** error / tolerance; the check fails above 1. */
  readonly ratio: number;
  /** Why nothing could be compared. */
  readonly problem?: string;
}

/** Tolerances of a tensor in the manifest; those that are absent are not checked. */
export interface Tolerances {
  /** On the largest |difference|. */
  readonly absolute?: number | undefined;
  /** On ‖difference‖ / ‖golden‖. */
  readonly relativeL2?: number | undefined;
  /** The values were only moved or selected: every bit is equal, but −0 equals 0. */
  readonly copy?: boolean | undefined;
}

export function passes({ ratio }: Check): boolean {
  return ratio <= 1;
}

export function check(tensor: string, measure: Measure, error: number, tolerance: number): Check {
  const ratio = error === 0 ? 0 : error / tolerance;
  return { tensor, measure, error, tolerance, ratio: Number.isNaN(ratio) ? Number.POSITIVE_INFINITY : ratio };
}

/** A check that fails because nothing can be compared. */
export function incomparable(tensor: string, problem: string): Check {
  return { ...check(tensor, "max", Number.NaN, 0), problem };
}

/** Compares numbers by every tolerance given. */
export function compareValues(tensor: string, got: Values | undefined, want: Values, tolerances: Tolerances): Check[] {
  const problem = lengthProblem(got, want);
  if (got === undefined || problem) return [incomparable(tensor, problem)];
  const { absolute, relativeL2, copy } = tolerances;
  const checks: Check[] = [];
  if (copy) checks.push(compareEqual(tensor, got, want));
  if (absolute !== undefined) checks.push(check(tensor, "max", largestDifference(got, want), absolute));
  if (relativeL2 !== undefined) checks.push(check(tensor, "l2", relativeDifference(got, want), relativeL2));
  if (checks.length === 0) return [incomparable(tensor, "has no tolerance in the manifest")];
  return checks;
}

/** Compares integers, or bits: one failure is enough. `decided` leaves elements out that rounding may change. */
export function compareEqual(
  tensor: string,
  got: Values | undefined,
  want: Values,
  decided: (i: number) => boolean = () => true,
): Check {
  const problem = lengthProblem(got, want);
  if (got === undefined || problem) return incomparable(tensor, problem);
  let differing = 0;
  for (let i = 0; i < want.length; i++) if (got[i] !== want[i] && decided(i)) differing++;
  return check(tensor, "differing", differing, 0);
}

function lengthProblem(got: Values | undefined, want: Values): string {
  if (got === undefined) return "was not computed";
  return got.length === want.length ? "" : `has ${got.length} values instead of ${want.length}`;
}

/** The largest |got − want|; NaN where one of them is. Equal infinities differ by 0. */
export function largestDifference(got: Values, want: Values): number {
  let largest = 0;
  for (let i = 0; i < want.length; i++) {
    const difference = got[i] === want[i] ? 0 : Math.abs(got[i]! - want[i]!);
    if (Number.isNaN(difference)) return difference;
    if (difference > largest) largest = difference;
  }
  return largest;
}

/** ‖got − want‖ / ‖want‖; 0 where both are 0. */
export function relativeDifference(got: Values, want: Values): number {
  let difference = 0;
  let size = 0;
  for (let i = 0; i < want.length; i++) {
    difference += (got[i]! - want[i]!) ** 2;
    size += want[i]! ** 2;
  }
  return difference === 0 ? 0 : Math.sqrt(difference / size);
}

/** What the manifest keeps of a tensor that is too large to store. */
export interface Summary {
  readonly l2: number;
  readonly absmax: number;
  readonly sum: number;
  /** The first eight elements, and eight spread evenly from the first to the last. */
  readonly first8: Values;
  readonly even8: Values;
}

export function summarise(values: Values): Summary {
  let [squares, absmax, sum] = [0, 0, 0];
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    squares += value * value;
    sum += value;
    absmax = Math.max(absmax, Math.abs(value));
  }
  const spread = (j: number) => values[Math.floor((j * (values.length - 1)) / 7)]!;
  return {
    l2: Math.sqrt(squares),
    absmax,
    sum,
    first8: Array.from({ length: 8 }, (_, i) => values[i] ?? 0),
    even8: Array.from({ length: 8 }, (_, j) => spread(j)),
  };
}

export interface SummaryTolerances {
  /** Relative, on the l2 norm. */
  readonly relativeL2: number;
  /** On absmax and on the elements. */
  readonly absolute: number;
  readonly sum: number;
}

/** Half a unit in the last place of a float32, relative: goldens are stored rounded to float32. */
const STORED = 2 ** -24;

/**
 * Compares a tensor with the summary of its golden twin. A sum of many elements of one sign is large against their
 * errors, so that the rounding with which the golden one was stored may exceed its tolerance: that rounding is added.
 */
export function compareSummary(tensor: string, got: Values | undefined, want: Summary, tolerances: SummaryTolerances) {
  if (got === undefined) return [incomparable(tensor, "was not computed")];
  const have = summarise(got);
  const { absolute } = tolerances;
  const sum = tolerances.sum + STORED * Math.abs(want.sum);
  return [
    check(`${tensor} norm`, "l2", relativeDifference([have.l2], [want.l2]), tolerances.relativeL2),
    check(`${tensor} absmax`, "max", largestDifference([have.absmax], [want.absmax]), absolute),
    check(`${tensor} sum`, "max", largestDifference([have.sum], [want.sum]), sum),
    check(`${tensor} first8`, "max", largestDifference(have.first8, want.first8), absolute),
    check(`${tensor} even8`, "max", largestDifference(have.even8, want.even8), absolute),
  ];
}
