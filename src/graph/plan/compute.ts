/** Operations outside a training loop: compile, run once, return the values, free the memory. For debugging and tests. */
import type { Device } from "../../gpu/device.js";
import type { Tensor } from "../trace/tensor.js";
import { compile, type ResultsOf } from "./plan.js";

/** What `compute` returns for what `build` returns: results in place of tensors. */
export type Computed<T> = ResultsOf<T>;

/**
 * Runs the operations that `build` records and returns the values of the tensor, or of the record of tensors, that it
 * returns: `await compute(device, () => relu(constant("x", [3], [-1, 0, 1])))`. Variables that it reads are on the GPU
 * already. Compiles anew at each call: use `compile` for what runs more than once. Throws what `compile` throws.
 */
export async function compute<T extends Tensor | Readonly<Record<string, Tensor>>>(
  device: Device,
  build: () => T,
): Promise<Computed<T>> {
  const plan = await compile(device, {}, () => ({ built: build() }));
  try {
    return (await plan.run({})).built as Computed<T>;
  } finally {
    plan.dispose();
  }
}
