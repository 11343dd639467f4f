/** The gate that `adam` and `ema` pass: closed where a step would carry NaN or infinity into the parameters. */
import { ShapeError } from "../../gpu/errors.js";
import * as kernels from "../../kernels/update_gate.js";
import { record } from "../trace/graph.js";
import { GraphError, type Operation, type Tensor, type Tensors } from "../trace/tensor.js";

/** What `updateGate` makes of the summary of `gradientNorm`. */
export type UpdateGateOptions = kernels.UpdateGateOptions;

/** What a gate [3] holds, in its order. */
export const GATE = ["open", "scale", "norm"] as const;

const operation: Operation<Tensors<"summary", "before">, Tensors<"gate">, UpdateGateOptions> = {
  name: "update_gate",
  optional: ["before"],
  outputs({ summary: { name, shape }, before }, { rows, maxNorm }) {
    if (shape.length !== 2 || shape[1] !== 2)
      throw new ShapeError("update_gate", name, `has shape [${shape}], not [rows, 2]`);
    if (!Number.isInteger(rows) || rows < 1 || rows > (shape[0] as number))
      throw new ShapeError("update_gate", "rows", `is ${rows}; ${name} has ${shape[0]} rows`);
    if (before && before.shape.join() !== `${GATE.length}`)
      throw new ShapeError("update_gate", before.name, `has shape [${before.shape}]; a gate is [${GATE.length}]`);
    if (maxNorm !== undefined && !(maxNorm > 0 && Number.isFinite(maxNorm)))
      throw new GraphError(`update_gate: maxNorm is ${maxNorm}`, "Give a positive number, or leave it out");
    return { gate: { shape: [GATE.length] } };
  },
  kernel: kernels.updateGate,
};

/**
 * gate [3] = (open, scale, norm) from what `gradientNorm` wrote to `summary`.
 *
 * `norm` is that of all gradients of the first `rows` rows together; the rows after them are losses, which are checked
 * only. `open` is 1 if no row at all is flagged and `before`, another gate, is open where it is given, else 0. `scale`
 * is min(1, maxNorm / (norm + 1e-6)), as PyTorch's `clip_grad_norm_` has it, or 1 without `maxNorm`; 0 if the gate is
 * closed. Finite gradients whose squares overflow have norm ∞ and scale 0 (1 without `maxNorm`). Has no gradient.
 * Throws `ShapeError`, `GraphError`.
 */
export function updateGate(summary: Tensor, options: UpdateGateOptions, before?: Tensor): Tensor {
  return record(operation, { summary, before }, options).gate;
}
