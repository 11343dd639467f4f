/** The plans of a windowed run: sized before it, made when they are needed, one on the GPU at a time. */
import { advice } from "../../errors.js";
import type { Device } from "../../gpu/device.js";
import { formatBytes, LimitError } from "../../gpu/errors.js";
import { byteSize } from "../../kernels/kernel.js";
import { type NodeWork, workOf } from "../plan/dispatches.js";
import { type Data, dataOf, type InputSpec, type Plan, plan } from "../plan/plan.js";
import type { Node } from "../trace/tensor.js";
import type { Tensors } from "./stage_graph.js";

/** A plan that may be made: its inputs, and the function that records it. Equal keys stand for equal plans. */
export interface PlanSpec {
  readonly key: string;
  readonly inputs: Readonly<Record<string, InputSpec>>;
  readonly build: (inputs: Tensors) => Tensors;
}

/** How a run of a plan is watched and stopped. */
export interface Watch {
  readonly signal?: AbortSignal | undefined;
  /** Called with the stage and the work done in it so far, in FLOP. */
  readonly onWork?: ((stage: string, work: number) => void) | undefined;
}

export class Plans {
  /** The node of the whole graph that a node of a window's graph stands for. */
  readonly #wholeOf = new WeakMap<Node, Node>();
  readonly #work = new Map<string, number>();
  #resident: { readonly key: string; readonly plan: Plan } | undefined;
  /** Bytes of the largest plan that was expected. */
  peak = 0;

  /** `variants` are those that each node of the whole graph takes: windows take the same. */
  constructor(
    readonly device: Device,
    readonly memory: number,
    readonly variants: ReadonlyMap<Node, NodeWork>,
  ) {}

  /** Tells that a node of a window's graph computes a part of one of the whole graph. */
  readonly standsFor = (node: Node, whole: Node): void => {
    this.#wholeOf.set(node, whole);
  };

  /** Whether a plan fits into the memory and its tensors into bindings. */
  fits(spec: PlanSpec): boolean {
    try {
      const made = this.#make(spec);
      const { maxStorageBufferBindingSize } = this.device.limits;
      const largest = made.dispatches.flatMap(({ bindings }) => Object.values(bindings).map(byteSize));
      return made.bytes <= this.memory && Math.max(...largest) <= maxStorageBufferBindingSize;
    } catch (error) {
      if (error instanceof LimitError) return false;
      throw error;
    }
  }

  /** The largest of `most`, half of it, a quarter, … for which the plan fits. Throws `LimitError` where 1 does not. */
  fitting(what: string, most: number, spec: (size: number) => PlanSpec): number {
    for (let size = most; ; size = Math.ceil(size / 2)) {
      if (this.fits(spec(size))) return size;
      if (size === 1)
        throw new LimitError(
          `${what} does not fit into ${formatBytes(this.memory)}`,
          advice("Allow more GPU memory", "Raise --memory"),
        );
    }
  }

  /** The work of a plan that will run, in FLOP; `peak` covers its memory from now on. */
  expect(spec: PlanSpec): number {
    const known = this.#work.get(spec.key);
    if (known !== undefined) return known;
    const made = this.#make(spec);
    const work = made.dispatches.reduce((sum, dispatch) => sum + workOf(dispatch), 0);
    this.peak = Math.max(this.peak, made.bytes);
    this.#work.set(spec.key, work);
    return work;
  }

  /** Runs a plan, which stays until another one is needed. Returns its outputs and its work. */
  async run(spec: PlanSpec, data: Readonly<Record<string, Data>>, { signal, onWork }: Watch) {
    signal?.throwIfAborted();
    if (this.#resident?.key !== spec.key) {
      this.dispose();
      const made = this.#make(spec);
      this.#resident = { key: spec.key, plan: made };
      await made.prepare();
    }
    const work = this.expect(spec);
    const onProgress = ({ stage, share }: { stage: string; share: number }) => onWork?.(stage, share * work);
    const outputs = await (this.#resident as { plan: Plan }).plan.run(data, {
      onProgress,
      ...(signal && { signal }),
    });
    return { outputs: dataOf(outputs), work };
  }

  #make({ inputs, build }: PlanSpec): Plan {
    const made = plan(this.device, inputs, build);
    const choices = new Map(this.device.choices);
    const asked = new Map<Node, number>();
    for (const { node, key, candidates } of made.choices) {
      const nth = asked.get(node) ?? 0;
      asked.set(node, nth + 1);
      const whole = this.#wholeOf.get(node);
      const variant = whole && this.variants.get(whole)?.variants[nth];
      if (variant !== undefined && candidates.includes(variant)) choices.set(key, variant);
    }
    const differs = made.choices.some(({ key, taken }) => (choices.get(key) ?? taken) !== taken);
    return differs ? plan(this.device, inputs, build, { choices }) : made;
  }

  /** Frees the GPU memory of the plan in use. Safe to repeat. */
  dispose(): void {
    this.#resident?.plan.dispose();
    this.#resident = undefined;
  }
}
