/**
 * The graph that operations are recorded into.
 *
 * `trace` runs a function that builds a network with ordinary calls; every operation appends a node. Nodes run in the
 * order they were recorded, so an in-place update (Adam, running statistics) is seen by what is recorded after it and
 * not by what came before, as in an eager framework.
 */
import type { FloatStorage, Shape } from "../../kernels/kernel.js";
import { castOperation } from "../ops/cast.js";
import {
  type AnyOperation,
  Constant,
  type Data,
  GraphError,
  type HostType,
  Input,
  type Inputs,
  mapInputs,
  type Node,
  type Operation,
  type Outputs,
  Tensor,
  tensorsOf,
  Variable,
} from "./tensor.js";

/** A tensor that is read back after each run, and the function that takes its values. */
interface Received {
  readonly tensor: Tensor;
  /** Called with the values. */
  readonly receive: (values: Data) => void;
}

/** The nodes recorded by one trace. */
export class Graph {
  readonly nodes: Node[] = [];
  readonly inputs: Input[] = [];
  /** Tensors that `hostOutput` reads back after each run. */
  readonly received: Received[] = [];
  noGrad = 0;
  scopes: string[] = [];
  stored: FloatStorage = "f32";
  checkpointing = false;
  segment: symbol | undefined;
  gradientOf: string | undefined;
}

let current: Graph | undefined;

/** Runs `build` and returns the graph it recorded. Not reentrant. */
export function trace<T>(build: () => T): { graph: Graph; result: T } {
  if (current) throw new GraphError("a graph is being built already", "Finish it before you start another");
  const graph = new Graph();
  current = graph;
  try {
    return { graph, result: build() };
  } finally {
    current = undefined;
  }
}

/** The graph being traced. Throws `GraphError` outside a trace. */
export function currentGraph(what: string): Graph {
  if (!current)
    throw new GraphError(
      `${what} was called outside a graph`,
      "Call operations inside the function given to compile()",
    );
  return current;
}

/**
 * Records an operation and returns its outputs by name. The operations' own functions call this; users call those.
 * Throws `GraphError` where an input that is not optional is missing, and what the shape rule throws.
 */
export function record<In, Out, A>(
  operation: Operation<In, Out, A>,
  inputs: NoInfer<In>,
  ...[attributes]: A extends null ? [attributes?: null] : [attributes: NoInfer<A>]
): Out {
  return recordNode(operation as unknown as AnyOperation, inputs as Inputs, attributes ?? null) as Out;
}

/** `record` for an operation that is known only as a node's. */
export function recordNode(operation: AnyOperation, given: Inputs, attributes: unknown): Outputs {
  const graph = currentGraph(operation.name);
  checkGiven(operation, given);
  const inputs = mapInputs(given, (tensor, name) => (readsF16(operation, name) ? tensor : cast(tensor, "f32")));
  const specs = operation.outputs(inputs, attributes);
  const scope = graph.scopes.join(".");
  const updates = updated(operation, inputs);
  if (graph.segment && updates.length > 0)
    throw new GraphError(
      `operation ${operation.name} would update ${updates[0]?.name} twice inside an activation checkpoint`,
      "Record it outside of segment()",
    );
  const outputs: Record<string, Tensor> = {};
  const variables = tensorsOf(inputs).filter((tensor) => tensor instanceof Variable);
  const node: Node = {
    operation,
    attributes,
    inputs,
    outputs,
    updates,
    versions: new Map(variables.map((variable) => [variable, variable.version])),
    order: graph.nodes.length,
    scope,
    noGrad: graph.noGrad > 0,
    segment: graph.segment,
    gradientOf: graph.gradientOf,
  };
  for (const variable of updates) variable.version++;
  const label = scope ? `${scope}/${operation.name}` : operation.name;
  for (const [name, spec] of Object.entries(specs)) {
    if (!spec) continue;
    const { shape, dtype = "f32" } = spec;
    const stored = dtype === "f32" && operation.f16?.outputs.includes(name) ? graph.stored : dtype;
    outputs[name] = new Tensor(label, shape, stored, node);
  }
  graph.nodes.push(node);
  return outputs;
}

function checkGiven({ name: operation, optional }: AnyOperation, given: Inputs): void {
  for (const [name, input] of Object.entries(given)) {
    if (input === undefined && !optional?.includes(name))
      throw new GraphError(`${operation}: ${name} is missing`, `Pass a tensor for ${name}`);
    const list = input === undefined || Array.isArray(input) ? (input ?? []) : [input];
    const other = list.find((tensor: unknown) => !(tensor instanceof Tensor));
    if (other !== undefined)
      throw new GraphError(`${operation}: ${name} is ${typeof other}, not a tensor`, `Pass a tensor for ${name}`);
  }
}

