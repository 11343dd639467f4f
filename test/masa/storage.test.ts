/** The network with features in 16 bits beside the same in 32. */
import { expect } from "chai";
import { GoldenSet } from "../../src/conformance/manifest.js";
import { fillParameters } from "../../src/conformance/parameters.js";
import { compile, dataOf } from "../../src/graph/plan/plan.js";
import { Masa, type MasaOptions } from "../../src/masa/masa.js";
import { testDevice } from "../device.js";
import { goldenPath } from "../files/golden.js";
import { Random } from "../graph/ops/check.js";

const SMALL = { channels: 8, encoderBlocks: [1, 1, 1], decoderBlocks: [1, 1, 1, 1, 1, 1] } as const;
const SHAPES = { lr: [1, 3, 16, 24], ref: [1, 3, 64, 64], refDown: [1, 3, 16, 16] };

/** Of two results in [0, 1], in dB. */
function psnr(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const squares = Array.from(a).reduce((sum, value, i) => sum + (value - (b[i] as number)) ** 2, 0);
  return -10 * Math.log10(squares / a.length);
}

describe("masa with features in 16 bits", () => {
  const random = new Random("16 bits");
  const pixels = (shape: readonly number[]) => Float32Array.from(random.array(shape, 0.5, 0.5).data);
  const data = { lr: pixels(SHAPES.lr), ref: pixels(SHAPES.ref), refDown: pixels(SHAPES.refDown) };

  /** The bytes of the plan, the result and all matches. */
  async function run(masa: Masa, options: MasaOptions) {
    const plan = await compile(await testDevice(), SHAPES, (inputs) => {
      const { sr, matches } = masa.forward(inputs, options);
      expect([sr, ...Object.values(matches)].filter(({ dtype }) => dtype === "f16")).to.deep.equal([]);
      return { sr, ...matches };
    });
    const { bytes } = plan;
    const { sr, ...matches } = dataOf(await plan.run(data));
    plan.dispose();
    return { bytes, sr, matches };
  }

  it("moves no match of the official network, and its result by less than a hundredth of a step of 8 bits", async () => {
    const set = GoldenSet.open(goldenPath(""));
    const golden = set.cases.find(({ part, name }) => part === "net" && name === "wrap");
    const masa = new Masa();
    await fillParameters(await testDevice(), masa.parameters, set.parameters(golden!.entry.entry("params")));
    const [whole, half] = [await run(masa, {}), await run(masa, { storage: "f16" })];
    masa.parameters.dispose();
    expect(half.matches).to.deep.equal(whole.matches);
    expect(psnr(half.sr, whole.sr)).to.be.within(20 * Math.log10(100 * 255), 120);
    expect(half.bytes).to.be.below(0.7 * whole.bytes);
  });

  for (const [config, options] of [
    [{ adaptation: "spade", aggregation: "ref" }, {}],
    [{ adaptation: "adain", aggregation: "lr" }, { matching: "dense" }],
    [{ adaptation: "none", aggregation: "concat" }, { implementation: "unfused" }],
    [{ useReference: false }, {}],
  ] as const)
    it(`stays near the network in 32 bits: ${JSON.stringify({ ...config, ...options })}`, async () => {
      const masa = new Masa({ ...SMALL, ...config });
      await masa.parameters.allocate(await testDevice(), 5);
      const [whole, half] = [await run(masa, options), await run(masa, { ...options, storage: "f16" })];
      masa.parameters.dispose();
      expect(half.matches).to.deep.equal(whole.matches);
      expect(psnr(half.sr, whole.sr)).to.be.within(60, 120);
    });
});
