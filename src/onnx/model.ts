/**
 * An ONNX model while it is built: nodes of standard operators, constants, inputs and outputs, each value known by its
 * name (https://onnx.ai/onnx/repo-docs/IR.html; field numbers of onnx.proto).
 */
import { bytes, float, integer, join, text } from "../formats/protobuf.js";
import { GraphError } from "../graph/trace/tensor.js";

const IR_VERSION = 8;
const OPSET = 18;

/** Element types, by TensorProto.DataType. */
const TYPES = { f32: 1, i64: 7 } as const;

export interface ValueType {
  readonly shape: readonly number[];
  readonly type: keyof typeof TYPES;
}

/** Numbers are integers; a fraction says that it is one. */
export type Attribute = number | readonly number[] | string | { readonly fraction: number };
export type Attributes = Readonly<Record<string, Attribute>>;

interface Node {
  readonly name: string;
  readonly op: string;
  readonly inputs: readonly string[];
  readonly attributes: Attributes;
}

export class OnnxModel {
  /** In the order of computation, by the value that each computes. */
  readonly #nodes = new Map<string, Node>();
  readonly #constants = new Map<string, Uint8Array>();
  readonly #inputs = new Map<string, ValueType>();
  readonly #outputs = new Map<string, ValueType>();
  readonly #types = new Map<string, ValueType>();
  /** What was made before, by what it was made of. */
  readonly #known = new Map<string, string>();
  /** Put before the names of nodes that follow. */
  scope = "";

  /** An input of the model. */
  input(name: string, type: ValueType): string {
    this.#inputs.set(this.#claim(name), type);
    return name;
  }

  /** A tensor that is part of the model under a name of its own, as trained weights are. */
  weight(name: string, shape: readonly number[], data: Float32Array): string {
    this.#constants.set(this.#claim(name), tensorProto(name, shape, data));
    return name;
  }

  /** A constant tensor. Equal ones are one. */
  constant(shape: readonly number[], data: Float32Array | BigInt64Array): string {
    return this.#once(`constant ${data.constructor.name} ${shape} ${data}`, () => {
      const name = `constant_${this.#constants.size}`;
      this.#constants.set(this.#claim(name), tensorProto(name, shape, data));
      return name;
    });
  }

  /** A vector of whole numbers, or with `shape` a tensor of them. */
  integers(values: readonly number[], shape: readonly number[] = [values.length]): string {
    return this.constant(shape, BigInt64Array.from(values, BigInt));
  }

  /** A number, for arithmetic with tensors of float32. */
  number(value: number): string {
    return this.constant([], Float32Array.of(value));
  }

  /** A whole number, for arithmetic with indices. */
  integer(value: number): string {
    return this.integers([value], []);
  }

  /** The value that a standard operator computes. An input that is left out is undefined. Equal nodes are one. */
  node(op: string, inputs: readonly (string | undefined)[], attributes: Attributes = {}): string {
    const names = inputs.map((input) => input ?? "");
    while (names.at(-1) === "") names.pop();
    return this.#once(JSON.stringify([op, names, attributes]), () => {
      const name = `${this.scope ? `${this.scope}/` : ""}${op}_${this.#nodes.size}`;
      this.#nodes.set(this.#claim(name), { name, op, inputs: names, attributes });
      return name;
    });
  }

  /** Tells the type of a value that a node computes. */
  declare(value: string, type: ValueType): void {
    if (this.#nodes.has(value)) this.#types.set(value, type);
  }

  /** Makes `value` an output of the model, called `name`. */
  output(name: string, value: string, type: ValueType): void {
    this.#nodes.set(this.#claim(name), { name, op: "Identity", inputs: [value], attributes: {} });
    this.#outputs.set(name, type);
  }

  /** The file. What no output depends on is left out. */
  bytes(description: string, metadata: Readonly<Record<string, string>> = {}): Uint8Array {
    const used = this.#used();
    const all = <T>(field: number, map: ReadonlyMap<string, T>, proto: (value: T, name: string) => Uint8Array) =>
      [...map].filter(([name]) => used.has(name)).map(([name, value]) => bytes(field, proto(value, name)));
    const graph = [
      ...all(1, this.#nodes, nodeProto),
      text(2, "graph"),
      ...all(5, this.#constants, (proto) => proto),
      ...[...this.#inputs].map(([name, type]) => bytes(11, valueProto(type, name))),
      ...all(12, this.#outputs, valueProto),
      ...all(13, this.#types, valueProto),
    ];
    return join([
      integer(1, IR_VERSION),
      text(2, "masa-webgpu"),
      text(6, description),
      bytes(7, ...graph),
      bytes(8, integer(2, OPSET)),
      ...Object.entries(metadata).map(([key, value]) => bytes(14, text(1, key), text(2, value))),
    ]);
  }

  /** All that the outputs depend on. */
  #used(): Set<string> {
    const used = new Set(this.#outputs.keys());
    for (const { name, inputs } of [...this.#nodes.values()].reverse())
      if (used.has(name)) for (const input of inputs) used.add(input);
    return used;
  }

  #once(key: string, make: () => string): string {
    const value = this.#known.get(key) ?? make();
    this.#known.set(key, value);
    return value;
  }

  #claim(name: string): string {
    if ([this.#nodes, this.#constants, this.#inputs].some((values) => values.has(name)))
      throw new GraphError(`two values of the ONNX model are called ${name}`, "Give inputs and outputs other names");
    return name;
  }
}

function nodeProto({ name, op, inputs, attributes }: Node): Uint8Array {
  return join([
    ...inputs.map((input) => text(1, input)),
    text(2, name),
    text(3, name),
    text(4, op),
    ...Object.entries(attributes).map(([key, value]) => bytes(5, text(1, key), ...attributeValue(value))),
  ]);
}

/** The value of an AttributeProto, and its type. */
function attributeValue(value: Attribute): Uint8Array[] {
  const [FLOAT, INT, STRING, INTS] = [1, 2, 3, 7];
  if (typeof value === "number") return [integer(3, value), integer(20, INT)];
  if (typeof value === "string") return [text(4, value), integer(20, STRING)];
  if ("fraction" in value) return [float(2, value.fraction), integer(20, FLOAT)];
  return [...value.map((one) => integer(8, one)), integer(20, INTS)];
}

function tensorProto(name: string, shape: readonly number[], data: Float32Array | BigInt64Array): Uint8Array {
  const type = data instanceof Float32Array ? TYPES.f32 : TYPES.i64;
  const raw = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return join([...shape.map((side) => integer(1, side)), integer(2, type), text(8, name), bytes(9, raw)]);
}

function valueProto({ shape, type }: ValueType, name: string): Uint8Array {
  const sides = shape.map((side) => bytes(1, integer(1, side)));
  return join([text(1, name), bytes(2, bytes(1, integer(1, TYPES[type]), bytes(2, ...sides)))]);
}
