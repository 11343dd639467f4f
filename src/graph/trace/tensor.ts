/** Tensors, and the types of the operations and nodes that compute them. Recording is in graph.ts. */
import { MasaError } from "../../errors.js";
import type { Buffer } from "../../gpu/device.js";
import { ShapeError } from "../../gpu/errors.js";
import { type Dtype, elements, type Operand, type Recorder, type Shape } from "../../kernels/kernel.js";
import type { WindowRule } from "./window.js";

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

/** Elements of a tensor, flat and row-major. */
export type Data = Float32Array | Int32Array | Uint32Array;

/** Data written before each run. */
export class Input extends Tensor {
  constructor(
    name: string,
    shape: Shape,
    dtype: Dtype,
    /** Supplies the data of each run; without it the caller of `run` does. */
    readonly supply?: () => Data,
  ) {
    super(name, shape, dtype);
  }
}

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

/** Inputs of an operation as records list them: a name has a tensor, a list of tensors, or none where it is optional. */
export type Inputs = Readonly<Record<string, Tensor | readonly Tensor[] | undefined>>;
/** Outputs of an operation by name. */
export type Outputs = Readonly<Record<string, Tensor>>;

/** Tensors by name: `Tensors<"x" | "weight", "bias">` has a bias or not. */
export type Tensors<Required extends string, Optional extends string = never> = {
  readonly [name in Required]: Tensor;
} & { readonly [name in Optional]?: Tensor | undefined };

/** One recorded operation. */
export interface Node {
  readonly operation: AnyOperation;
  readonly attributes: unknown;
  readonly inputs: Inputs;
  readonly outputs: Outputs;
  /** Variables among the inputs that it writes to. */
  readonly updates: readonly Variable[];
  /** Versions of the variables among the inputs when it was recorded (see `Variable.version`). */
  readonly versions: ReadonlyMap<Variable, number>;
  /** Position in the graph. */
  readonly order: number;
  /** Where in the network: `encoder.lr`, `decoder.x4`; for progress, profiles and error messages. */
  readonly scope: string;
  /** Recorded under `noGrad`: gradients stop here. */
  readonly noGrad: boolean;
  /** The activation checkpoint (`segment`) that it belongs to: `grad` computes its outputs again. */
  readonly segment: symbol | undefined;
  /** The operation whose gradient it helps to compute, where `grad` recorded it. */
  readonly gradientOf: string | undefined;
}

/**
 * What defines an operation in the graph: the records of its inputs and outputs by name, and the type of its attributes
 * (stride, padding, …). `Operation<Tensors<"x" | "weight", "bias">, Tensors<"y">, { stride: number }>` is a convolution.
 */
export interface Operation<In, Out, A = null> {
  readonly name: string;
  /** Inputs that may be left out. `record` throws `GraphError` where another one is missing. */
  readonly optional?: readonly (keyof In & string)[];
  /** Inputs that it updates in place; they must be variables. */
  readonly updates?: readonly (keyof In & string)[];
  /**
   * Inputs that its kernel also reads in f16, and outputs that it writes in f16 where `storedAs` asks for it. `record`
   * casts other inputs that arrive in f16.
   */
  readonly f16?: {
    readonly inputs: readonly (keyof In & string)[];
    readonly outputs: readonly (keyof Out & string)[];
  };
  /** The shape rule: checks the inputs (throws `ShapeError`) and returns the shapes of the outputs. */
  outputs(inputs: In, attributes: A): Specs<Out>;
  /** Records the dispatches. A view has none: its only output holds the bytes of its input `x` in another shape. */
  kernel?(recorder: Recorder, inputs: In, outputs: Out, attributes: A): void;
  /** How it runs on windows of its maps; absent, or undefined, for an operation that needs its inputs whole. */
  window?(inputs: In, attributes: A): WindowRule | undefined;
  /** Records the same outputs by operations that are local or small: what windowed execution runs in its place. */
  decompose?(inputs: In, attributes: A): Out;
  /** The gradients by the inputs' names; an input that is left out has none. Absent: `grad` throws and names the operation. */
  gradient?(context: GradientContext<In, Out, A>): Gradients<In>;
}

/** An operation whose inputs, outputs and attributes are known only by name. */
export type AnyOperation = Operation<Inputs, Outputs, unknown>;

/** The shape of each output; undefined for an optional one that is not computed. */
export type Specs<Out> = { readonly [name in keyof Out]: TensorSpec | Extract<Out[name], undefined> };

/** What an operation's gradient is made of. */
export interface GradientContext<In, Out, A = null> {
  readonly inputs: In;
  readonly outputs: Out;
  readonly attributes: A;
  /** Gradients of the outputs. With several outputs, one that the loss does not depend on has none. */
  readonly dys: OutputGradients<Out>;
  /** Whether the gradient of an input (the `i`-th of a list) is needed: an expensive one may be left out. */
  needs(name: keyof In & string, i?: number): boolean;
}

/** Gradients by input name; a list of them for a list of tensors. */
export type Gradients<In> = {
  readonly [name in keyof In]?:
    | (NonNullable<In[name]> extends readonly Tensor[] ? readonly (Tensor | undefined)[] : Tensor)
    | undefined;
};

type OutputGradients<Out> =
  IsUnion<keyof Out> extends true
    ? { readonly [name in keyof Out]?: Tensor | undefined }
    : { readonly [name in keyof Out]-?: Tensor };
type IsUnion<T, Whole = T> = T extends unknown ? ([Whole] extends [T] ? false : true) : never;

/** All tensors of a record of inputs, in its order. */
export function tensorsOf(inputs: Inputs): Tensor[] {
  return Object.values(inputs).flatMap((input) => input ?? []);
}

/** A record of inputs with each tensor replaced by `map` of it; `name` is `xs 1` for the second tensor of a list. */
export function mapInputs(inputs: Inputs, map: (tensor: Tensor, name: string) => Tensor): Inputs {
  return Object.fromEntries(
    Object.entries(inputs).map(([name, input]) => {
      if (input === undefined || input instanceof Tensor) return [name, input && map(input, name)];
      return [name, input.map((tensor, i) => map(tensor, `${name} ${i}`))];
    }),
  );
}
