/** What a training step is given, and what it gives. */

import type { Tensors } from "../data/tasks.js";
import type { Data } from "../graph/plan/plan.js";

/**
 * The tensors of a step, and perhaps matches from outside. With `dropReference` in the configuration, `present` [N] is needed:
 * 0 for samples without a reference, else 1.
 */
export type StepData = Tensors & {
  readonly present?: Float32Array;
  readonly coarseIndex?: Int32Array;
  readonly fineIndex?: Int32Array;
};

/** Learning rates of a step. */
export interface Rates {
  readonly lr: number;
  readonly discriminatorLr: number;
}

/** What a training step computed. */
export interface StepResult {
  /** `rec`, `chroma`, `per`, `adv`, their weighted sum `total`, and the discriminator's `dis`; those that there are. */
  readonly losses: Readonly<Record<string, number>>;
  /** Of the network's gradient, before it is clipped. */
  readonly gradientNorm: number;
  /** Names the first gradient or loss that was infinite or NaN; nothing was updated by it. */
  readonly skipped: string | undefined;
  readonly observed: Readonly<Record<string, Data>>;
}

/** Part `part` of `parts` of every tensor, along its samples. */
export function slices(data: StepData, part: number, parts: number): Record<string, Data> {
  return Object.fromEntries(
    Object.entries(data as unknown as Record<string, Data>).map(([name, values]) => {
      const length = values.length / parts;
      return [name, values.subarray(part * length, (part + 1) * length)];
    }),
  );
}
