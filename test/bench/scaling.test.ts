import { expect } from "chai";
import { AXES, EXPECTED, exponent, growthAlong, growthRow, shapesAt, stageOf } from "../../bench/scaling.js";
import { plan } from "../../src/graph/plan/plan.js";
import { Masa } from "../../src/masa/masa.js";
import { trainConfig } from "../../src/train/config.js";
import { testDevice } from "../device.js";

describe("bench of the scaling", () => {
  it("fits exponents", () => {
    expect(exponent([1, 2, 4], [3, 6, 12])).to.be.closeTo(1, 1e-12);
    expect(exponent([1, 2, 4], [5, 5, 5])).to.be.closeTo(0, 1e-12);
    expect(exponent([1, 2, 4], [1, 4, 16])).to.be.closeTo(2, 1e-12);
    // Least squares: the middle one of three does not tilt the line.
    expect(exponent([1, 2, 4], [1, 3, 4])).to.be.closeTo(1, 1e-12);
  });

  it("doubles one thing at a time", () => {
    const at = ([axis, factor]: readonly [(typeof AXES)[number], number]) => shapesAt(axis, factor);
    const base = shapesAt("batch", 1);
    for (const axis of AXES) expect(shapesAt(axis, 1)).to.deep.equal(base);
    expect(at(["LR area", 2])).to.deep.equal({ ...base, lr: [1, 3, 32, 64], hr: [1, 3, 128, 256] });
    expect(at(["Ref area", 4])).to.deep.equal({ ...base, refDown: [1, 3, 64, 64], ref: [1, 3, 256, 256] });
    expect(Object.values(at(["batch", 4])).every(([N]) => N === 4)).to.equal(true);
  });

  it("tells what grows faster than it should, where all rounds say so", () => {
    const sizes = (...exponents: readonly number[]) =>
      [1, 2, 4].map((factor) =>
        exponents.map((e) => new Map([["decode", { dispatches: 1, ms: factor ** e, flops: 8 * factor, bytes: 1 }]])),
      );
    const row = (...exponents: readonly number[]) => growthAlong("LR area", sizes(...exponents)).map(growthRow)[0];
    expect(row(1.7, 1.5, 1.6)).to.deep.equal([
      ...["decode", "LR area", "1.00", "8.00", "1.50", "1.50", "1.70", "1.00", "1.00"],
      "grows faster",
    ]);
    expect(row(1.7, 1.2, 1.6)?.at(-1)).to.equal("");
    expect(growthAlong("Ref area", sizes(0.5, 0.6)).map(growthRow)[0]?.at(-1)).to.equal("grows faster");
  });

  it("expects what the arithmetic says, stage by stage", async () => {
    const device = await testDevice();
    const masa = new Masa(trainConfig({ preset: "tiny", data: "none" }));
    const flopsAt = (axis: (typeof AXES)[number], factor: number) => {
      const { hr: _, ...shapes } = shapesAt(axis, factor);
      const sums = new Map<string, number>();
      for (const { scope, flops = 0 } of plan(device, shapes, (inputs) => ({ sr: masa.forward(inputs).sr })).dispatches)
        sums.set(stageOf(scope), (sums.get(stageOf(scope)) ?? 0) + flops);
      return sums;
    };
    for (const [i, axis] of AXES.entries()) {
      const sizes = [1, 2, 4].map((factor) => flopsAt(axis, factor));
      for (const [stage, expected] of Object.entries(EXPECTED)) {
        const flops = sizes.map((sums) => sums.get(stage) ?? 0);
        expect(flops.every((count) => count > 0) || stage === "extract", stage).to.equal(true);
        if (stage === "extract") continue;
        const found = expect(exponent([1, 2, 4], flops), `${stage}, ${axis}`);
        // Its windows have whole pixels, and shrink where there are more blocks.
        if (stage === "match fine") found.to.be.within(axis === "LR area" ? 0 : 0.9, 1.01);
        else found.to.be.closeTo(expected[i]!, 1e-9);
      }
    }
  });
});
