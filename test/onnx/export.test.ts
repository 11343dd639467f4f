import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import protobuf from "protobufjs";
import { ShapeError } from "../../src/gpu/errors.js";
import { batchNorm } from "../../src/graph/ops/batch_norm.js";
import { coarseMatch } from "../../src/graph/ops/coarse_match.js";
import { add, mul, relu } from "../../src/graph/ops/pointwise.js";
import { scope } from "../../src/graph/trace/graph.js";
import { ones, Parameters } from "../../src/graph/trace/parameters.js";
import { GraphError } from "../../src/graph/trace/tensor.js";
import { exportOnnx } from "../../src/models/export.js";
import { readNetwork, SHIPPED_WEIGHTS } from "../../src/models/load.js";
import { ROWS } from "../../src/onnx/operations.js";
import { failure, inFolder } from "../files/golden.js";
import { CASES, modelOf, type Tensors } from "./cases.js";

// The messages of onnx.proto, as far as models need them.
const { root } = protobuf.parse(`syntax = "proto2";
  message AttributeProto {
    optional string name = 1; optional float f = 2; optional int64 i = 3; optional string s = 4;
    repeated int64 ints = 8; optional int32 type = 20;
  }
  message Dimension { optional int64 dim_value = 1; }
  message TensorShapeProto { repeated Dimension dim = 1; }
  message TensorType { optional int32 elem_type = 1; optional TensorShapeProto shape = 2; }
  message TypeProto { optional TensorType tensor_type = 1; }
  message ValueInfoProto { optional string name = 1; optional TypeProto type = 2; }
  message NodeProto {
    repeated string input = 1; repeated string output = 2; optional string name = 3; optional string op_type = 4;
    repeated AttributeProto attribute = 5;
  }
  message TensorProto { repeated int64 dims = 1; optional int32 data_type = 2; optional string name = 8; optional bytes raw_data = 9; }
  message GraphProto {
    repeated NodeProto node = 1; optional string name = 2; repeated TensorProto initializer = 5;
    repeated ValueInfoProto input = 11; repeated ValueInfoProto output = 12; repeated ValueInfoProto value_info = 13;
  }
  message OperatorSetIdProto { optional string domain = 1; optional int64 version = 2; }
  message StringStringEntryProto { optional string key = 1; optional string value = 2; }
  message ModelProto {
    optional int64 ir_version = 1; optional string producer_name = 2; optional string doc_string = 6;
    optional GraphProto graph = 7; repeated OperatorSetIdProto opset_import = 8; repeated StringStringEntryProto metadata_props = 14;
  }`);
const Model = root.lookupType("ModelProto");

interface ValueInfo {
  readonly name: string;
  readonly type: { tensorType: { elemType: number; shape: { dim: { dimValue: number }[] } } };
}

interface ModelFields {
  readonly irVersion: number;
  readonly docString: string;
  readonly opsetImport: { version: number }[];
  readonly metadataProps: { key: string; value: string }[];
  readonly graph: {
    readonly node: { input: string[]; output: string[]; opType: string; attribute: { name: string; type: number }[] }[];
    readonly initializer: { name: string; dims: number[]; dataType: number; rawData: Buffer }[];
    readonly input: ValueInfo[];
    readonly output: ValueInfo[];
    readonly valueInfo: ValueInfo[];
  };
}

const FLOAT = 1;
const INT64 = 7;

/** Reads a model and checks what every one must hold: each value has one name and is there before it is taken. */
function parse(bytes: Uint8Array): ModelFields {
  const model = Model.toObject(Model.decode(bytes), { longs: Number, arrays: true }) as ModelFields;
  expect(model).to.include({ irVersion: 8 });
  expect(model.opsetImport).to.deep.equal([{ version: 18 }]);
  const { node, initializer, input, output, valueInfo } = model.graph;
  const defined = new Set(["", ...input.map(({ name }) => name)]);
  const define = (name: string) => {
    expect(defined.has(name), name).to.equal(false);
    defined.add(name);
  };
  for (const { name, dims, dataType, rawData } of initializer) {
    define(name);
    const bytesOfOne = { [FLOAT]: 4, [INT64]: 8 }[dataType] as number;
    expect(rawData.length, name).to.equal(dims.reduce((size, side) => size * side, bytesOfOne));
  }
  const used = new Set(output.map(({ name }) => name));
  for (const { input, output } of node) {
    for (const name of input) expect(defined.has(name), name).to.equal(true);
    for (const name of input) used.add(name);
    for (const name of output) define(name);
  }
  for (const { name } of [...output, ...valueInfo]) expect(defined.has(name), name).to.equal(true);
  for (const { output } of node) expect(used.has(output[0]!), output[0]).to.equal(true);
  for (const { name } of initializer) expect(used.has(name), name).to.equal(true);
  return model;
}

