/**
 * Tensors, variables, and the graph that operations are recorded into.
 *
 * `trace` runs a function that builds a network with ordinary calls; every operation appends a node. Nodes run in the
 * order they were recorded, so that an in-place update (Adam, running statistics) is seen by what is recorded after it
 * and not by what came before, as in an eager framework.
 */

import { MasaError } from "../../errors.js";
import type { Buffer } from "../../gpu/device.js";
import { ShapeError } from "../../gpu/errors.js";
import {
  type Dtype,
  elements,
  type FloatStorage,
  type Operand,
  type Recorder,
  type Shape,
} from "../../kernels/kernel.js";
import { castOperation } from "../ops/cast.js";

/** A graph that was built or used wrongly. */
export class GraphError extends MasaError {
  override readonly name = "GraphError";
}

/** The shape of an output, with its type where that is not f32. */
export interface TensorSpec {
  readonly shape: Shape;
  readonly dtype?: Dtype;
}

/** A value in the graph: an input, a constant, a variable, or an output of a node. */
export class Tensor implements Operand {
  constructor(
    readonly name: string,
    readonly shape: Shape,
    readonly dtype: Dtype = "f32",
    /** The node that computes it; undefined for inputs, constants and variables. */
    readonly node?: Node,
  ) {
    if (!shape.every((side) => Number.isSafeInteger(side) && side > 0))
      throw new ShapeError("tensor", name, `has shape [${shape}]; every side must be a positive whole number`);
  }
  /** Number of elements. */
  get size(): number {
    return elements(this.shape);
  }
}

/** Types of what comes from typed arrays and goes back to them. */
export type HostType = Exclude<Dtype, "f16">;

/** Data written before each run. */
export class Input extends Tensor {}

/** Data written once, when the plan is made. */
export class Constant extends Tensor {
  constructor(
    name: string,
    shape: Shape,
    readonly data: Float32Array | Int32Array,
  ) {
    super(name, shape, data instanceof Int32Array ? "i32" : "f32");
    if (data.length !== this.size)
      throw new ShapeError("constant", name, `has ${data.length} values for shape [${shape}]`);
  }
}

/** A tensor that lives on the GPU between runs and belongs to no graph: a parameter or a running statistic. */
export class Variable extends Tensor {
  /** Present once `Parameters.allocate` has run. */
  buffer: Buffer | undefined;
  /** How often graphs being traced have updated it: a gradient must not read a value that was overwritten since. */
  version = 0;

  constructor(
    name: string,
    shape: Shape,
    /** Whether `grad` may be asked for it; running statistics are not trained. */
    readonly trainable: boolean,
  ) {
    super(name, shape);
  }
}

/** One recorded operation. */
export interface Node {
  readonly operation: Operation<unknown>;
  readonly attributes: unknown;
  readonly inputs: readonly (Tensor | undefined)[];
  readonly outputs: readonly Tensor[];
  /** Variables among the inputs that it writes to. */
  readonly updates: readonly Variable[];
  /** Versions of the inputs when recorded (see `Variable.version`). */
  readonly versions: readonly number[];
  /** Position in the graph. */
  readonly order: number;
  /** Where in the network: `encoder.lr`, `decoder.x4`; for progress, profiles and error messages. */
  readonly scope: string;
  /** Recorded under `noGrad`: gradients stop here. */
  readonly noGrad: boolean;
  /** The call of `recomputed` that it was recorded in: `grad` computes its outputs again. */
  readonly segment: symbol | undefined;
}

/** What defines an operation in the graph. `A` is the type of its attributes (stride, padding, …). */
export interface Operation<A> {
  readonly name: string;
  /** The shape rule: checks the inputs (throws `ShapeError`) and says what comes out. */
  outputs(inputs: readonly (Tensor | undefined)[], attributes: A): readonly TensorSpec[];
  /** Records the dispatches. Absent for a view, whose only output is its first input in another shape. */
  kernel?(
    recorder: Recorder,
    inputs: readonly (Operand | undefined)[],
    outputs: readonly Operand[],
    attributes: A,
  ): void;
  /**
   * Positions of the inputs that its kernel reads in 16 bits too, and of the outputs that it writes so where `storedAs` asks
   * for it. The graph casts what else arrives in 16 bits.
   */
  readonly halves?: { readonly inputs: readonly number[]; readonly outputs: readonly number[] };
  /** The gradients of the inputs, in their order; undefined for an input that has none. Absent: `grad` fails by name. */
  gradient?(context: GradientContext<A>): readonly (Tensor | undefined)[];
  /** The inputs that it writes to. */
  updates?(inputs: readonly (Tensor | undefined)[]): readonly Variable[];
}

