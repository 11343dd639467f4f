/** Operations outside a training loop: compile, run once, return the values, free the memory. For debugging and tests. */
import type { Device } from "../../gpu/device.js";
import type { Shape } from "../../kernels/kernel.js";
import { Tensor } from "../trace/tensor.js";
import { compile, type Data } from "./plan.js";

/** The values of a tensor, flat and row-major, with its shape. */
export interface Values {
  readonly shape: Shape;
  readonly data: Data;
}

/** What `compute` returns for what `build` returns: values in place of tensors. */
export type Computed<T> = T extends Tensor ? Values : { readonly [name in keyof T]: Values };

/**
 * Runs the operations that `build` records and returns the values of the tensor, or of the record of tensors, that it
 * returns: `await compute(device, () => relu(constant("x", [3], [-1, 0, 1])))`. Variables that it reads are on the GPU
 * already. Compiles anew at each call: use `compile` for what runs more than once. Throws what `compile` throws.
 */
export async function compute<T extends Tensor | Readonly<Record<string, Tensor>>>(
  device: Device,
  build: () => T,
): Promise<Computed<T>> {
  const shapes = new Map<string, Shape>();
  let single = false;
  const plan = await compile(device, {}, () => {
    const built: Tensor | Readonly<Record<string, Tensor>> = build();
    single = built instanceof Tensor;
    const outputs: Readonly<Record<string, Tensor>> = built instanceof Tensor ? { value: built } : built;
    for (const [name, { shape }] of Object.entries(outputs)) shapes.set(name, shape);
    return outputs;
  });
  try {
    const found = Object.entries(await plan.run({})).map(([name, data]) => [
      name,
      { shape: shapes.get(name) as Shape, data },
    ]);
    const values = Object.fromEntries(found) as Readonly<Record<string, Values>>;
    return (single ? values.value : values) as Computed<T>;
  } finally {
    plan.dispose();
  }
}
