import { expect } from "chai";
import { explained } from "../../src/reproduce/explain.js";
import { twoBlocks } from "../masa/two_blocks.js";

describe("a match explained", () => {
  it("come with the numbers that they show", async () => {
    const { figures, tables, data } = await explained({ explanation: twoBlocks(), network: "A network" });
    expect(figures.map(({ name }) => name)).to.deep.equal([
      ...["lines", "colours", "similarity", "warped", "adaptation_x1_mean", "adaptation_x1_std"],
    ]);
    expect(tables[0]?.rows).to.deep.equal([["×1", "1.50", "0.00", "0.500", "0.00"]]);
    const { blocks } = data as { blocks: { lr: number[]; refDown: number[]; coarse: number; fine: number }[] };
    expect(blocks[1]).to.deep.include({ lr: [4, 0], refDown: [5, 5], fine: 0.5 });
    expect(blocks[0]!.fine).to.equal((15 * 0.5 + 1) / 16);
  });
});