/** Whether an operation reads an input (`xs 1` for one of a list) in f16; views read everything. */
function readsF16({ kernel, f16 }: AnyOperation, name: string): boolean {
  return !kernel || f16?.inputs.includes(name.split(" ", 1)[0] as string) === true;
}

function updated({ name: operation, updates = [] }: AnyOperation, inputs: Inputs): Variable[] {
  return updates.map((name) => {
    const variable = inputs[name];
    if (variable instanceof Variable) return variable;
    throw new GraphError(`${operation} updates ${name} in place, which is not a variable`, "Pass a variable");
  });
}

/** Names what is recorded inside, for progress, profiles and messages: `scope("encoder", () => …)`. */
export function scope<T>(name: string, build: () => T): T {
  const graph = currentGraph("scope");
  graph.scopes.push(name);
  try {
    return build();
  } finally {
    graph.scopes.pop();
  }
}

/** Records without gradients: `grad` treats what is computed inside as a constant. */
export function noGrad<T>(build: () => T): T {
  const graph = currentGraph("noGrad");
  graph.noGrad++;
  try {
    return build();
  } finally {
    graph.noGrad--;
  }
}

/**
 * Stores the results of what is recorded inside as `type`. In f16 they take half the memory, keep 11 significant bits and
 * hold nothing above 65504. Arithmetic is in f32 all the same; operations that cannot write f16 (`Operation.f16`) write
 * f32. No gradient flows through f16: `grad` throws `GraphError`. The adapter needs `shader-f16`: `compile` throws
 * `LimitError`.
 */
export function storedAs<T>(type: FloatStorage, build: () => T): T {
  const graph = currentGraph("storedAs");
  const before = graph.stored;
  graph.stored = type;
  try {
    return build();
  } finally {
    graph.stored = before;
  }
}

/** `x` stored as `type`; `x` itself where it is stored so already, or holds integers. */
export function cast(x: Tensor, type: FloatStorage): Tensor {
  const same = x.dtype === type || (x.dtype !== "f32" && x.dtype !== "f16");
  return same ? x : storedAs(type, () => record(castOperation, { x }).y);
}

/**
 * Turns activation checkpointing on or off for what is recorded inside. On, `grad` computes the activations of each
 * `segment` a second time instead of keeping them from the forward pass: it costs time and saves memory. The bits are the
 * same. Default off.
 */
export function checkpointing<T>(enabled: boolean, build: () => T): T {
  const graph = currentGraph("checkpointing");
  const before = graph.checkpointing;
  graph.checkpointing = enabled;
  try {
    return build();
  } finally {
    graph.checkpointing = before;
  }
}

/**
 * A part of a network whose activations `grad` recomputes where `checkpointing` is on; elsewhere `build` is
 * recorded as it is. A segment inside another belongs to the outer one. In-place updates (running statistics) must stay
 * outside: they would happen twice, so recording one throws `GraphError`.
 */
export function segment<T>(build: () => T): T {
  const graph = currentGraph("segment");
  if (!graph.checkpointing || graph.segment) return build();
  graph.segment = Symbol("segment");
  try {
    return build();
  } finally {
    graph.segment = undefined;
  }
}

/** Marks what is recorded inside as the gradient of an operation. */
export function gradientOf<T>(operation: string, build: () => T): T {
  const graph = currentGraph("grad");
  const before = graph.gradientOf;
  graph.gradientOf = operation;
  try {
    return build();
  } finally {
    graph.gradientOf = before;
  }
}

/** A tensor of the graph that is written before each run. */
export function input(name: string, shape: Shape, dtype: HostType = "f32"): Tensor {
  const tensor = new Input(name, shape, dtype);
  currentGraph("input").inputs.push(tensor);
  return tensor;
}

/**
 * A tensor whose values `supply` returns before each run, so that an object such as an optimiser can keep state on the
 * host: a learning rate, a step counter. Callers of `run` do not see it.
 */
export function hostInput(name: string, shape: Shape, supply: () => Float32Array): Tensor {
  const tensor = new Input(name, shape, "f32", supply);
  currentGraph("hostInput").inputs.push(tensor);
  return tensor;
}

/** Passes the values of `tensor` to `receive` after each run, whichever outputs the caller asks for. */
export function hostOutput(tensor: Tensor, receive: (values: Data) => void): void {
  currentGraph("hostOutput").received.push({ tensor, receive });
}

/** A tensor with fixed values: `number[]` and Float32Array are f32, Int32Array is i32. */
export function constant(name: string, shape: Shape, data: readonly number[] | Float32Array | Int32Array): Tensor {
  return new Constant(
    name,
    shape,
    data instanceof Int32Array || data instanceof Float32Array ? data : Float32Array.from(data),
  );
}
