/** Results of golden cases as text and as JSON. */
import { type Check, type Measure, passes } from "./compare.js";
import type { CaseResult } from "./run.js";

const MEASURES: Readonly<Record<Measure, string>> = { max: "", l2: " (l2)", differing: " differing" };
/** Room for the tensor and its error, so that verdicts stand below one another. */
const MIDDLE = 48;

/** One line: name, the tensor with the largest error / tolerance, the error beside the tolerance, the verdict, the time. */
export function caseLine(
  { name, passed, worst, problem, checks, milliseconds }: CaseResult,
  nameWidth: number,
): string {
  const others = checks.filter((check) => !passes(check)).length - 1;
  const middle =
    problem?.replace(/\s*\n\s*/g, " ") ?? `${worst ? describe(worst) : ""}${others > 0 ? ` and ${others} more` : ""}`;
  const verdict = passed ? "pass" : "FAIL";
  return `${name.padEnd(nameWidth)}  ${middle.padEnd(MIDDLE)}  ${verdict}  ${milliseconds.toFixed(0)} ms`;
}

function describe({ tensor, measure, error, tolerance, problem }: Check): string {
  if (problem) return `${tensor} ${problem}`;
  return `${tensor} ${short(error)} / ${short(tolerance)}${MEASURES[measure]}`;
}

function short(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toExponential(1);
}

/** The last line of a run. */
export function totalLine(results: readonly CaseResult[]): string {
  const passed = results.filter((result) => result.passed).length;
  return `${passed} passed, ${results.length - passed} failed`;
}

/** Everything that was compared, for programs. Numbers that JSON lacks are the texts NaN and Infinity. */
export function resultsJson(set: string, adapter: string, results: readonly CaseResult[]): string {
  const failed = results.filter((result) => !result.passed).length;
  const report = { set, adapter, passed: results.length - failed, failed, cases: results };
  const finite = (_: string, value: unknown) =>
    typeof value === "number" && !Number.isFinite(value) ? String(value) : value;
  return `${JSON.stringify(report, finite, 1)}\n`;
}
