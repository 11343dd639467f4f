/** ONNX models of one workload each, as protobuf: what ONNX Runtime is given. Field numbers are those of onnx.proto. */
import { type Machine, type Prepare, type Prepared, peerRunner, type Runner } from "./serve.js";
import type { Operation, Values } from "./workloads.js";

const IR_VERSION = 8;
const OPSET = 18;
// TensorProto.DataType
const FLOAT = 1;
const INT = 6;
const INT64 = 7;
// AttributeProto.AttributeType
const ATTRIBUTE_INT = 2;
const ATTRIBUTE_INTS = 7;

interface Node {
  readonly op: string;
  readonly input: readonly string[];
  readonly output: string;
  readonly attributes?: Readonly<Record<string, number | readonly number[]>>;
}

interface Model {
  readonly nodes: readonly Node[];
  /** Inputs that are part of the model, as trained weights are. */
  readonly constants?: readonly string[];
  readonly outputs: readonly string[];
}

/** Rows divided by max(their norm, 10⁻¹²). */
const unit = (name: string): Node[] => [
  { op: "ReduceL2", input: [name, "last"], output: `${name} norm`, attributes: { keepdims: 1 } },
  { op: "Max", input: [`${name} norm`, "eps"], output: `${name} size` },
  { op: "Div", input: [name, `${name} size`], output: `${name} unit` },
];

const WINDOW = { kernel_shape: [3, 3], pads: [1, 1, 1, 1] };
/** What ONNX Runtime can do of the workloads; it has no gradients. */
const MODELS: Readonly<Partial<Record<Operation, Model>>> = {
  conv2d: {
    nodes: [{ op: "Conv", input: ["x", "weight", "bias"], output: "y", attributes: WINDOW }],
    constants: ["weight", "bias"],
    outputs: ["y"],
  },
  conv_transpose2d: {
    nodes: [
      {
        op: "ConvTranspose",
        input: ["x", "weight", "bias"],
        output: "y",
        attributes: { ...WINDOW, strides: [2, 2], output_padding: [1, 1] },
      },
    ],
    constants: ["weight", "bias"],
    outputs: ["y"],
  },
  match: {
    nodes: [
      ...unit("queries"),
      ...unit("candidates"),
      { op: "Transpose", input: ["candidates unit"], output: "transposed", attributes: { perm: [1, 0] } },
      { op: "MatMul", input: ["queries unit", "transposed"], output: "scores" },
      { op: "ArgMax", input: ["scores"], output: "long index", attributes: { axis: 1, keepdims: 0 } },
      { op: "Cast", input: ["long index"], output: "index", attributes: { to: INT } },
      { op: "ReduceMax", input: ["scores", "last"], output: "score", attributes: { keepdims: 0 } },
    ],
    outputs: ["index", "score"],
  },
  instance_norm: {
    nodes: [{ op: "InstanceNormalization", input: ["x", "one", "zero"], output: "y" }],
    outputs: ["y"],
  },
  matmul: { nodes: [{ op: "MatMul", input: ["a", "b"], output: "y" }], outputs: ["y"] },
};

/** A runner of ONNX Runtime; `open` makes a session of a model ready for its inputs. */
export function onnxRunner(adapter: () => Machine, open: (model: OnnxModel) => Promise<Prepared>): Runner {
  const operations = Object.entries(MODELS).map(([operation, model]) => {
    const prepare: Prepare = (values) => open(build(model, values));
    return [operation, prepare];
  });
  return peerRunner(adapter, Object.fromEntries(operations));
}

interface OnnxModel {
  readonly bytes: Uint8Array;
  /** What a run takes; the constants are part of the model. */
  readonly inputs: Readonly<Record<string, Values>>;
}

function build({ nodes, outputs, constants = [] }: Model, values: Readonly<Record<string, Values>>): OnnxModel {
  const inputs = Object.fromEntries(Object.entries(values).filter(([name]) => !constants.includes(name)));
  const C = values.x?.shape[1] ?? 1;
  const initializers = [
    ...constants.map((name) => tensor(name, FLOAT, values[name]!.shape, values[name]!.data)),
    tensor("eps", FLOAT, [], Float32Array.of(1e-12)),
    tensor("one", FLOAT, [C], new Float32Array(C).fill(1)),
    tensor("zero", FLOAT, [C], new Float32Array(C)),
    tensor("last", INT64, [1], BigInt64Array.of(1n)),
  ];
  const used = ({ name }: { name: string }) => nodes.some(({ input }) => input.includes(name));
  const graph = message({
    1: nodes.map(nodeProto),
    2: "workload",
    5: initializers.filter(used).map(({ proto }) => proto),
    11: Object.entries(inputs).map(([name, { shape }]) => valueInfo(name, FLOAT, shape)),
    12: outputs.map((name) => valueInfo(name, name === "index" ? INT : FLOAT)),
  });
  return { bytes: message({ 1: IR_VERSION, 7: graph, 8: message({ 2: OPSET }) }), inputs };
}

function nodeProto({ op, input, output, attributes = {} }: Node): Uint8Array {
  const attribute = ([name, value]: [string, number | readonly number[]]) =>
    message(
      typeof value === "number" ? { 1: name, 3: value, 20: ATTRIBUTE_INT } : { 1: name, 8: value, 20: ATTRIBUTE_INTS },
    );
  return message({ 1: input, 2: output, 4: op, 5: Object.entries(attributes).map(attribute) });
}

function tensor(name: string, type: number, shape: readonly number[], data: Float32Array | BigInt64Array) {
  const raw = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return { name, proto: message({ 1: shape, 2: type, 8: name, 9: raw }) };
}

function valueInfo(name: string, type: number, shape?: readonly number[]): Uint8Array {
  const sides = shape && message({ 1: shape.map((side) => message({ 1: side })) });
  return message({ 1: name, 2: message({ 1: message({ 1: type, ...(sides && { 2: sides }) }) }) });
}

type Field = number | string | Uint8Array;

/** A protobuf message by field numbers; arrays are repeated fields. Numbers are varints, all else follows its length. */
function message(fields: Readonly<Record<number, Field | readonly Field[]>>): Uint8Array {
  const parts = Object.entries(fields).flatMap(([key, values]) => {
    const all = Array.isArray(values) ? (values as readonly Field[]) : [values as Field];
    return all.flatMap((value) => {
      if (typeof value === "number") return [varint(Number(key) << 3), varint(value)];
      const bytes = typeof value === "string" ? Buffer.from(value) : value;
      return [varint((Number(key) << 3) | 2), varint(bytes.length), bytes];
    });
  });
  return new Uint8Array(Buffer.concat(parts));
}

function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 0x7f; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80);
  return Uint8Array.from([...bytes, rest]);
}
