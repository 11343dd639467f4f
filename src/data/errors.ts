import { MasaError } from "../errors.js";

/** How many faults a message lists; `faults` has all of them. */
const LISTED = 100;

/** A data set cannot be used. Every fault found is listed, so that one look repairs all. */
export class DataError extends MasaError {
  override readonly name = "DataError";

  constructor(
    problem: string,
    advice: string,
    readonly faults: readonly string[] = [],
  ) {
    const more = faults.length > LISTED ? [`and ${faults.length - LISTED} more`] : [];
    super(problem, [advice, ...faults.slice(0, LISTED), ...more].join("\n  "));
  }
}