const typeOf = ({ type: { tensorType } }: ValueInfo) => ({
  type: tensorType.elemType,
  shape: tensorType.shape.dim.map(({ dimValue }) => dimValue),
});
const operators = ({ graph }: ModelFields) => graph.node.map(({ opType }) => opType);
const one = (inputs: Readonly<Record<string, readonly number[]>>, build: (inputs: Tensors) => Tensors) =>
  parse(modelOf({ inputs, build }).bytes);

describe("onnx", () => {
  for (const [name, onnxCase] of Object.entries(CASES)) {
    it(`${name}: a model whose outputs are those of the graph`, () => {
      const { outputs, bytes } = modelOf(onnxCase);
      const { output, input } = parse(bytes).graph;
      expect(input.map(({ name }) => name)).to.deep.equal(Object.keys(onnxCase.inputs));
      expect(Object.fromEntries(output.map((info) => [info.name, typeOf(info)]))).to.deep.equal(
        Object.fromEntries(
          Object.entries(outputs).map(([key, { shape, dtype }]) => [
            key,
            { type: dtype === "i32" ? INT64 : FLOAT, shape: [...shape] },
          ]),
        ),
      );
    });
  }

  it("has a case for each row of its table", () => {
    const recorded = Object.values(CASES).flatMap((one) =>
      modelOf(one).graph.nodes.map(({ operation }) => operation.name),
    );
    expect(new Set(recorded)).to.deep.equal(new Set(Object.keys(ROWS)));
  });

  it("leaves out what no output depends on, and computes what is equal once", () => {
    const model = one({ x: [2, 3] }, ({ x }) => {
      mul(x!, x!);
      return { y: add(relu(x!), relu(x!)), z: x! };
    });
    expect(operators(model)).to.deep.equal(["Relu", "Add", "Identity", "Identity"]);
  });

  it("names an operation that has no form in ONNX, and where it is", () => {
    const shapes = { lr: [1, 2, 8, 8], ref: [1, 2, 8, 8] };
    expect(() =>
      one(shapes, ({ lr, ref }) =>
        scope("coarse", () => ({ ...coarseMatch(lr!, ref!, { blocks: [1, 1], dilations: [1] }) })),
      ),
    ).to.throw(GraphError, "operation coarse_match (in coarse) has no form in ONNX");
  });

  it("refuses to update a variable, variables without a value, and names that are taken", () => {
    const parameters = new Parameters();
    const [a, b, mean, variance] = ["a", "b", "c", "d"].map((name) => parameters.declare(name, [3], ones));
    const build =
      (training: boolean) =>
      ({ x }: Tensors) => ({ y: batchNorm(x!, a!, b!, mean!, variance!, { training }) });
    const inputs = { x: [1, 3, 2, 2] };
    expect(() => modelOf({ inputs, parameters, build: build(true) })).to.throw(GraphError, "batch_norm updates c");
    expect(() => modelOf({ inputs, build: build(false) })).to.throw(GraphError, "tensor a [3] has no value");
    expect(() => modelOf({ inputs, parameters, build: build(false) })).not.to.throw();
    expect(() => one(inputs, ({ x }) => ({ x: relu(x!) }))).to.throw(
      GraphError,
      "two values of the ONNX model are called x",
    );
  });

  it("holds the whole network with its weights and its configuration", () =>
    inFolder(async (folder) => {
      const path = join(folder, "masa.onnx");
      const { masa, values } = await readNetwork(SHIPPED_WEIGHTS);
      expect(await exportOnnx(SHIPPED_WEIGHTS, path, { lr: [16, 24], ref: [64, 48] })).to.equal(masa.parameters.count);
      const model = parse(await readFile(path));
      expect(model.graph.input.map((info) => [info.name, ...typeOf(info).shape])).to.deep.equal([
        ["lr", 1, 3, 16, 24],
        ["ref", 1, 3, 64, 48],
        ["refDown", 1, 3, 16, 12],
      ]);
      expect(model.graph.output.map((info) => [info.name, ...typeOf(info).shape])).to.deep.equal([
        ["sr", 1, 3, 64, 96],
      ]);
      const held = new Map(model.graph.initializer.map(({ name, rawData }) => [name, rawData]));
      for (const [name, { buffer, byteOffset, byteLength }] of values)
        expect(held.get(name)?.equals(new Uint8Array(buffer, byteOffset, byteLength)), name).to.equal(true);
      expect(model.docString).to.match(/BGR/);
      expect(JSON.parse(model.metadataProps[0]!.value)).to.deep.equal(masa.config);
      const write = (lr: [number, number], ref: [number, number]) => () =>
        exportOnnx(SHIPPED_WEIGHTS, path, { lr, ref });
      await failure(write([16, 24], [64, 46]), ShapeError, /ref is 64×46\. Give multiples of 4/);
      await failure(write([16, 26], [64, 64]), ShapeError, /width 26.*Pad it to 32/);
    }));
});
