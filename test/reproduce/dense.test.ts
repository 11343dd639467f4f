import { expect } from "chai";
import { countFlops } from "../../src/masa/flops.js";
import { dense } from "../../src/reproduce/dense.js";
import { testDevice } from "../device.js";
import { rejection } from "../rejection.js";

type Cost = Record<"flops" | "executed" | "memory" | "milliseconds", number>;
type Found = { readonly sides: (Record<"dense" | "fused", Cost> & { readonly side: number })[] };

describe("dense matching beside coarse to fine", () => {
  it("is counted from what the kernels declare, and measured", async () => {
    const seen: number[] = [];
    const options = { sides: [24, 32], rounds: 1 };
    const result = await dense(await testDevice(), options, new AbortController().signal, (side) => seen.push(side));
    const { sides } = result.data as Found;
    expect(seen).to.deep.equal([24, 32]);
    for (const { side, dense, fused } of sides) {
      expect(dense.flops).to.equal(2 * side ** 2 * (side - 2) ** 2 * 9 * 64);
      const { coarse, fine } = countFlops([side, side], [side, side]);
      expect(fused.flops).to.equal(2 * (coarse + fine));
      for (const cost of [dense, fused]) {
        expect(cost.executed).to.be.below(cost.flops);
        expect(cost.milliseconds).to.be.above(0).and.below(60_000);
      }
      // The product of every pair of pixels, once; tiles of 8×8 compute those of their rims as well.
      expect(dense.executed).to.equal(2 * (side / 8) ** 2 * 10 ** 2 * side ** 2 * 64);
      // Features, and less than the matrix of all similarities.
      expect(dense.memory).to.be.below(4 * (2 * 64 * side ** 2 + side ** 2 * (side - 2) ** 2));
    }
    const [first] = result.tables;
    expect(first?.rows[0]?.[0]).to.equal("24×24");
    expect(first?.rows[0]?.[3]).to.equal((sides[0]!.dense.flops / sides[0]!.fused.flops).toFixed(2));
    expect(result.figures.map(({ name }) => name)).to.deep.equal(["dense", "dense_time"]);
  });

  it("stops where it is told to, and frees its memory", async () => {
    const device = await testDevice();
    const before = device.memory().bytes;
    const controller = new AbortController();
    const stopping = dense(device, { sides: [16, 32], rounds: 1 }, controller.signal, (side) => {
      if (side === 32) controller.abort(new Error("enough"));
    });
    expect((await rejection(stopping)).message).to.equal("enough");
    expect(device.memory().bytes).to.equal(before);
  });
});
