import { expect } from "chai";
import { Plan } from "../../src/graph/plan/plan.js";
import { input, trace } from "../../src/graph/trace/graph.js";
import { countFlops } from "../../src/masa/flops.js";
import { Masa } from "../../src/masa/masa.js";
import { testDevice } from "../device.js";

describe("countFlops", () => {
  const { conv2d, convTranspose2d, coarse, fine, elementwise, unused, total } = countFlops([128, 128], [128, 128]);

  it("gives the paper's table 2 to the digit", () => {
    expect(total).to.equal(367_929_980_772);
    expect(coarse + fine).to.equal(8_842_641_408);
  });

  it("adds up, without what the official counter leaves out", () => {
    const elements = Object.values(elementwise).reduce((sum, part) => sum + part, 0);
    expect(conv2d + convTranspose2d.official + coarse + fine + elements).to.equal(total);
    expect(convTranspose2d.official).to.equal(4 * convTranspose2d.exact);
    expect(unused).to.equal(1_698_693_120);
  });

  it("multiplies with the images, but for what the reference alone costs", () => {
    // Twice the LR height: twice the blocks, of which each compares with the same reference.
    const taller = countFlops([256, 128], [128, 128]);
    expect(taller.coarse).to.equal(2 * coarse);
    expect(taller.convTranspose2d.exact).to.equal(2 * convTranspose2d.exact);
    // Level 1: one convolution of 3 channels and eight of 64 a pixel; levels 2 and 3: nine of 64 each.
    const products = 9 * 64;
    const level1 = (pixels: number) => pixels * products * (3 + 8 * 64);
    const others = (pixels: number) => (pixels / 4 + pixels / 16) * products * 9 * 64;
    const references = level1(128 ** 2) + level1(512 ** 2) + others(512 ** 2);
    expect(taller.conv2d - conv2d).to.equal(conv2d - references);
  });

  it("agrees with what the kernels say that they compute", async () => {
    const [lr, refDown] = [
      [16, 24],
      [24, 16],
    ] as const;
    const changes = { channels: 32, encoderBlocks: [1, 1, 1], decoderBlocks: [1, 0, 1, 1, 1, 1] } as const;
    const masa = new Masa(changes);
    const { graph, result } = trace(() => ({
      sr: masa.forward({
        lr: input("lr", [2, 3, ...lr]),
        ref: input("ref", [2, 3, 96, 64]),
        refDown: input("refDown", [2, 3, ...refDown]),
      }).sr,
    }));
    const { dispatches } = new Plan(await testDevice(), graph, result);
    const declared = dispatches.reduce((sum, { flops = 0 }) => sum + flops, 0);
    const { conv2d, convTranspose2d, coarse, fine } = countFlops(lr, refDown, changes);
    expect(declared).to.equal(2 * 2 * (conv2d + convTranspose2d.exact + coarse + fine));
  });
});
