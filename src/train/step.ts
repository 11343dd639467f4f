/** What a training step is given, and what it gives. */

import type { Tensors } from "../data/tasks.js";

/**
 * The tensors of a step: a batch of the loader. With `dropReference` in the configuration, `present` [N] is needed: 0 for
 * samples without a reference, else 1.
 */
export type StepData = Tensors & { readonly present?: Float32Array };

/** Learning rates of a step. */
export interface Rates {
  readonly lr: number;
  readonly discriminatorLr: number;
}

/** What a training step computed. */
export interface StepResult {
  /** `rec`, `chroma`, `edges`, `per`, `adv`, their weighted sum `total`, and the discriminator's `dis`; those that there are. */
  readonly losses: Readonly<Record<string, number>>;
  /** Of the network's gradient, before it is clipped. */
  readonly gradientNorm: number;
  /** Names the first gradient or loss that was NaN or infinite; nothing was updated by it. */
  readonly skipped: string | undefined;
}

/** Micro-batch `part` of `parts`: a slice of every tensor along its samples. */
export function microBatch({ lr, hr, ref, refDown, present }: StepData, part: number, parts: number): StepData {
  const slice = (values: Float32Array) => {
    const length = values.length / parts;
    return values.subarray(part * length, (part + 1) * length);
  };
  const images = { lr: slice(lr), hr: slice(hr), ref: slice(ref), refDown: slice(refDown) };
  return { ...images, ...(present && { present: slice(present) }) };
}
