import { expect } from "chai";
import { compareRounds, compareTimes, median, medianInterval } from "../../bench/statistics.js";

const upTo = (n: number) => Array.from({ length: n }, (_, i) => i + 1);

describe("bench statistics", () => {
  it("take the middle value, or the mean of the two", () => {
    expect(median([9, 1, 5])).to.equal(5);
    expect(median([4, 1, 9, 2])).to.equal(3);
    expect(median([7])).to.equal(7);
  });

  it("bound the median as the tables of the sign test do", () => {
    // Ranks of the 95 % interval, from the binomial distribution: n = 6, 8 → 1; 9, 11 → 2; 12 → 3; 20 → 6.
    for (const [n, rank] of [
      [6, 1],
      [8, 1],
      [9, 2],
      [11, 2],
      [12, 3],
      [20, 6],
    ] as const)
      expect(medianInterval(upTo(n).reverse()), `${n} values`).to.deep.equal([rank, n + 1 - rank]);
    expect(medianInterval([3, 1, 2]), "too few for 95 %").to.deep.equal([1, 3]);
    expect(medianInterval([5])).to.deep.equal([5, 5]);
  });

  it("cover the median of a skewed distribution as often as promised", () => {
    let state = 1;
    const uniform = () => {
      state = (state * 48271) % 2147483647;
      return state / 2147483647;
    };
    let covered = 0;
    for (let trial = 0; trial < 2000; trial++) {
      const [low, high] = medianInterval(Array.from({ length: 12 }, () => -Math.log(uniform())));
      if (low <= Math.LN2 && Math.LN2 <= high) covered++;
    }
    // Exactly 96.1 %; three standard deviations of 2,000 trials are 1.3 %.
    expect(covered / 2000).to.be.within(0.948, 0.974);
  });

  it("tell runs apart only where their rounds do not overlap", () => {
    const before = [20, 21, 22, 23];
    expect(compareTimes(before, [10, 10.5, 11, 11.5])).to.deep.equal({
      ratio: 2,
      low: 20 / 11.5,
      high: 2.3,
      verdict: "faster",
    });
    expect(compareTimes([10, 10.5, 11, 11.5], before).verdict).to.equal("slower");
    expect(compareTimes(before, [15, 16, 17, 20.5]).verdict).to.equal("no difference");
    expect(compareTimes(before, [1, 1, 1]).verdict).to.equal("too few rounds");
  });

  it("see in paired rounds what the machine's noise hides", () => {
    const before = [10, 50, 20, 80, 15, 30];
    const now = before.map((time) => time / 1.1);
    expect(compareTimes(before, now).verdict).to.equal("no difference");
    const { ratio, verdict } = compareRounds(before, now);
    expect(ratio).to.be.closeTo(1.1, 1e-12);
    expect(verdict).to.equal("faster");
    expect(compareRounds(before.slice(1), now.slice(1)).verdict).to.equal("too few rounds");
    expect(compareRounds(now, before).verdict).to.equal("slower");
  });
});
