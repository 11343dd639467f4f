import { expect } from "chai";
import { philox, Random } from "../../src/data/random.js";

describe("random", () => {
  // From the authors' own known answers (Random123, kat_vectors: philox 4x32, 10 rounds).
  it("is Philox4x32-10", () => {
    const all = 0xffffffff;
    expect(philox([0, 0, 0, 0], [0, 0])).to.deep.equal([0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]);
    expect(philox([all, all, all, all], [all, all])).to.deep.equal([0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd]);
    expect(philox([0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0])).to.deep.equal([
      0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1,
    ]);
  });

  it("gives the words of the key's counters in turn", () => {
    const random = new Random({ seed: 5 * 2 ** 32 + 7, epoch: 3, sample: 11 });
    const words = [...philox([0, 11, 3, 0], [7, 5]), ...philox([1, 11, 3, 0], [7, 5])];
    for (const word of words) expect(random.uniform()).to.equal(word / 2 ** 32);
    expect(new Random({ seed: -1, epoch: 3 }).uniform()).to.equal(
      philox([0, 0, 3, 1], [2 ** 32 - 1, 2 ** 32 - 1])[0] / 2 ** 32,
    );
  });

  it("has different numbers for every seed, epoch, sample, and for an epoch as a whole", () => {
    const firsts = new Set<number>();
    for (const seed of [0, 1, -1, 2 ** 32, Number.MAX_SAFE_INTEGER])
      for (const epoch of [0, 1, 2])
        for (const sample of [undefined, 0, 1, 2]) {
          firsts.add(new Random(sample === undefined ? { seed, epoch } : { seed, epoch, sample }).uniform());
        }
    expect(firsts.size).to.equal(5 * 3 * 4);
  });

  // Of n fair draws in k classes, chi squared has mean k − 1 and variance 2(k − 1): 5 standard deviations.
  const chiSquared = (counts: readonly number[]) => {
    const mean = counts.reduce((a, b) => a + b, 0) / counts.length;
    return counts.reduce((sum, count) => sum + (count - mean) ** 2 / mean, 0);
  };
  const bound = (classes: number) => classes - 1 + 5 * Math.sqrt(2 * (classes - 1));

  it("is uniform within a key and across neighbouring keys", () => {
    const within = new Array<number>(100).fill(0);
    const across = new Array<number>(100).fill(0);
    const random = new Random({ seed: 1, epoch: 0, sample: 0 });
    for (let i = 0; i < 100_000; i++) {
      within[random.integer(100)]!++;
      across[new Random({ seed: 1, epoch: i % 10, sample: i }).integer(100)]!++;
    }
    expect(chiSquared(within)).to.be.below(bound(100));
    expect(chiSquared(across)).to.be.below(bound(100));
  });

  it("does not correlate successive numbers or successive samples", () => {
    const n = 50_000;
    for (const next of [
      (
        (random) => () =>
          random.uniform()
      )(new Random({ seed: 2, epoch: 0 })),
      (
        (sample) => () =>
          new Random({ seed: 2, epoch: 0, sample: sample++ }).uniform()
      )(0),
    ]) {
      const x = Float64Array.from({ length: n + 1 }, () => next() - 0.5);
      let sum = 0;
      for (let i = 0; i < n; i++) sum += x[i]! * x[i + 1]!;
      // The product of two has variance 1/144.
      expect(Math.abs(sum / n)).to.be.below(5 / 12 / Math.sqrt(n));
    }
  });

  it("permutes: each element once, all orders equally often", () => {
    const order = new Random({ seed: 3, epoch: 9 }).permutation(1000);
    expect([...order].sort((a, b) => a - b)).to.deep.equal(Array.from({ length: 1000 }, (_, i) => i));
    const counts = new Map<string, number>();
    for (let epoch = 0; epoch < 24_000; epoch++) {
      const key = new Random({ seed: 3, epoch }).permutation(4).join();
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    expect(counts.size).to.equal(24);
    expect(chiSquared([...counts.values()])).to.be.below(bound(24));
  });

  it("draws from intervals", () => {
    const random = new Random({ seed: 4, epoch: 0 });
    const draws = Array.from({ length: 10_000 }, () => random.between(-20, 20));
    expect(Math.min(...draws)).to.be.within(-20, -19.9);
    expect(Math.max(...draws)).to.be.within(19.9, 20);
    expect(new Random({ seed: 4, epoch: 0 }).permutation(0)).to.have.length(0);
  });
});
