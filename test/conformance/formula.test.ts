import { expect } from "chai";
import { Entry, ManifestError } from "../../src/conformance/entry.js";
import { buildTensor, checkFormula, fill, hash, uniform } from "../../src/conformance/formula.js";
import { GoldenSet } from "../../src/conformance/manifest.js";
import { goldenPath } from "../files/golden.js";

/** seed, i, hash, uniform: computed by the code that made the golden cases. */
const KNOWN = [
  [0, 0, 0, -1],
  [0, 1, 301794027, -0.8594663143157959],
  [1, 0, 2612203797, 0.21640217304229736],
  [7, 36863, 2750620010, 0.2808572053909302],
  [1000, 999999, 104341800, -0.9514120817184448],
  [4294967295, 4294967295, 1826634510, -0.1494070291519165],
] as const;

const tensor = (value: Record<string, unknown>) => Entry.of("case", value);

describe("formula", () => {
  it("hashes as the code that made the golden cases", () => {
    for (const [seed, i, h, u] of KNOWN) {
      expect(hash(seed, i)).to.equal(h);
      expect(uniform(seed, i)).to.equal(u);
    }
  });

  it("rounds each step to float32, in the manifest's order", () => {
    const [scale, offset] = [Math.fround(0.3), Math.fround(0.1)];
    const got = fill({ seed: 5, scale, offset, quant: 4, zeroEvery: 3 }, 100);
    for (let i = 0; i < 100; i++) {
      const quantised = Math.floor(uniform(5, i) * 4) / 4;
      const value = Math.fround(Math.fround(quantised * scale) + offset);
      expect(got[i]).to.equal(i % 3 === 0 ? 0 : value);
    }
  });

  it("makes integers of a modulus", () => {
    const { data, shape } = buildTensor(tensor({ shape: [4, 5], formula: { seed: 3, mod: 7 } }));
    expect(shape).to.deep.equal([4, 5]);
    expect(data).to.be.instanceOf(Int32Array);
    expect([...data]).to.deep.equal(Array.from({ length: 20 }, (_, i) => hash(3, i) % 7));
  });

  it("fills with a constant", () => {
    expect([...buildTensor(tensor({ shape: [3], const: 2.5 })).data]).to.deep.equal([2.5, 2.5, 2.5]);
  });

  it("builds every tensor of the golden set with the head the manifest gives", () => {
    const set = GoldenSet.open(goldenPath(""));
    let heads = 0;
    for (const { entry } of set.cases) {
      for (const [, spec] of [...entry.entries("upstream"), ...inputsOf(entry)]) {
        buildTensor(spec);
        if (spec.has("head")) heads++;
      }
    }
    expect(heads).to.be.above(200);
  });

  it("finds a head, a hash or a uniform number that is not the formula's", () => {
    const good = { shape: [2], formula: { seed: 1 }, head: [uniform(1, 0), uniform(1, 1)] };
    expect(() => buildTensor(tensor(good))).not.to.throw();
    expect(() => buildTensor(tensor({ ...good, head: [uniform(1, 0), 0] }))).to.throw(ManifestError, /element 1/);
    const test = { seed: 0, i: 1, hash: 301794027, uniform: -0.8594663143157959 };
    expect(() => checkFormula([tensor(test)])).not.to.throw();
    expect(() => checkFormula([tensor({ ...test, hash: 1 })])).to.throw(ManifestError, /hash of seed 0, i 1/);
    expect(() => checkFormula([tensor({ ...test, uniform: 0 })])).to.throw(ManifestError, /uniform of seed 0, i 1/);
  });
});

/** The inputs that are tensors: those of data sets are names of images. */
function inputsOf(entry: Entry): [string, Entry][] {
  return entry.text("op") === "dataset" ? [] : entry.entries("inputs");
}
