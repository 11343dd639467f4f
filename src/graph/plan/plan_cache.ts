/** Plans of one graph for inputs of many shapes: those used last are kept, the memory of all is bounded. */
import type { Device } from "../../gpu/device.js";
import { OutOfGpuMemoryError } from "../../gpu/errors.js";
import { GraphError } from "../trace/tensor.js";
import { compile, type Plan, type PlanOptions } from "./plan.js";
import type { SpecsOf, TensorsOf } from "./tree.js";

export class PlanCache<Inputs extends object, Out extends object> {
  /** By the inputs' shapes; the one used last is at the end. */
  readonly #plans = new Map<string, Plan<SpecsOf<Inputs>, Out>>();
  /** Plans that are being compiled: calls for the same shapes meanwhile get the same one. */
  readonly #pending = new Map<string, Promise<Plan<SpecsOf<Inputs>, Out>>>();

  /**
   * `build` is that of `compile`. All plans together take at most `bytes` of GPU memory; one that needs more is alone,
   * and with 0 bytes just the last one is kept.
   */
  constructor(
    readonly device: Device,
    readonly build: (inputs: Inputs) => Out,
    readonly bytes: number,
  ) {}

  /**
   * The plan for inputs of these shapes, which stays the cache's. `onMemory` is told its bytes before they are taken; not
   * where it is there already. Throws the errors of `compile`.
   */
  async get(inputs: SpecsOf<Inputs>, onMemory?: PlanOptions["onMemory"]): Promise<Plan<SpecsOf<Inputs>, Out>> {
    const key = JSON.stringify(inputs);
    const kept = this.#plans.get(key);
    if (kept) {
      this.#plans.delete(key);
      this.#plans.set(key, kept);
      return kept;
    }
    let pending = this.#pending.get(key);
    if (!pending) {
      pending = this.#make(inputs, onMemory).then((plan) => this.#keep(key, plan));
      this.#pending.set(key, pending);
    }
    try {
      return await pending;
    } finally {
      if (this.#pending.get(key) === pending) this.#pending.delete(key);
    }
  }

  /** Keeps a new plan, unless the cache was disposed while it was compiled. */
  #keep(key: string, plan: Plan<SpecsOf<Inputs>, Out>): Plan<SpecsOf<Inputs>, Out> {
    if (!this.#pending.has(key)) {
      plan.dispose();
      throw new GraphError("the plan was disposed while it was compiled", "Await the call before dispose()");
    }
    this.#plans.set(key, plan);
    return plan;
  }

  async #make(inputs: SpecsOf<Inputs>, onMemory: PlanOptions["onMemory"]): Promise<Plan<SpecsOf<Inputs>, Out>> {
    // What SpecsOf makes of the inputs, TensorsOf turns back into them.
    const build = this.build as unknown as (inputs: TensorsOf<SpecsOf<Inputs>>) => Out;
    const makeRoom = (bytes: number) => {
      onMemory?.(bytes);
      this.#shrink(this.bytes - bytes);
    };
    try {
      return await compile(this.device, inputs, build, { onMemory: makeRoom });
    } catch (error) {
      if (!(error instanceof OutOfGpuMemoryError) || this.#plans.size === 0) throw error;
      // The plans kept for later may have taken what this one lacks.
      this.#shrink(Number.NEGATIVE_INFINITY);
      return await compile(this.device, inputs, build);
    }
  }

  /** Frees the plans that were used longest ago until the others take at most `bytes`. */
  #shrink(bytes: number): void {
    let kept = [...this.#plans.values()].reduce((sum, plan) => sum + plan.bytes, 0);
    for (const [key, plan] of this.#plans) {
      if (kept <= bytes) return;
      plan.dispose();
      this.#plans.delete(key);
      kept -= plan.bytes;
    }
  }

  /** Frees the GPU memory of all plans. The cache can be used again. */
  dispose(): void {
    this.#pending.clear();
    this.#shrink(Number.NEGATIVE_INFINITY);
  }
}
