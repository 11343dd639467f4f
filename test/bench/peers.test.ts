/** The parent of `npm run bench:peers`, with runners that need neither a GPU nor the peers' packages. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import protobuf from "protobufjs";
import { coldStart } from "../../bench/peers/cold.js";
import {
  type CompareOptions,
  Comparison,
  type Contestant,
  lossProblem,
  type RowResult,
} from "../../bench/peers/compare.js";
import { installedVersion, installPeers } from "../../bench/peers/install.js";
import { onnxRunner } from "../../bench/peers/onnx.js";
import { RunnerDied, RunnerProcess } from "../../bench/peers/process.js";
import {
  bestPeer,
  ceilingOf,
  FORMAT,
  heading,
  markdown,
  type PeersReport,
  tableOf,
  textLines,
} from "../../bench/peers/report.js";
import { CEILINGS, findWorkload, inputsOf, peerInputs, ROWS, type Row } from "../../bench/peers/workloads.js";
import { node } from "../cli/masa.js";
import type { Script } from "./fake_peer.js";

const FAKE = fileURLToPath(new URL("fake_peer.js", import.meta.url));
const MAIN = fileURLToPath(new URL("../../bench/peers/main.js", import.meta.url));
const ROW: Row = { name: "row", operation: "conv2d", target: "2 ×" };
const OPTIONS: CompareOptions = { rounds: 3, budget: 1000, limit: 60_000 };

function fake(name: string, script: Script = {}, more: Partial<Contestant> = {}): Contestant {
  const role = name === "ours" ? "ours" : "peer";
  return { name, role, webgpu: true, program: { args: [FAKE, JSON.stringify(script)] }, ...more };
}

/** Runs rows of fakes and ends their processes. */
async function compare(contestants: readonly Contestant[], options: Partial<CompareOptions> = {}, rows = [ROW]) {
  const comparison = new Comparison(contestants, { ...OPTIONS, ...options });
  try {
    const results: RowResult[] = [];
    for (const row of rows) results.push(await comparison.row(row));
    return results as [RowResult, ...RowResult[]];
  } finally {
    comparison.close();
  }
}

function reportOf(
  rows: readonly RowResult[],
  contestants: readonly Contestant[],
  more: Partial<PeersReport> = {},
): PeersReport {
  return {
    ...{ format: FORMAT, date: "2026-11-23T00:00:00.000Z", command: "npm run bench:peers", node: "v20.0.0", rounds: 3 },
    machine: { name: "adapter", software: true },
    contestants: contestants.map(({ name, role }) => ({ name, role, version: name === "ours" ? undefined : "1.2.3" })),
    ceiling: 1e12,
    rows,
    ...more,
  };
}

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

describe("bench:peers workloads", () => {
  it("are cases of the bench", () => {
    for (const row of ROWS) expect(findWorkload(row.name).operation, row.name).to.equal(row.operation);
    expect(() => findWorkload("none")).to.throw("there is no workload 'none'");
    expect(CEILINGS).to.have.length(2);
  });

  it("give peers the patches that ours finds in the images", () => {
    const workload = findWorkload("coarse_match dilations 1 [1,64,128,128]");
    const drawn = inputsOf(workload);
    expect(inputsOf(workload).ref?.at(-1), "the same numbers each time").to.equal(drawn.ref?.at(-1));
    const { queries, candidates } = peerInputs(workload, drawn);
    expect([queries?.shape, candidates?.shape]).to.deep.equal([
      [256, 576],
      [16384, 576],
    ]);
    // Query 17 is block (1, 1), centre (12, 12); value 9·c + 4 is channel c at the centre.
    expect(queries?.data[17 * 576 + 9 * 5 + 4]).to.equal(drawn.lr?.[(5 * 128 + 12) * 128 + 12]);
    expect(candidates?.data[300 * 576 + 9 * 63 + 3]).to.equal(drawn.ref?.[(63 * 128 + 2) * 128 + 43]);
    expect([...(candidates?.data.subarray(0, 5) ?? [])]).to.deep.equal([0, 0, 0, 0, drawn.ref?.[0]]);
  });

  it("give peers the first weights of a training step", () => {
    const workload = findWorkload("training step 8 residual blocks [9,64,40,40]");
    const { x, hr, hyper, ...weights } = peerInputs(workload, inputsOf(workload));
    expect([x?.shape, hr?.shape]).to.deep.equal([
      [9, 64, 40, 40],
      [9, 64, 40, 40],
    ]);
    expect(hyper).not.to.equal(undefined);
    expect(Object.keys(weights)).to.have.length(32);
    expect(Object.entries(weights)[2]).to.satisfy(([, { shape }]: [string, { shape: number[] }]) => shape.length === 4);
  });
});

