/** One operation of a graph, recorded for itself once for each variant of its kernel, on stand-ins of its inputs. */

import { MasaError } from "../../errors.js";
import type { Device } from "../../gpu/device.js";
import { type Data, Plan } from "../plan/plan.js";
import { type Initializer, Parameters } from "../trace/parameters.js";
import { Constant, cast, type Node, record, storedAs, type Tensor, trace } from "../trace/tensor.js";

/** A variant computes something else than the default. */
export class VariantError extends MasaError {
  override readonly name = "VariantError";
}

/** Differences of results that rounding explains, as a part of the largest: far above float32's, far below a mistake's. */
const TOLERANCE = 1e-3;

export class Trial {
  readonly #parameters = new Parameters();
  readonly #inputs: readonly (Tensor | undefined)[];
  readonly #plans = new Map<string, Plan>();
  #expected: Record<string, Data> | undefined;

  /** `key` is that of the choice which `node` makes. */
  constructor(
    readonly device: Device,
    readonly node: Node,
    readonly key: string,
  ) {
    this.#inputs = standIns(node, this.#parameters);
  }

  /**
   * Makes a plan of a variant, runs it once, and compares its results with those of the first. Throws `VariantError` where
   * they differ, and what an adapter throws that cannot run it.
   */
  async add(variant: string): Promise<void> {
    const { device, key } = this;
    if (this.#plans.size === 0) await this.#parameters.allocate(device);
    const { graph, result } = trace(() => this.#record());
    const plan = new Plan(
      device,
      graph,
      Object.fromEntries(result.entries()),
      new Map([...device.choices, [key, variant]]),
    );
    this.#plans.set(variant, plan);
    await plan.prepare();
    await plan.replay();
    const got = await plan.read();
    this.#expected ??= got;
    for (const [output, values] of Object.entries(this.#expected))
      if (!agree(values, got[output] as Data))
        throw new VariantError("it computes something else than the default", REPORT);
  }

  /** The operation on tensors that are stored as the node's are. */
  #record(): Tensor[] {
    const { operation, inputs, outputs, attributes } = this.node;
    const half = (tensor?: Tensor) => tensor?.dtype === "f16";
    const given = this.#inputs.map((tensor, i) => (tensor && half(inputs[i]) ? cast(tensor, "f16") : tensor));
    const results = storedAs(outputs.some(half) ? "f16" : "f32", () => record(operation, given, attributes));
    return results.map((tensor) => cast(tensor, "f32"));
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
function standIns({ inputs }: Node, parameters: Parameters): (Tensor | undefined)[] {
  const made = new Map<Tensor, Tensor>();
  return inputs.map((tensor, i) => {
    if (!tensor || tensor instanceof Constant) return tensor;
    const { shape, dtype, size } = tensor;
    const standIn =
      made.get(tensor) ??
      (dtype === "f32" || dtype === "f16"
        ? parameters.declare(`stand-in ${i}`, shape, noise, false)
        : new Constant(`stand-in ${i}`, shape, new Int32Array(size)));
    made.set(tensor, standIn);
    return standIn;
  });
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
