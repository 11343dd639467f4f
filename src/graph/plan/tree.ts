/**
 * Nested records of inputs and outputs, as JAX's pytrees: `{ images: { lr, ref }, gradients: [dw, db] }`. A plan takes
 * data in the nesting of its inputs and returns results in that of its outputs. A leaf has the path of its names:
 * `images.lr`, `gradients.0`.
 */
import type { Shape } from "../../kernels/kernel.js";
import { type Data, GraphError, type HostType, Tensor } from "../trace/tensor.js";

export type { Data } from "../trace/tensor.js";

/** The shape of an input, with its type where that is not f32. */
export type InputSpec = Shape | { readonly shape: Shape; readonly dtype?: HostType };

/** A tensor in host memory. */
export interface HostTensor {
  readonly shape: Shape;
  readonly data: Data;
}

/** An output that was read back: its values, flat and row-major, and their shape. */
export class Result implements HostTensor {
  constructor(
    /** Path of the output: `loss`, `gradients.0`. */
    readonly name: string,
    readonly shape: Shape,
    readonly data: Data,
  ) {}

  /** `data` of an f32 output. Throws `GraphError` for integers. */
  get floats(): Float32Array {
    if (this.data instanceof Float32Array) return this.data;
    throw new GraphError(`${this.name} holds integers, not floats`, "Read its data or integers");
  }

  /** `data` of an i32 output. Throws `GraphError` for other types. */
  get integers(): Int32Array {
    if (this.data instanceof Int32Array) return this.data;
    throw new GraphError(`${this.name} is not i32`, "Read its data or floats");
  }

  /** The value of an output that has one, such as a loss. Throws `GraphError` for more. */
  item(): number {
    const [value] = this.data;
    if (value === undefined || this.data.length > 1)
      throw new GraphError(`${this.name} has shape [${this.shape}], item() needs one value`, "Read its data");
    return value;
  }
}

/** Inputs as `build` gets them: a tensor for each shape. */
export type TensorsOf<In> = In extends InputSpec
  ? Tensor
  : Tree<In, { readonly [name in keyof In]: TensorsOf<In[name]> }>;
/** Shapes for tensors: what `TensorsOf` is made of. */
export type SpecsOf<T> = T extends Tensor ? InputSpec : Tree<T, { readonly [name in keyof T]: SpecsOf<T[name]> }>;
/** What a run takes: data for each shape. A result of another run may be passed on. */
export type DataOf<In> = In extends InputSpec
  ? Data | HostTensor
  : Tree<In, { readonly [name in keyof In]: DataOf<In[name]> }>;
/** What a run returns: a result for each tensor. */
export type ResultsOf<Out> = Out extends Tensor
  ? Result
  : Out extends undefined
    ? undefined
    : Tree<Out, { readonly [name in keyof Out]: ResultsOf<Out[name]> }>;
type Tree<T, Mapped> = T extends object ? Mapped : never;

/** The data of a flat record of results, without their shapes. */
export function dataOf<Name extends string>(results: Readonly<Record<Name, Result>>): Record<Name, Data> {
  const entries = Object.entries<Result>(results).map(([name, { data }]) => [name, data]);
  return Object.fromEntries(entries) as Record<Name, Data>;
}

export type Leaf<T> = readonly [path: string, leaf: T];

function children(tree: object): [string, unknown][] {
  return Object.entries(tree).filter(([, child]) => child !== undefined);
}

function join(path: string, name: string): string {
  return path ? `${path}.${name}` : name;
}

function isSpec(value: unknown): value is InputSpec {
  if (Array.isArray(value)) return value.every((side) => typeof side === "number");
  return typeof value === "object" && value !== null && "shape" in value && isSpec(value.shape);
}

/** A tree with `leaf` of each shape in place of the shape. */
export function mapSpecs<In>(tree: In, leaf: (path: string, spec: InputSpec) => Tensor, path = ""): TensorsOf<In> {
  if (isSpec(tree)) return leaf(path, tree) as TensorsOf<In>;
  if (typeof tree !== "object" || tree === null)
    throw new GraphError(`input ${path} is ${String(tree)}`, "Give its shape, or a record of shapes");
  const mapped = children(tree).map(([name, child]) => [name, mapSpecs(child, leaf, join(path, name))] as const);
  return rebuilt(tree, mapped) as TensorsOf<In>;
}

/** A tree of tensors with `leaf` of each tensor in place of it. */
export function mapTensors<Out, T>(tree: Out, leaf: (path: string, tensor: Tensor) => T, path = ""): unknown {
  if (tree instanceof Tensor) return leaf(path, tree);
  if (typeof tree !== "object" || tree === null)
    throw new GraphError(`output ${path} is ${String(tree)}`, "Return a tensor, or a record of tensors");
  return rebuilt(
    tree,
    children(tree).map(([name, child]) => [name, mapTensors(child, leaf, join(path, name))] as const),
  );
}

/** The tensors of a tree with their paths, in its order. */
export function tensorsOfTree(tree: unknown): Leaf<Tensor>[] {
  const leaves = new Map<string, Tensor>();
  mapTensors(tree, (path, tensor) => {
    if (leaves.has(path)) throw new GraphError(`two outputs are called ${path}`, "Give them different names");
    leaves.set(path, tensor);
  });
  return [...leaves];
}

/** The data in a tree by path. */
export function dataByPath(tree: unknown, path = "", found = new Map<string, Data | HostTensor>()) {
  if (isData(tree) || isHostTensor(tree)) found.set(path, tree);
  else if (typeof tree === "object" && tree !== null)
    for (const [name, child] of children(tree)) dataByPath(child, join(path, name), found);
  return found;
}

function isData(value: unknown): value is Data {
  return value instanceof Float32Array || value instanceof Int32Array || value instanceof Uint32Array;
}

function isHostTensor(value: unknown): value is HostTensor {
  return typeof value === "object" && value !== null && "data" in value && isData(value.data) && "shape" in value;
}

/** A record or list like `tree`, of other children. */
function rebuilt(tree: object, entries: readonly (readonly [string, unknown])[]): unknown {
  return Array.isArray(tree) ? entries.map(([, child]) => child) : Object.fromEntries(entries);
}
