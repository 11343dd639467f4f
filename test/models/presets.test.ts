import { expect } from "chai";
import { Masa } from "../../src/masa/masa.js";
import { NETWORK_PRESETS } from "../../src/models/presets.js";
import { trainConfig } from "../../src/train/config.js";

describe("presets of networks", () => {
  it("have the documented number of parameters", () => {
    const counts = Object.entries(NETWORK_PRESETS).map(([name, config]) => [name, new Masa(config).parameters.count]);
    const { masa, small, tiny } = Object.fromEntries(counts) as Record<string, number>;
    expect(masa).to.equal(4_028_291);
    expect(small)
      .to.be.above(tiny as number)
      .and.below(300_000);
  });

  it("are those that masa train trains", () => {
    for (const preset of ["small", "tiny"] as const)
      expect(trainConfig({ preset, data: "pairs" })).to.deep.include(NETWORK_PRESETS[preset]);
  });
});
