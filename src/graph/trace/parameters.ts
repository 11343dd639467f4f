/** The parameters of networks: variables under their official PyTorch names, in state-dict order. */
import { BufferUsage, type Device } from "../../gpu/device.js";
import { ShapeError } from "../../gpu/errors.js";
import type { Shape } from "../../kernels/kernel.js";
import { GraphError, Variable } from "./tensor.js";

/** Fills `data` with a parameter's first values; `uniform` yields numbers in [0, 1). */
export type Initializer = (data: Float32Array, uniform: () => number) => void;

export const zeros: Initializer = (data) => data.fill(0);
export const ones: Initializer = (data) => data.fill(1);

/** Normal with mean 0 and the given standard deviation (Box and Muller 1958). */
export function normal(std: number): Initializer {
  return (data, uniform) => {
    for (let i = 0; i < data.length; i += 2) {
      const radius = std * Math.sqrt(-2 * Math.log(1 - uniform()));
      const angle = 2 * Math.PI * uniform();
      data[i] = radius * Math.cos(angle);
      if (i + 1 < data.length) data[i + 1] = radius * Math.sin(angle);
    }
  };
}

/** Uniform within ±bound. */
export function uniform(bound: number): Initializer {
  return (data, next) => {
    for (let i = 0; i < data.length; i++) data[i] = bound * (2 * next() - 1);
  };
}

/** A variable with its initialisation, which a module holds; it has its full name once the module's are collected. */
export class Parameter extends Variable {
  declare name: string;

  constructor(
    shape: Shape,
    readonly initializer: Initializer,
    trainable = true,
  ) {
    super("a parameter", shape, trainable);
  }
}

const USAGE = BufferUsage.STORAGE | BufferUsage.COPY_SRC | BufferUsage.COPY_DST;

/** Variables by name, on at most one device. */
export class Parameters {
  readonly #entries: { variable: Variable; initializer: Initializer }[] = [];
  #device: Device | undefined;
  /** The parameters that these are some of. */
  #whole: Parameters | undefined;

  /** Declares a parameter; networks do this when they are constructed. */
  declare(name: string, shape: Shape, initializer: Initializer, trainable = true): Variable {
    return this.#add(new Variable(name, shape, trainable), initializer);
  }

  /** Adds a module's parameter under its full name. Throws `GraphError` where that is taken. */
  add(name: string, parameter: Parameter): void {
    if (parameter.buffer)
      throw new GraphError(`${parameter.name} is on a GPU already`, "Allocate the whole network, not a part of it");
    parameter.name = name;
    this.#add(parameter, parameter.initializer);
  }

  #add(variable: Variable, initializer: Initializer): Variable {
    if (this.#entries.some((entry) => entry.variable.name === variable.name))
      throw new GraphError(`parameter ${variable.name} is declared twice`, "Give each layer another name");
    this.#entries.push({ variable, initializer });
    return variable;
  }

  /** Some of these parameters; memory is taken and freed by the whole. */
  only(variables: Iterable<Variable>): Parameters {
    const wanted = new Set(variables);
    const part = new Parameters();
    part.#whole = this;
    part.#entries.push(...this.#entries.filter(({ variable }) => wanted.has(variable)));
    return part;
  }

  /** All variables in state-dict order, running statistics included. */
  get all(): Variable[] {
    return this.#entries.map((entry) => entry.variable);
  }

  /** What an optimiser updates. */
  get trainable(): Variable[] {
    return this.all.filter((variable) => variable.trainable);
  }

  /** Number of trainable values. */
  get count(): number {
    return this.trainable.reduce((count, variable) => count + variable.size, 0);
  }

  /** Of all variables, on the GPU or not yet. */
  get bytes(): number {
    return this.all.reduce((bytes, { size }) => bytes + 4 * size, 0);
  }

  /** The variable of this name. Throws `GraphError` where there is none. */
  get(name: string): Variable {
    const variable = this.all.find((candidate) => candidate.name === name);
    if (!variable) throw new GraphError(`there is no parameter ${name}`, `The first is ${this.all[0]?.name ?? "none"}`);
    return variable;
  }

  /** Takes room for all variables on `device`, filled by their initializers from `seed`, times `factor` of their names. */
  async allocate(device: Device, seed = 0, factor: (name: string) => number = () => 1): Promise<void> {
    if (this.#whole)
      throw new GraphError("these parameters are part of a network", "Call allocate() on the whole network");
    if (this.#device) throw new GraphError("the parameters are allocated already", "Call dispose() first");
    const requests = this.all.map(({ name, size }) => ({ label: name, bytes: 4 * size, usage: USAGE }));
    device.checkRoom(`the weights (${requests.length} tensors)`, requests);
    // Set before the memory is there, so that a second call meanwhile is refused.
    this.#device = device;
    const buffers = await device.allocate(requests).catch((error: unknown) => {
      this.#device = undefined;
      throw error;
    });
    for (const [i, data] of this.initial(seed).entries()) {
      const { variable } = this.#entries[i] as { variable: Variable };
      variable.buffer = buffers[i];
      const by = factor(variable.name);
      this.write(variable, by === 1 ? data : data.map((value) => by * value));
    }
  }

  /** The first values of all variables, as `allocate` writes them. */
  initial(seed = 0): Float32Array[] {
    return this.#entries.map(({ variable, initializer }, i) => {
      const data = new Float32Array(variable.size);
      initializer(data, generator(seed, i));
      return data;
    });
  }

  /**
   * Gives a variable values, flat and row-major. Throws `ShapeError` for another number of them, and `GraphError`
   * before `allocate`.
   */
  write(variable: Variable, data: Float32Array): void {
    if (data.length !== variable.size)
      throw new ShapeError("parameters", variable.name, `takes ${variable.size} values, ${data.length} were given`);
    const { device, buffer } = this.#held(variable);
    device.write(buffer, data);
  }

  /** The values of a variable, flat and row-major. Throws `GraphError` before `allocate`. */
  async read(variable: Variable): Promise<Float32Array> {
    const { device, buffer } = this.#held(variable);
    return new Float32Array(await device.read(buffer));
  }

  #held(variable: Variable) {
    const device = this.#whole ? this.#whole.#device : this.#device;
    if (!device || !variable.buffer)
      throw new GraphError(`parameter ${variable.name} is not on a GPU`, "Call allocate(device) first");
    return { device, buffer: variable.buffer };
  }

  /** Frees the GPU memory. Safe to repeat. */
  dispose(): void {
    if (this.#whole) return;
    for (const { variable } of this.#entries) {
      variable.buffer?.dispose();
      variable.buffer = undefined;
    }
    this.#device = undefined;
  }

  /** `dispose`, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** Counter-based uniform numbers in [0, 1), independent for each (seed, stream): the murmur3 finaliser of a counter. */
export function generator(seed: number, stream: number): () => number {
  let counter = 0;
  const mix = (value: number) => {
    let h = value | 0;
    h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
    return h ^ (h >>> 16);
  };
  const key = mix(mix(seed) + Math.imul(stream + 1, 0x9e3779b1));
  return () => (mix(mix(key + counter++) + key) >>> 0) / 2 ** 32;
}
