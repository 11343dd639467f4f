/** One operation of a graph, recorded by itself once for each variant of its kernel, on stand-ins for its inputs. */
import { MasaError } from "../../errors.js";
import type { Device } from "../../gpu/device.js";
import { type Data, dataOf, Plan } from "../plan/plan.js";
import { cast, recordNode, storedAs, trace } from "../trace/graph.js";
import { type Initializer, Parameters } from "../trace/parameters.js";
import { Constant, mapInputs, type Node, type Outputs, type Tensor } from "../trace/tensor.js";

/** A variant computes something else than the default. */
export class VariantError extends MasaError {
  override readonly name = "VariantError";
}

/** Differences of results that rounding explains, as a part of the largest: far above float32's, far below a mistake's. */
const TOLERANCE = 1e-3;

export class Trial {
  readonly #parameters = new Parameters();
  readonly #standIns: ReadonlyMap<Tensor, Tensor>;
  readonly #plans = new Map<string, Plan>();
  #expected: Record<string, Data> | undefined;

  /** `key` is that of the choice which `node` makes. */
  constructor(
    readonly device: Device,
    readonly node: Node,
    readonly key: string,
  ) {
    this.#standIns = standIns(node, this.#parameters);
  }

  /**
   * Makes a plan of a variant, runs it once, and compares its results with those of the first. Throws `VariantError` where
   * they differ, and what an adapter throws that cannot run it.
   */
  async add(variant: string): Promise<void> {
    const { device, key } = this;
    if (this.#plans.size === 0) await this.#parameters.allocate(device);
    const { graph, result } = trace(() => this.#record());
    const plan = new Plan(device, graph, result, new Map([...device.choices, [key, variant]]));
    this.#plans.set(variant, plan);
    await plan.prepare();
    await plan.replay();
    const got = dataOf(await plan.read());
    this.#expected ??= got;
    for (const [output, values] of Object.entries(this.#expected))
      if (!agree(values, got[output] as Data))
        throw new VariantError("it computes something else than the default", REPORT);
  }

  /** The operation on tensors that are stored as the node's are. */
  #record(): Outputs {
    const { operation, inputs, outputs, attributes } = this.node;
    const given = mapInputs(inputs, (tensor) => {
      const standIn = this.#standIns.get(tensor) as Tensor;
      return tensor.dtype === "f16" ? cast(standIn, "f16") : standIn;
    });
    const stored = Object.values(outputs).some(({ dtype }) => dtype === "f16") ? "f16" : "f32";
    const results = storedAs(stored, () => recordNode(operation, given, attributes));
    return Object.fromEntries(Object.entries(results).map(([name, tensor]) => [name, cast(tensor, "f32")]));
  }

  /** The plan of a variant that was added. */
  plan(variant: string): Plan {
    return this.#plans.get(variant) as Plan;
  }

  /** Frees the GPU memory. Safe to repeat. */
  dispose(): void {
    for (const plan of this.#plans.values()) plan.dispose();
    this.#parameters.dispose();
  }
}

const REPORT = "Please report it with the output of 'masa doctor'";

/**
 * Tensors of the shapes of a node's inputs: small random numbers, and zeros for indices, since an index must be valid. A
 * variable that the node updates is one here too.
 */
function standIns({ inputs }: Node, parameters: Parameters): Map<Tensor, Tensor> {
  const made = new Map<Tensor, Tensor>();
  mapInputs(inputs, (tensor, name) => {
    if (!made.has(tensor)) made.set(tensor, standIn(tensor, `stand-in ${name}`, parameters));
    return tensor;
  });
  return made;
}

function standIn(tensor: Tensor, name: string, parameters: Parameters): Tensor {
  if (tensor instanceof Constant) return tensor;
  const { shape, dtype, size } = tensor;
  if (dtype === "f32" || dtype === "f16") return parameters.declare(name, shape, noise, false);
  return new Constant(name, shape, new Int32Array(size));
}

/** Numbers drawn before they repeat: to draw all those of a large tensor would take longer than to time it. */
const DRAWN = 65_521;

const noise: Initializer = (data, uniform) => {
  for (let i = 0; i < Math.min(DRAWN, data.length); i++) data[i] = 2 * uniform() - 1;
  for (let i = DRAWN; i < data.length; i += DRAWN) data.copyWithin(i, 0, DRAWN);
};

/** Indices may differ: where two are equally good, rounding decides. */
function agree(expected: Data, got: Data): boolean {
  if (!(expected instanceof Float32Array)) return true;
  const largest = expected.reduce(
    (most, value) => (Number.isFinite(value) ? Math.max(most, Math.abs(value)) : most),
    0,
  );
  return expected.every(
    (value, i) => !Number.isFinite(value) || Math.abs((got[i] as number) - value) <= TOLERANCE * largest,
  );
}
