import { expect } from "chai";
import { generator } from "../../../src/graph/trace/parameters.js";
import { type Race, race } from "../../../src/graph/tune/race.js";

/** A race whose samples are read from lists, one for each candidate, the last value again and again. */
async function raceOf(lists: Readonly<Record<string, readonly number[]>>, ended?: () => boolean) {
  const asked: string[] = [];
  const sample = (name: string) => {
    const list = lists[name] as readonly number[];
    const time = list[Math.min(list.length - 1, asked.filter((other) => other === name).length)] as number;
    asked.push(name);
    return Promise.resolve(time);
  };
  return { result: (await race(Object.keys(lists), sample, ended)) as Race, asked };
}

describe("race", () => {
  it("is won by the fastest, with the candidates taking turns", async () => {
    const { result, asked } = await raceOf({ usual: [10], slower: [12], faster: [8], fast: [9] });
    expect(result.winner).to.equal("faster");
    expect([...result.times]).to.deep.equal([
      ["usual", [10, 10, 10, 10, 10]],
      ["slower", [12, 12, 12, 12, 12]],
      ["faster", [8, 8, 8, 8, 8]],
      ["fast", [9, 9, 9, 9, 9]],
    ]);
    expect(asked.slice(0, 5)).to.deep.equal(["usual", "slower", "faster", "fast", "usual"]);
  });

  it("keeps the default against one that is less than 5 % faster, or not faster every time", async () => {
    expect((await raceOf({ usual: [100], other: [96] })).result.winner).to.equal("usual");
    expect((await raceOf({ usual: [100], other: [94] })).result.winner).to.equal("other");
    // Half the time in the median, but two rounds were lost.
    expect((await raceOf({ usual: [100], other: [50, 50, 50, 101, 101] })).result.winner).to.equal("usual");
    expect((await raceOf({ usual: [100], other: [50, 50, 50, 50, 900] })).result.winner).to.equal("other");
  });

  it("keeps the default in most races between equals, however noisy, and seldom misses a real gain", async () => {
    const trials = 400;
    let [changed, missed] = [0, 0];
    for (let i = 0; i < trials; i++) {
      const uniform = generator(i, 0);
      const noisy = (time: number) => Array.from({ length: 5 }, () => time * (1 + 0.2 * uniform()));
      changed += Number((await raceOf({ usual: noisy(10), other: noisy(10) })).result.winner !== "usual");
      missed += Number((await raceOf({ usual: noisy(10), other: noisy(7) })).result.winner === "usual");
    }
    expect(changed / trials).to.be.below(0.12);
    expect(missed).to.equal(0);
  });

  it("lets the hopeless leave early, and never the default", async () => {
    const { result, asked } = await raceOf({ usual: [50], hopeless: [31], behind: [16], best: [10] });
    expect(result.winner).to.equal("best");
    const turns = (name: string) => asked.filter((other) => other === name).length;
    expect(["usual", "hopeless", "behind", "best"].map(turns)).to.deep.equal([5, 1, 2, 5]);
    expect((await raceOf({ usual: [10], other: [31] })).asked).to.deep.equal(["usual", "other"]);
  });

  it("ends without a result when it is told to", async () => {
    let left = 7;
    const { result, asked } = await raceOf({ usual: [10], other: [9] }, () => left-- === 0);
    expect(result).to.equal(undefined);
    expect(asked).to.have.length(7);
  });
});
