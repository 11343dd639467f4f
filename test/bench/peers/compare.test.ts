/** The rounds of `npm run bench:peers`. */
import { expect } from "chai";
import { coldStart } from "../../../bench/peers/cold.js";
import { lossProblem } from "../../../bench/peers/compare.js";
import { RunnerDied, RunnerProcess } from "../../../bench/peers/process.js";
import type { Row } from "../../../bench/peers/workloads.js";
import type { Script } from "./fake_peer.js";

import { compare, fake, OPTIONS, ROW } from "./fakes.js";

describe("bench:peers comparison", () => {
  it("runs a row once without the clock, then in rounds, each of its contestants", async () => {
    const steps: string[] = [];
    const shown = fake("shown", {}, { takes: ({ naive }) => naive === true });
    const contestants = [fake("ours", { row: { wall: [99, 10, 11, 12] } }), fake("peer"), shown];
    const [row] = await compare(contestants, { onStep: (step) => steps.push(step) });
    expect(row).to.include({ name: "row", target: "2 ×", flops: 2e9 });
    expect(row.outcomes).to.have.all.keys("ours", "peer");
    expect(row.outcomes.ours).to.deep.equal({ wall: [10, 11, 12], cpu: [20, 22, 24], loss: [] });
    // Each goes first in turn.
    expect(steps.filter((step) => step.includes("round")).map((step) => step.split(", ")[1])).to.deep.equal([
      "ours",
      "peer",
      "peer",
      "ours",
      "ours",
      "peer",
    ]);
  });

  it("says why a peer cannot, and goes on with the rest", async () => {
    const script: Script = {
      row: { failure: "no autodiff" },
      wrong: { error: 3.5 },
      "not a number": { error: Number.NaN },
      elsewhere: { adapter: "another" },
    };
    const rows = [...Object.keys(script), "right"].map((name): Row => ({ ...ROW, name }));
    const missing = fake("missing", {}, { missing: "not installed" });
    const results = await compare([fake("ours"), fake("peer", script), missing], {}, rows);
    expect(results.map(({ outcomes }) => outcomes.peer?.failure)).to.deep.equal([
      "no autodiff",
      "wrong results: the largest error is 3.5 times its bound",
      "wrong results: the largest error is null times its bound",
      "runs on another, ours on adapter",
      undefined,
    ]);
    for (const { outcomes } of results) {
      expect(outcomes.ours?.wall).to.have.length(3);
      expect(outcomes.missing).to.deep.equal({ wall: [], cpu: [], loss: [], failure: "not installed" });
      expect(outcomes.peer?.wall).to.have.length(outcomes.peer?.failure ? 0 : 3);
    }
  });

  it("lets what is no WebGPU peer run elsewhere", async () => {
    const elsewhere = { row: { adapter: "CPU" } };
    const [{ outcomes }] = await compare([fake("ours"), fake("cpu", elsewhere, { role: "shown", webgpu: false })]);
    expect(outcomes.cpu?.wall).to.have.length(3);
  });

  it("tells how a runner died, and starts it again for the next row", async () => {
    const rows = ["prepare", "run", "alive"].map((name): Row => ({ ...ROW, name }));
    const peer = fake("peer", { prepare: { dies: "prepare" }, run: { dies: "run" } });
    const results = await compare([fake("ours"), peer], {}, rows);
    const failures = results.map(({ outcomes }) => outcomes.peer?.failure);
    expect(failures).to.deep.equal([...Array(2).fill("died (exit code 3): Error: the driver is gone"), undefined]);
  });

  it("gives up a runner that does not answer", async () => {
    const runner = new RunnerProcess(fake("peer", { row: { hangs: true } }).program);
    await runner.ask({ prepare: "row" }, OPTIONS.limit);
    const late = await runner.ask({ run: true }, 200).catch((error: Error) => error);
    expect(late).to.be.instanceOf(RunnerDied).and.have.property("message", "no answer within 0.2 s");
  });

  it("takes fewer rounds of what takes long, but two", async () => {
    const peers = [fake("ours"), fake("slow", { row: { wall: [9000] } }), fake("slower", { row: { wall: [300] } })];
    const [{ outcomes }] = await compare(peers, { rounds: 5 });
    expect(outcomes.slow?.wall).to.have.length(2);
    expect(outcomes.slower?.wall).to.have.length(3);
    expect(outcomes.ours?.wall).to.have.length(5);
  });

  it("stops when it is told to", async () => {
    const signal = AbortSignal.abort(new Error("enough"));
    const stopped = compare([fake("ours")], { signal }).catch((error: Error) => error.message);
    expect(await stopped).to.equal("enough");
  });

  it("holds losses of training steps against ours", async () => {
    const ours = [0.6657, 0.6653, 0.6649];
    const training = (loss: readonly number[]): Script => ({ row: { loss } });
    const peers = [
      fake("ours", training(ours)),
      fake("right", training(ours.map((loss) => loss + 2e-6))),
      fake("still", training([0.6657])),
    ];
    const [{ outcomes }] = await compare(peers, { rounds: 2 });
    expect(outcomes.right?.failure).to.equal(undefined);
    expect(outcomes.still?.failure).to.equal("wrong results: loss 0.6657 after 1 steps, ours 0.6653");
    expect(outcomes.still?.wall).to.deep.equal([]);
    expect(lossProblem(ours, [0.7657, 0.7653]), "another start").to.match(/after 0 steps/);
    expect(lossProblem(ours, [0.6657, 0.6653, 0.66494]), "5 % off what it falls by").to.match(/after 2 steps/);
    expect(lossProblem(ours, [0.6657, Number.NaN])).to.match(/wrong results: loss NaN/);
    expect(lossProblem(ours, [0.6657, 0.6653, 0.6649, 0.1]), "nothing to hold it against").to.equal(undefined);
  });
});

describe("bench:peers cold start", () => {
  const program = (script: Script) => fake("ours", script).program;

  it("is the first run of a new process, each time", async () => {
    const found = await coldStart(program({ row: { wall: [500, 100] } }), ROW, 2, OPTIONS);
    expect(found).to.deep.equal({ ...ROW, wall: [500, 500], cpu: [1000, 1000] });
  });

  it("tells what went wrong", async () => {
    const { wall, failure } = await coldStart(program({ row: { dies: "run" } }), ROW, 2, OPTIONS);
    expect(wall).to.deep.equal([]);
    expect(failure).to.equal("died (exit code 3): Error: the driver is gone");
  });
});
