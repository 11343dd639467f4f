/** What the peers are given, and how they come here. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import protobuf from "protobufjs";
import { installedVersion, installPeers } from "../../../bench/peers/install.js";
import { onnxRunner } from "../../../bench/peers/onnx.js";
import { CEILINGS, findWorkload, inputsOf, peerInputs, ROWS } from "../../../bench/peers/workloads.js";

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

  it("give peers the initial weights of a training step", () => {
    const workload = findWorkload("training step 8 residual blocks [9,64,40,40]");
    const { x, hr, ...weights } = peerInputs(workload, inputsOf(workload));
    expect([x?.shape, hr?.shape]).to.deep.equal([
      [9, 64, 40, 40],
      [9, 64, 40, 40],
    ]);
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
    const [conv, identity, ...more] = graph.node;
    expect(more).to.deep.equal([]);
    expect(identity).to.deep.equal({ input: conv.output, output: ["y"], op: "Identity" });
    expect([{ ...conv, output: [] }]).to.deep.equal([
      {
        ...{ input: ["x", "weight", "bias"], output: [], op: "Conv" },
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
    expect(graph.initializer).to.have.length(2);
    expect(graph.output).to.deep.equal([{ name: "index" }, { name: "score" }]);
  });

  it("exist for no gradient", async () => {
    const refused = await modelOf("conv2d dx 64-64 [1,64,160,160]").catch((error: Error) => error.message);
    expect(refused).to.equal("no autodiff");
  });
});
