import { expect } from "chai";
import {
  type Check,
  check,
  compareEqual,
  compareSummary,
  compareValues,
  passes,
  summarise,
} from "../../src/conformance/compare.js";

const pass = (checks: readonly Check[]) => checks.every(passes);
const WANT = [1, -2, 3, 0];

describe("compare", () => {
  it("passes at the tolerance and fails just above it", () => {
    expect(passes(check("y", "max", 0.5, 0.5))).to.equal(true);
    expect(passes(check("y", "max", 0.5000001, 0.5))).to.equal(false);
    expect(passes(check("y", "max", 0, 0))).to.equal(true);
    expect(passes(check("y", "max", 1e-30, 0))).to.equal(false);
  });

  it("takes the largest difference and the relative l2 norm, both where both are given", () => {
    const got = [1, -2, 3.25, 0.5];
    const checks = compareValues("y", got, WANT, { absolute: 0.5, relativeL2: 0.1 });
    expect(checks.map(({ measure, error }) => [measure, error])).to.deep.equal([
      ["max", 0.5],
      ["l2", Math.sqrt((0.25 ** 2 + 0.5 ** 2) / 14)],
    ]);
    expect(checks.map(passes)).to.deep.equal([true, false]);
    expect(compareValues("y", got, WANT, { absolute: 0.4, relativeL2: 1 }).map(passes)).to.deep.equal([false, true]);
  });

  it("fails for NaN and infinities anywhere", () => {
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
      for (let i = 0; i < WANT.length; i++) {
        const got = WANT.map((value, j) => (j === i ? bad : value));
        for (const tolerances of [{ absolute: 1e9 }, { relativeL2: 1e9 }, { copy: true }])
          expect(pass(compareValues("y", got, WANT, tolerances)), `${bad} at ${i}`).to.equal(false);
      }
    }
    expect(pass(compareValues("psnr", [Infinity], [Infinity], { absolute: 1e-4 }))).to.equal(true);
  });

  it("fails for what is missing, of another length, or without a tolerance", () => {
    expect(pass(compareValues("y", WANT, WANT, { absolute: 0, relativeL2: 0, copy: true }))).to.equal(true);
    const problem = (got: number[] | undefined, tolerances = { absolute: 1 }) => {
      const checks = compareValues("y", got, WANT, tolerances);
      expect(pass(checks)).to.equal(false);
      return checks[0]?.problem;
    };
    expect(problem(undefined)).to.equal("was not computed");
    expect(problem([1, -2, 3])).to.equal("has 3 values instead of 4");
    expect(pass(compareValues("y", WANT, WANT, {}))).to.equal(false);
    expect(passes(compareEqual("index", undefined, WANT))).to.equal(false);
    expect(passes(compareEqual("index", [1], WANT))).to.equal(false);
  });

  it("compares copies bit by bit, but takes −0 for 0", () => {
    expect(pass(compareValues("y", [1, -2, 3, -0], WANT, { copy: true }))).to.equal(true);
    expect(pass(compareValues("y", [1, -2, 3 + 2 ** -50, 0], WANT, { copy: true }))).to.equal(false);
  });

  it("counts wrong indices only where they are decided", () => {
    const got = [1, 7, 3, 0];
    expect(compareEqual("index", got, WANT)).to.include({ error: 1, ratio: Number.POSITIVE_INFINITY });
    expect(passes(compareEqual("index", got, WANT, (i) => i !== 1))).to.equal(true);
    expect(passes(compareEqual("index", got, WANT, (i) => i === 1))).to.equal(false);
  });

  it("summarises as the manifest says", () => {
    const values = Float32Array.from({ length: 20 }, (_, i) => i - 3);
    const { l2, absmax, sum, first8, even8 } = summarise(values);
    expect({ absmax, sum }).to.deep.equal({ absmax: 16, sum: 130 });
    expect(l2).to.be.closeTo(Math.sqrt(9 + 4 + 1 + (16 * 17 * 33) / 6), 1e-12);
    expect(first8).to.deep.equal([-3, -2, -1, 0, 1, 2, 3, 4]);
    // Indices ⌊j·19/7⌋.
    expect(even8).to.deep.equal([0, 2, 5, 8, 10, 13, 16, 19].map((i) => i - 3));
    expect(summarise([5]).first8).to.deep.equal([5, 0, 0, 0, 0, 0, 0, 0]);
    expect(summarise([5]).even8).to.deep.equal(Array(8).fill(5));
  });

  it("finds a planted error in each number of a summary", () => {
    const values = Array.from({ length: 100 }, (_, i) => Math.sin(i));
    const want = summarise(values);
    const tight = { absolute: 1e-6, relativeL2: 1e-6, sum: 1e-6 };
    expect(pass(compareSummary("g", values, want, tight))).to.equal(true);
    const failing = (planted: Partial<typeof want>) =>
      compareSummary("g", values, { ...want, ...planted }, tight).flatMap((c) => (passes(c) ? [] : [c.tensor]));
    expect(failing({ l2: want.l2 * 1.00001 })).to.deep.equal(["g norm"]);
    expect(failing({ absmax: want.absmax + 2e-6 })).to.deep.equal(["g absmax"]);
    expect(failing({ sum: want.sum + 2e-6 })).to.deep.equal(["g sum"]);
    expect(failing({ first8: values.map((v, i) => (i === 7 ? v + 2e-6 : v)).slice(0, 8) })).to.deep.equal(["g first8"]);
    expect(failing({ even8: Array.from(want.even8, (v, i) => (i === 7 ? v + 2e-6 : v)) })).to.deep.equal(["g even8"]);
    expect(pass(compareSummary("g", undefined, want, tight))).to.equal(false);
    expect(pass(compareSummary("g", values.with(50, Number.NaN), want, tight))).to.equal(false);
  });
});