describe("bench:peers install", () => {
  const NPM = process.env.npm_execpath;
  let folder = "";
  const write = (path: string, text: string) => writeFile(join(folder, path), text);
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "masa-peers-"));
    await write("package.json", JSON.stringify({ dependencies: { a: "1.0.0" } }));
    process.env.npm_execpath = join(folder, "npm.cjs");
  });
  afterEach(async () => {
    if (NPM === undefined) delete process.env.npm_execpath;
    else process.env.npm_execpath = NPM;
    await rm(folder, { recursive: true, force: true });
  });

  it("runs npm ci without scripts, once", async () => {
    const installs = `const fs = require("fs");
      fs.mkdirSync("node_modules/a", { recursive: true });
      fs.writeFileSync("node_modules/a/package.json", JSON.stringify({ version: "1.0.0", args: process.argv.slice(2) }));`;
    await write("npm.cjs", installs);
    const said: string[] = [];
    const install = () => installPeers((text) => said.push(text), folder);
    expect(await install()).to.equal(undefined);
    expect(await install()).to.equal(undefined);
    expect(said).to.have.length(1);
    expect(said[0]).to.match(/^installing the peers' packages in bench\/peers/);
    expect(await readFile(join(folder, "node_modules/a/package.json"), "utf8")).to.contain('"ci","--ignore-scripts"');
    expect([installedVersion("a", folder), installedVersion("b", folder)]).to.deep.equal(["1.0.0", undefined]);
  });

  it("tells why npm failed", async () => {
    const install = () => installPeers(() => {}, folder);
    await write("npm.cjs", `console.error("npm error code E404\\nnpm error 404 Not found"); process.exitCode = 1;`);
    expect(await install()).to.equal("not installed, npm ci failed: 404 Not found");
    await write("npm.cjs", "process.exitCode = 7;");
    expect(await install()).to.equal("not installed, npm ci failed: exit code 7");
  });
});

