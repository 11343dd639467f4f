/**
 * Modules: networks and layers as objects that hold their parameters, as PyTorch's `nn.Module`.
 *
 *   class Net extends Module {
 *     readonly head = new Conv2d(3, 16);
 *     readonly body = new ResidualBlocks(16, 4);
 *     forward = (x: Tensor) => this.body.forward(this.head.forward(x));
 *   }
 *
 * Parameters are named by the path of properties that leads to them: `head.weight`, `body.0.conv1.bias`.
 */
import { FileTensor } from "../formats/tensor.js";
import type { Device } from "../gpu/device.js";
import { Parameter, Parameters } from "../graph/trace/parameters.js";
import { GraphError } from "../graph/trace/tensor.js";

/** The named parts of a module: its parameters and the modules inside it. */
export type Parts = readonly (readonly [name: string, part: Parameter | Module])[];

/** Weights by name, as files hold them: what `readSafetensors` returns and `writeSafetensors` takes. */
export type StateDict = ReadonlyMap<string, FileTensor>;

/** A part of a network, with its parameters. */
export abstract class Module {
  #parameters: Parameters | undefined;
  /** The module that this one is a part of, once that one's parameters have been named. */
  #whole: Module | undefined;

  /** Records the module into the graph that is being traced. */
  abstract forward(...inputs: never[]): unknown;

  /**
   * The parts, in the order of the state dict. By default these are the properties that hold a parameter, a module, or
   * an array of modules; a module whose parts have other names overrides it.
   */
  protected parts(): Parts {
    return Object.entries(this).flatMap(([name, value]) => {
      if (isPart(value)) return [[name, value] as const];
      if (!Array.isArray(value)) return [];
      return value.flatMap((part, i) => (isPart(part) ? [[`${name}.${i}`, part] as const] : []));
    });
  }

  /** All parameters and running statistics by their full names, of a part too: `net.body.parameters` has `body.0.…`. */
  get parameters(): Parameters {
    this.#parameters ??= this.#whole ? this.#partOf(this.#whole) : this.#collect();
    return this.#parameters;
  }

  #collect(): Parameters {
    const parameters = new Parameters();
    for (const [name, parameter] of this.#walk("", this)) parameters.add(name, parameter);
    return parameters;
  }

  #partOf(whole: Module): Parameters {
    return whole.parameters.only([...this.#walk("", whole)].map(([, parameter]) => parameter));
  }

  /** Every parameter once, under the first path that leads to it. */
  *#walk(prefix: string, whole: Module, seen = new Set<object>()): Generator<readonly [string, Parameter]> {
    for (const [name, part] of this.parts()) {
      if (seen.has(part)) continue;
      seen.add(part);
      if (part instanceof Parameter) yield [prefix + name, part];
      else {
        part.#whole = whole;
        yield* part.#walk(`${prefix}${name}.`, whole, seen);
      }
    }
  }

  /** Takes GPU memory for all parameters and draws their first values from `seed`. */
  async allocate(device: Device, seed = 0): Promise<void> {
    await this.parameters.allocate(device, seed);
  }

  /** The values of all parameters and running statistics. */
  async stateDict(): Promise<Map<string, FileTensor>> {
    return await stateDict(this.parameters);
  }

  /** Fills the parameters. Throws `GraphError`, naming what is missing, left over or of another shape; nothing changed. */
  loadStateDict(tensors: StateDict): void {
    loadStateDict(this.parameters, tensors);
  }

  /** Frees the GPU memory. Safe to repeat. */
  dispose(): void {
    this.parameters.dispose();
  }

  /** `dispose`, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}

function isPart(value: unknown): value is Parameter | Module {
  return value instanceof Parameter || value instanceof Module;
}

/** The values of all variables by name. */
export async function stateDict(parameters: Parameters): Promise<Map<string, FileTensor>> {
  const tensors = new Map<string, FileTensor>();
  for (const variable of parameters.all)
    tensors.set(variable.name, FileTensor.of("F32", variable.shape, await parameters.read(variable)));
  return tensors;
}

/** Faults that a message lists. */
const LISTED = 5;

/** Fills all variables; batch norm's `num_batches_tracked` of PyTorch's files is ignored. Throws `GraphError`. */
export function loadStateDict(parameters: Parameters, tensors: StateDict): void {
  const faults = parameters.all.flatMap(({ name, shape }) => {
    const found = tensors.get(name)?.shape;
    if (!found) return [`${name} is missing`];
    return found.join() === shape.join() ? [] : [`${name} is [${found}], not [${shape}]`];
  });
  const known = new Set(parameters.all.map(({ name }) => name));
  for (const name of tensors.keys())
    if (!known.has(name) && !name.endsWith("num_batches_tracked")) faults.push(`${name} is not a parameter`);
  if (faults.length > 0) {
    const more = faults.length > LISTED ? [`and ${faults.length - LISTED} more`] : [];
    throw new GraphError(
      `the state dict does not fit: ${[...faults.slice(0, LISTED), ...more].join("; ")}`,
      "Load it into a module with the sizes that it was saved from",
    );
  }
  for (const variable of parameters.all)
    parameters.write(variable, (tensors.get(variable.name) as FileTensor).toFloat32());
}
