import { expect } from "chai";
import { pipelinesOf, startCold } from "../../bench/cold.js";
import { officialTraining } from "../../bench/memory.js";
import { add, scale } from "../../src/graph/ops/pointwise.js";
import { plan } from "../../src/graph/plan/plan.js";
import { testDevice } from "../device.js";

describe("bench of the cold start", () => {
  it("times each pipeline once, and leaves no memory behind", async () => {
    const device = await testDevice();
    const planned = plan(device, { x: [4] }, ({ x }) => ({ y: add(scale(scale(x, 2), 3), x) }));
    const parts = pipelinesOf([planned]);
    expect(parts.map(({ spec, count }) => [spec.constants.OP, count])).to.deep.equal([
      ["SCALE", 2],
      ["ADD", 1],
    ]);
    const before = device.memory().bytes;
    const { created, first } = await startCold(device, parts);
    expect(created.wall).to.be.above(0);
    expect(first.map(({ spec }) => spec)).to.deep.equal(parts.map(({ spec }) => spec));
    for (const { wall, cpu } of first) expect(Math.min(wall, cpu)).to.be.above(0);
    expect(device.memory().bytes).to.equal(before);
  });

  // Losses are small numbers: what is pointwise has a scalar pipeline beside that of vectors, milliseconds each.
  it("finds few pipelines in the official training step", async () => {
    const device = await testDevice();
    expect(pipelinesOf(officialTraining(device, { preset: "masa-rec" }).plans)).to.have.length.within(30, 80);
    expect(pipelinesOf(officialTraining(device, { preset: "masa" }).plans)).to.have.length.within(50, 105);
  });
});
