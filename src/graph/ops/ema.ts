/** Exponential moving averages of parameters (Polyak, Juditsky 1992, with a window that forgets). */
import { ShapeError } from "../../gpu/errors.js";
import * as kernels from "../../kernels/ema.js";
import { record } from "../trace/graph.js";
import { GraphError, type Operation, type Tensor, type Tensors, type Variable } from "../trace/tensor.js";

const operation: Operation<Tensors<"average" | "parameter", "gate">, Tensors<never>, { readonly decay: number }> = {
  name: "ema",
  optional: ["gate"],
  updates: ["average"],
  outputs({ average, parameter, gate }) {
    if (average.shape.join() !== parameter.shape.join())
      throw new ShapeError(
        "ema",
        `the average of ${parameter.name}`,
        `has shape [${average.shape}], not [${parameter.shape}]`,
      );
    if (gate && gate.shape.join() !== "3")
      throw new ShapeError("ema", gate.name, `has shape [${gate.shape}]; a gate is [3]`);
    return {};
  },
  kernel: kernels.ema,
};

/**
 * average ← decay · average + (1 − decay) · parameter in place, for every parameter with its average (of its shape);
 * nothing while `gate` (of `updateGate`) is closed. An average that equals its parameter stays as it is. Throws
 * `ShapeError`, and `GraphError` for a decay outside [0, 1].
 */
export function ema(averages: readonly Variable[], params: readonly Variable[], decay: number, gate?: Tensor): void {
  if (!(decay >= 0 && decay <= 1))
    throw new GraphError(`ema: the decay is ${decay}`, "Give a number from 0 to 1, as 0.999");
  if (averages.length !== params.length)
    throw new ShapeError("ema", "averages", `holds ${averages.length} tensors for ${params.length} parameters`);
  for (const [i, average] of averages.entries())
    record(operation, { average, parameter: params[i] as Variable, gate }, { decay });
}
