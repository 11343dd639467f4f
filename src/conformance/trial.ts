/** One case being run: what it is given, what was found, and whether anything the manifest stores was left out. */
import type { Device } from "../gpu/device.js";
import type { PlanProgress } from "../graph/plan/plan.js";
import {
  type Check,
  check,
  compareEqual,
  compareSummary,
  compareValues,
  incomparable,
  largestDifference,
  type Values,
} from "./compare.js";
import type { Entry } from "./entry.js";
import type { GoldenCase, GoldenSet } from "./manifest.js";

/** Elements of match indices are decided where the best score leads by more (the manifest's `tolerance.indices`). */
const DECIDED_MARGIN = 1e-5;

export interface SummaryOptions {
  readonly skip?: (tensor: string) => boolean;
  readonly gates?: (check: Check) => boolean;
}

export class Trial {
  readonly entry: Entry;
  readonly checks: Check[] = [];
  /** Compared and reported, but no reason to fail. */
  readonly information: Check[] = [];
  readonly #seen = new Set<string>();

  constructor(
    readonly golden: GoldenCase,
    readonly set: GoldenSet,
    readonly device: Device,
    /** Told what is being done, on the way of a long case. */
    readonly progress: (step: string) => void,
  ) {
    this.entry = golden.entry;
  }

  /** Shows how far a run of a plan is: `plan.run(data, trial.watch("step 1"))`. */
  watch(label: string): { onProgress: (progress: PlanProgress) => void } {
    return {
      onProgress: ({ stage, done, total }) => this.progress(`${label} ${stage} ${Math.floor((100 * done) / total)} %`),
    };
  }

  /** The golden values of `{ key }`: to compare with, or to be handed to the network. */
  async values(spec: Entry): Promise<Values> {
    return (await this.#read(spec)).data;
  }

  async #read(spec: Entry) {
    const key = spec.text("key");
    this.#seen.add(key);
    return await this.set.tensor(this.entry.text("file"), key);
  }

  /**
   * Compares with the tensor of `{ key, dtype, tol_abs?, tol_rel_l2?, copy? }`. Integers are equal, but where `margins`
   * say that rounding decides.
   */
  async compare(name: string, spec: Entry, got: Values | undefined, margins?: Values): Promise<void> {
    const want = await this.values(spec);
    if (/^[IU]/.test(spec.text("dtype"))) {
      const decided = (i: number) => margins === undefined || margins[i]! > DECIDED_MARGIN;
      this.checks.push(compareEqual(name, got, want, decided));
      return;
    }
    this.checks.push(
      ...compareValues(name, got, want, {
        absolute: spec.has("tol_abs") ? spec.number("tol_abs") : undefined,
        relativeL2: spec.has("tol_rel_l2") ? spec.number("tol_rel_l2") : undefined,
        copy: spec.flag("copy", false),
      }),
    );
  }

  /**
   * Compares the tensors of `{ summary_of, names | names_as }`; `skip` names those that need not be computed, `gates`
   * says which comparisons can fail the case (default all), the others are information.
   */
  async compareSummaries(
    name: string,
    spec: Entry,
    got: (tensor: string) => Values | undefined,
    { skip = () => false, gates = () => true }: SummaryOptions = {},
  ): Promise<void> {
    const key = spec.text("summary_of");
    this.#seen.add(key);
    const names = this.set.summaryNames(spec);
    if (names.length !== spec.number("count", names.length)) throw spec.broken("count", `the ${names.length} of names`);
    for (const [i, tensor] of names.entries()) {
      if (skip(tensor)) continue;
      const { summary, tolerances } = await this.set.summary(this.entry.text("file"), key, i);
      for (const check of compareSummary(`${name}/${tensor}`, got(tensor), summary, tolerances))
        (gates(check) ? this.checks : this.information).push(check);
    }
  }

  /** Compares with `{ value, tol_abs }`; `value` is a number or a list. */
  compareScalar(name: string, spec: Entry, got: number | readonly number[]): void {
    const want = typeof spec.value.value === "number" ? [spec.number("value")] : spec.numbers("value");
    const have = typeof got === "number" ? [got] : got;
    if (have.length !== want.length) this.fail(name, `has ${have.length} values instead of ${want.length}`);
    else this.checks.push(check(name, "max", largestDifference(have, want), spec.number("tol_abs")));
  }

  fail(name: string, problem: string): void {
    this.checks.push(incomparable(name, problem));
  }

  /** Fails for every tensor and summary of the case that nobody asked for: new fields must not pass unseen. */
  checkAllSeen(): void {
    for (const key of storedKeys(this.entry.value)) {
      if (!this.#seen.has(key)) this.fail(key, "is in the manifest, but this program does not compare it");
    }
    if (this.checks.length === 0) this.fail(this.golden.name, "has nothing to compare");
  }
}

function storedKeys(value: unknown): string[] {
  if (typeof value !== "object" || value === null) return [];
  const { key, summary_of: summary } = value as { key?: unknown; summary_of?: unknown };
  const own = [key, summary].filter((name) => typeof name === "string");
  return [...own, ...Object.values(value).flatMap(storedKeys)];
}