describe("bench:peers ONNX models", () => {
  // The parts of onnx.proto that are looked at, by their field numbers.
  const { root } = protobuf.parse(`syntax = "proto2";
    message Attribute { optional string name = 1; optional int64 i = 3; repeated int64 ints = 8; optional int32 type = 20; }
    message Node { repeated string input = 1; repeated string output = 2; optional string op = 4; repeated Attribute attribute = 5; }
    message Tensor { repeated int64 dims = 1; optional int32 type = 2; optional string name = 8; optional bytes raw = 9; }
    message Info { optional string name = 1; }
    message Graph { repeated Node node = 1; repeated Tensor initializer = 5; repeated Info input = 11; repeated Info output = 12; }
    message Opset { optional int64 version = 2; }
    message Model { optional int64 version = 1; optional Graph graph = 7; repeated Opset opset = 8; }`);

  async function modelOf(name: string) {
    const workload = findWorkload(name);
    const drawn = inputsOf(workload);
    let bytes = new Uint8Array();
    let given: string[] = [];
    const runner = onnxRunner(
      () => ({ name: "CPU", software: true }),
      (model) => {
        [bytes, given] = [new Uint8Array(model.bytes), Object.keys(model.inputs)];
        const nothing = () => Promise.resolve();
        return Promise.resolve({ run: nothing, read: () => Promise.resolve({}), dispose: nothing });
      },
    );
    await runner.prepare(workload, drawn);
    const type = root.lookupType("Model");
    const { version, opset, graph } = type.toObject(type.decode(bytes), { longs: Number });
    return { version, opset, graph, given, drawn };
  }

  it("hold weights, and take images", async () => {
    const { version, opset, graph, given, drawn } = await modelOf("conv2d forward 64-64 [1,64,160,160]");
    expect({ version, opset, given }).to.deep.equal({ version: 8, opset: [{ version: 18 }], given: ["x"] });
    expect(graph.input).to.deep.equal([{ name: "x" }]);
    expect(graph.output).to.deep.equal([{ name: "y" }]);
    expect(graph.node).to.deep.equal([
      {
        ...{ input: ["x", "weight", "bias"], output: ["y"], op: "Conv" },
        attribute: [
          { name: "kernel_shape", ints: [3, 3], type: 7 },
          { name: "pads", ints: [1, 1, 1, 1], type: 7 },
        ],
      },
    ]);
    const [weight, bias] = graph.initializer;
    expect([weight.name, weight.dims, weight.type]).to.deep.equal(["weight", [64, 64, 3, 3], 1]);
    expect(Buffer.compare(weight.raw, new Uint8Array((drawn.weight as Float32Array).buffer))).to.equal(0);
    expect([bias.name, bias.raw.length]).to.deep.equal(["bias", 256]);
  });

  it("hold nothing that no node takes", async () => {
    const { graph, given } = await modelOf("coarse_match dilations 1 [1,64,128,128]");
    expect(given).to.deep.equal(["queries", "candidates"]);
    expect(graph.initializer.map(({ name }: { name: string }) => name)).to.deep.equal(["eps", "last"]);
    expect(graph.output).to.deep.equal([{ name: "index" }, { name: "score" }]);
  });

  it("exist for no gradient", async () => {
    const refused = await modelOf("conv2d dx 64-64 [1,64,160,160]").catch((error: Error) => error.message);
    expect(refused).to.equal("no autodiff");
  });
});

describe("npm run bench:peers", () => {
  it("measures ours alone, and writes JSON and a document", async () => {
    const folder = await mkdtemp(join(tmpdir(), "masa-peers-"));
    try {
      const [json, page] = [join(folder, "peers.json"), join(folder, "peers.md")];
      const args = [
        "--peers",
        "none",
        "--filter",
        "instance_norm",
        "--rounds",
        "1",
        "--json",
        json,
        "--markdown",
        page,
      ];
      const { code, stdout, stderr } = await node([MAIN, ...args]);
      expect(code, stderr).to.equal(0);
      expect(stdout)
        .to.match(/^`npm run bench:peers -- --peers none .*Node v\d/m)
        .and.contain("no peers.");
      expect(stdout).to.match(/^instance_norm forward \[1,64,160,160\] +[\d.]+ · [\d.]+ · [\d.]+ /m);
      const report = JSON.parse(await readFile(json, "utf8")) as PeersReport;
      expect(report).to.include({ format: "masa-webgpu peers 1", rounds: 1 });
      expect(report.ceiling).to.be.above(1e6);
      expect(report.rows[0]?.outcomes.ours?.wall).to.have.length(1);
      expect(await readFile(page, "utf8")).to.contain("| instance_norm forward [1,64,160,160] |");
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  it("explains itself", async () => {
    const { code, stdout } = await node([MAIN, "--help"]);
    expect(code).to.equal(0);
    for (const words of ["--peers", "--markdown", "ort-node", "float64"]) expect(stdout).to.contain(words);
  });

  for (const [args, message] of [
    [["--peers", "torch"], /There are jax-js, tfjs, ort-web, ort-node/],
    [["--filter", "nothing"], /no row's name contains 'nothing'; there are:\nconv2d forward/],
    [["--rounds", "0"], /Give a whole number, 1 or more/],
  ] as const)
    it(`refuses ${args.join(" ")}`, async () => {
      const { code, stdout, stderr } = await node([MAIN, ...args]);
      expect(stderr)
        .to.match(/^bench:peers: /)
        .and.match(message);
      expect({ code, stdout }).to.deep.equal({ code: 2, stdout: "" });
    });
});
