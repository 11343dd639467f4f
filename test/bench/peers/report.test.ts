import { expect } from "chai";
import type { RowResult } from "../../../bench/peers/compare.js";
import { bestPeer, ceilingOf, heading, markdown, tableOf, textLines } from "../../../bench/peers/report.js";

import { fake, ROW, reportOf } from "./fakes.js";

describe("bench:peers report", () => {
  const contestants = [fake("ours"), fake("quick"), fake("slow"), fake("cpu", {}, { role: "shown", webgpu: false })];
  const outcome = (...wall: number[]) => ({ wall, cpu: wall.map((time) => 3 * time), loss: [] });
  const failed = (failure: string) => ({ ...outcome(), failure });
  const row: RowResult = {
    ...ROW,
    flops: 2e9,
    outcomes: {
      ours: outcome(10, 20, 10),
      quick: outcome(30, 50, 20),
      slow: { ...outcome(60, 60, 60), cpu: [30, 30, 30] },
      cpu: outcome(1, 1, 1),
    },
  };
  const long = "died (SIGKILL): out of memory";
  const lame: RowResult = {
    ...{ name: "norm", operation: "instance_norm", flops: 1e6 },
    outcomes: { ours: outcome(1), quick: failed("no autodiff"), slow: failed(long), cpu: failed(long) },
  };

  it("compares the fastest WebGPU peer with ours, round by round", () => {
    const report = reportOf([row, lame], contestants);
    expect(bestPeer(report, row, "wall")).to.deep.include({ name: "quick" });
    expect(bestPeer(report, row, "wall")?.times).to.include({ ratio: 2.5, low: 2, high: 3 });
    expect(bestPeer(report, row, "cpu")).to.deep.include({ name: "slow" });
    expect(bestPeer(report, row, "cpu")?.times).to.include({ ratio: 1, low: 0.5, high: 1 });
    expect(bestPeer(report, lame, "wall")).to.equal(undefined);
  });

  it("puts times, rates, ratios and reasons into a table", () => {
    const { titles, rows, notes } = tableOf(reportOf([row, lame], contestants));
    expect(titles).to.deep.equal([
      "work",
      "ours",
      "quick",
      "slow",
      "cpu",
      "best peer ÷ ours",
      "by CPU time",
      "ceiling",
      "target",
    ]);
    expect(rows[0]).to.deep.equal([
      "row",
      "10.0 · 200 · 30.0",
      "30.0 · 66.7 · 90.0",
      "60.0 · 33.3 · 30.0",
      "1.00 · 2000 · 3.00",
      "quick 2.50 (2.00–3.00)",
      "slow 1.00 (0.500–1.00)",
      "20 %",
      "2 ×",
    ]);
    expect(rows[1]).to.deep.equal([
      "norm",
      "1.00 · 1.00 · 3.00",
      "no autodiff",
      "failed 1)",
      "failed 2)",
      "–",
      "–",
      "–",
      "–",
    ]);
    expect(notes).to.deep.equal([`1) slow: ${long}`, `2) cpu: ${long}`]);
  });

  it("says how far ours has come from the naive kernel", () => {
    const both = { ...row, outcomes: { ours: outcome(10, 20), naive: outcome(100, 300) } };
    const { rows } = tableOf(reportOf([both], [fake("ours"), fake("naive", {}, { role: "shown" })]));
    expect(rows[0]?.slice(1, 4)).to.deep.equal(["15.0 · 133 · 45.0", "200 · 10.0 · 600 (12.5 ×)", "–"]);
  });

  it("leaves CPU time out where a GPU computes", () => {
    const hardware = reportOf([row], contestants, { machine: { name: "GPU", software: false } });
    const { titles, rows } = tableOf(hardware);
    expect(titles).not.to.contain("by CPU time");
    expect(rows[0]).to.have.length(titles.length);
    expect(heading(hardware)[0]).to.contain("· GPU · 2026-11-23 ·").and.not.contain("software");
  });

  it("writes the same for a document", () => {
    const cold = { ...ROW, name: "cold", target: "3 s", wall: [2000, 4000], cpu: [1, 2] };
    const report = reportOf([row, lame], contestants, { cold });
    const lines = markdown(report).split("\n");
    expect(lines[0]).to.match(
      /^`npm run bench:peers` · adapter, in software on \d+ cores · 2026-11-23 · Node v20.0.0 · rounds: 3,/,
    );
    expect(lines[1]).to.contain("quick 1.2.3, slow 1.2.3, cpu 1.2.3.");
    const cells = (line = "") => line.split(" | ").length;
    expect(lines[3]).to.match(/^\| work \| ours \|/);
    for (const line of lines.slice(4, 8)) expect(cells(line), line).to.equal(cells(lines[3]));
    expect(lines[7]).to.match(/^\| cold \| 3000 · – · 1.50 \|.* 3 s \|$/);
    expect(lines.slice(8)).to.deep.equal(["", `1) slow: ${long}`, `2) cpu: ${long}`, ""]);
    expect(textLines(report).join("\n"))
      .to.match(/^work +ours/m)
      .and.contain(`2) cpu: ${long}`);
  });

  it("takes the best round of the ceilings", () => {
    const ceiling = (...wall: number[]): RowResult => ({ ...row, flops: 1e9, outcomes: { ours: outcome(...wall) } });
    expect(ceilingOf([ceiling(10, 5), ceiling(8)])).to.equal(2e11);
    expect(ceilingOf([ceiling()])).to.equal(undefined);
  });
});
