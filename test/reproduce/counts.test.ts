/** What is counted without running anything. */
import { expect } from "chai";
import { fig5 } from "../../src/reproduce/fig5.js";
import { table2 } from "../../src/reproduce/table2.js";
import { testDevice } from "../device.js";

describe("table 2", () => {
  it("has the paper's numbers, to the digit of the official counter", async () => {
    const { tables, data } = table2(await testDevice());
    expect(tables[0]?.rows.slice(0, 3)).to.deep.equal([
      ["parameters", "4.03 M", "4.028291 M"],
      ["multiply-adds", "367.93 G", "367.929980772 G"],
      ["of these the matching's", "8.84 G", "8.842641408 G"],
    ]);
    const { honest, executed } = data as {
      honest: { total: number; fine: number; convTranspose2d: number };
      executed: Record<"fused" | "unfused", Record<"dispatches" | "flops" | "executed" | "bytes", number>>;
    };
    // 24.16 G by the official rule, a quarter of it really.
    expect(honest.convTranspose2d).to.equal(6_039_797_760);
    for (const path of ["fused", "unfused"] as const) expect(executed[path].flops, path).to.equal(2 * honest.total);
    expect(executed.fused.executed).to.be.below(executed.fused.flops);
    // The convolutions' inputs and their repacking weigh on both; what is unfolded weighs on the reference alone.
    expect(executed.unfused.bytes - executed.fused.bytes).to.be.above(10e9);
    // At the least every parameter is read, and the reference and the result pass by once.
    expect(executed.fused.bytes).to.be.above(4 * (4_028_291 + 2 * 3 * 512 * 512));
  });
});

describe("figure 5", () => {
  it("counts the matching for each setting, the official one among them", async () => {
    type Sweep = { key: string; settings: { value: number | string; cost: { coarse: number; fine: number } }[] };
    const sweeps = (await fig5(await testDevice())).data as Sweep[];
    const found = (key: string, value: number | string) =>
      sweeps.find((sweep) => sweep.key === key)?.settings.find((setting) => setting.value === value)?.cost;
    for (const [key, official] of [
      ["blockSize", 8],
      ["refBlockScale", 1.5],
      ["dilations", "1, 2, 3"],
    ] as const)
      expect(found(key, official), key).to.include({ coarse: 7_247_757_312, fine: 1_594_884_096 });
    // A quarter of the blocks; a window of 2·12 + 1 candidates a side; a third of the dilations.
    expect(found("blockSize", 16)?.coarse).to.equal(7_247_757_312 / 4);
    expect(found("blockSize", 16)?.fine).to.equal(128 ** 2 * 25 ** 2 * 9 * 64);
    expect(found("dilations", "1")?.coarse).to.equal(7_247_757_312 / 3);
  });
});
