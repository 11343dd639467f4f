/**
 * A traced graph as an ONNX model of standard operators, node by node (operations.ts): what was trained here then runs on
 * ONNX Runtime and whatever else reads ONNX. Shapes are those of the trace.
 */
import type { Graph } from "../graph/trace/graph.js";
import { Constant, GraphError, type Inputs, type Node, Tensor, tensorsOf, Variable } from "../graph/trace/tensor.js";
import type { Shape } from "../kernels/kernel.js";
import { OnnxModel, type ValueType } from "./model.js";
import { type Results, ROWS } from "./operations.js";

/** What becomes an ONNX model. */
export interface OnnxExport {
  readonly graph: Graph;
  /** What the model gives, by name. Its inputs are those of the graph, under their own names. */
  readonly outputs: Readonly<Record<string, Tensor>>;
  /** Values of the variables, by their names: they become part of the model. */
  readonly values: ReadonlyMap<string, Float32Array>;
  /** For people who open the file. */
  readonly description?: string;
  /** For programs that do. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/** The bytes of an .onnx file. Throws `GraphError` for an operation that has no form in ONNX. */
export function onnxBytes({ graph, outputs, values, description = "", metadata }: OnnxExport): Uint8Array {
  const model = new OnnxModel();
  const names = new Map<Tensor, string>();
  for (const tensor of graph.inputs) names.set(tensor, model.input(tensor.name, typeOf(tensor)));
  const nameOf = (tensor: Tensor): string => {
    const name = names.get(tensor) ?? leaf(model, tensor, values);
    names.set(tensor, name);
    return name;
  };
  for (const node of needed(graph, Object.values(outputs))) {
    model.scope = node.scope.replaceAll(" ", "_");
    const results = translate(model, node, nameOf);
    for (const [output, value] of Object.entries(results)) {
      const tensor = node.outputs[output] as Tensor;
      names.set(tensor, value);
      model.declare(value, typeOf(tensor));
    }
  }
  for (const [name, tensor] of Object.entries(outputs)) model.output(name, nameOf(tensor), typeOf(tensor));
  return model.bytes(description, metadata);
}

/** The nodes that `outputs` depend on, in order. */
function needed({ nodes }: Graph, outputs: readonly Tensor[]): Node[] {
  const wanted = new Set(outputs);
  return nodes
    .toReversed()
    .filter(({ inputs, outputs }) => {
      const used = Object.values(outputs).some((tensor) => wanted.has(tensor));
      if (used) for (const tensor of tensorsOf(inputs)) wanted.add(tensor);
      return used;
    })
    .reverse();
}

function translate(model: OnnxModel, node: Node, nameOf: (tensor: Tensor) => string): Results {
  const { name } = node.operation;
  const row = Object.hasOwn(ROWS, name) ? ROWS[name] : undefined;
  if (row === undefined)
    throw new GraphError(
      `operation ${name} (in ${node.scope || "the graph"}) has no form in ONNX`,
      "Build the graph of operations that src/onnx/operations.ts lists, or add a row there",
    );
  if (node.updates.length > 0)
    throw new GraphError(
      `operation ${name} updates ${node.updates[0]?.name}, which an ONNX model cannot`,
      "Export the network as it is when it does not train",
    );
  return row({
    model,
    inputs: forEach(node.inputs, nameOf),
    attributes: node.attributes,
    from: forEach(node.inputs, ({ shape }) => shape),
    to: forEach(node.outputs, ({ shape }) => shape) as Readonly<Record<string, Shape>>,
  });
}

/** A record of tensors and lists of tensors with something else for each tensor. */
function forEach<T>(
  tensors: Inputs,
  map: (tensor: Tensor) => T,
): Readonly<Record<string, T | readonly T[] | undefined>> {
  return Object.fromEntries(
    Object.entries(tensors).map(([name, tensor]) => [name, tensor instanceof Tensor ? map(tensor) : tensor?.map(map)]),
  );
}

/** What no node computes: a variable, a constant. An output that only gradients take has no name either, and no value. */
function leaf(model: OnnxModel, tensor: Tensor, values: OnnxExport["values"]): string {
  const { name, shape } = tensor;
  if (tensor instanceof Constant) {
    const { data } = tensor;
    return model.constant(shape, data instanceof Int32Array ? BigInt64Array.from(data, BigInt) : data);
  }
  const data = tensor instanceof Variable ? values.get(name) : undefined;
  if (!data || data.length !== tensor.size)
    throw new GraphError(
      `tensor ${name} [${shape}] has no value for the ONNX model`,
      "Give the values of all variables",
    );
  return model.weight(name, shape, data);
}

/** Indices have 64 bits in ONNX. */
function typeOf({ name, shape, dtype }: Tensor): ValueType {
  if (dtype === "u32") throw new GraphError(`tensor ${name} is u32, which no ONNX operator here takes`, "Use i32");
  return { shape, type: dtype === "i32" ? "i64" : "f32" };
}