/** What an operation is given to make the gradients of its inputs of. */
export interface GradientContext<A> {
  readonly inputs: readonly (Tensor | undefined)[];
  readonly outputs: readonly Tensor[];
  readonly attributes: A;
  /** Gradient of each output; undefined for an output that the loss does not depend on. */
  readonly dys: readonly (Tensor | undefined)[];
  /** Whether the gradient of input `i` is wanted: an expensive one may be left out. */
  needs(i: number): boolean;
}

/** The nodes recorded by one trace. */
export class Graph {
  readonly nodes: Node[] = [];
  readonly inputs: Input[] = [];
  noGrad = 0;
  scopes: string[] = [];
  stored: FloatStorage = "f32";
  segment: symbol | undefined;
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

/** Records an operation. The operations' own functions call this; users call those. */
export function record<A>(
  operation: Operation<A>,
  given: readonly (Tensor | undefined)[],
  attributes: A,
): readonly Tensor[] {
  const graph = currentGraph(operation.name);
  const inputs = given.map((tensor, i) => (tensor && !takes(operation, i) ? cast(tensor, "f32") : tensor));
  const specs = operation.outputs(inputs, attributes);
  const scope = graph.scopes.join(".");
  const updates = operation.updates?.(inputs) ?? [];
  if (graph.segment && updates.length > 0)
    throw new GraphError(
      `operation ${operation.name} would update ${updates[0]?.name} twice inside recomputed()`,
      "Record it outside",
    );
  const outputs: Tensor[] = [];
  const node: Node = {
    operation: operation as Operation<unknown>,
    attributes,
    inputs,
    outputs,
    updates,
    versions: inputs.map((input) => (input instanceof Variable ? input.version : 0)),
    order: graph.nodes.length,
    scope,
    noGrad: graph.noGrad > 0,
    segment: graph.segment,
  };
  for (const variable of updates) variable.version++;
  const name = scope ? `${scope}/${operation.name}` : operation.name;
  for (const [i, { shape, dtype = "f32" }] of specs.entries()) {
    const stored = dtype === "f32" && operation.halves?.outputs.includes(i) ? graph.stored : dtype;
    outputs.push(new Tensor(name, shape, stored, node));
  }
  graph.nodes.push(node);
  return outputs;
}

/** Whether an operation takes input `i` in 16 bits; views take everything. */
function takes({ kernel, halves }: Operation<never>, i: number): boolean {
  return !kernel || halves?.inputs.includes(i) === true;
}

/** `record` for an operation with one output. */
export function recordOne<A>(operation: Operation<A>, inputs: readonly (Tensor | undefined)[], attributes: A): Tensor {
  return record(operation, inputs, attributes)[0] as Tensor;
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

/** Records without gradients: what is computed inside is a constant to `grad`. */
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
 * Stores the results of what is recorded inside as `type`: as f16 they take half of the memory, and keep 11 bits and nothing
 * above 65504. Computed is in f32 all the same; operations that cannot write f16 (`Operation.halves`) write f32. There are no
 * gradients through f16: `grad` throws `GraphError`. The adapter needs `shader-f16`: `compile` throws `LimitError`.
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

/** `x` stored as `type`; itself where it is so, or holds no floating-point numbers. */
export function cast(x: Tensor, type: FloatStorage): Tensor {
  const same = x.dtype === type || (x.dtype !== "f32" && x.dtype !== "f16");
  return same ? x : storedAs(type, () => recordOne(castOperation, [x], null));
}

/**
 * Records a part of a network whose values `grad` computes a second time rather than keeps from the forward pass until
 * their gradients need them: less memory, more time, the same bits (recompute.ts). Parts follow one another; they are not
 * nested, and what is updated in place (running statistics) stays outside: both throw `GraphError`. Not `wanted`, `build`
 * is recorded as it is.
 */
export function recomputed<T>(build: () => T, wanted = true): T {
  const graph = currentGraph("recomputed");
  if (!wanted) return build();
  if (graph.segment) throw new GraphError("recomputed() is called inside recomputed()", "Put one after the other");
  graph.segment = Symbol("segment");
  try {
    return build();
  } finally {
    graph.segment = undefined;
  }
}

/** A tensor of the graph that is written before each run. */
export function input(name: string, shape: Shape, dtype: HostType = "f32"): Tensor {
  const tensor = new Input(name, shape, dtype);
  currentGraph("input").inputs.push(tensor);
  return tensor;
}

/** A tensor with fixed values: `number[]` and Float32Array are f32, Int32Array is i32. */
export function constant(name: string, shape: Shape, data: readonly number[] | Float32Array | Int32Array): Tensor {
  return new Constant(
    name,
    shape,
    data instanceof Int32Array || data instanceof Float32Array ? data : Float32Array.from(data),
  );
}
