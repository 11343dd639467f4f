/** A loss from the caller in place of the configured ones. */
import { ArgumentError } from "../errors.js";
import { add } from "../graph/ops/pointwise.js";
import { input, trace } from "../graph/trace/graph.js";
import type { Tensor } from "../graph/trace/tensor.js";
import { reshape } from "../graph/trace/view.js";
import type { Shape } from "../kernels/kernel.js";
import type { Losses } from "./objective.js";

/** The images of a step, BGR in [0, 1]. */
export interface ObjectiveImages {
  /** The network's result, [N, 3, 4H, 4W], not clamped. */
  readonly sr: Tensor;
  /** The true image, of the same shape. */
  readonly hr: Tensor;
  /** The low resolution, [N, 3, H, W]. */
  readonly lr: Tensor;
  /** The reference, [N, 3, 4H, 4W]. */
  readonly ref: Tensor;
}

/**
 * Records losses, each a tensor of one value, under the names that logs show. Training minimises `total`, or the sum of
 * all where there is no `total`.
 */
export type Objective = (images: ObjectiveImages) => Losses;

/** An objective with the names of its losses; `total` is always the last. */
export interface NamedObjective {
  readonly names: readonly string[];
  readonly record: Objective;
}

/** The objective for images of these shapes: its names are known once it has been traced. Throws `ArgumentError`. */
export function namedObjective(
  objective: Objective,
  shapes: Readonly<Record<"lr" | "hr" | "ref", Shape>>,
): NamedObjective {
  const record = (images: ObjectiveImages) => withTotal(objective(images));
  const { result } = trace(() => {
    const [hr, lr, ref] = [input("hr", shapes.hr), input("lr", shapes.lr), input("ref", shapes.ref)];
    return record({ sr: input("sr", shapes.hr), hr, lr, ref });
  });
  return { names: Object.keys(result), record };
}

function withTotal({ total, ...losses }: Losses): Losses {
  const given = Object.entries({ ...losses, ...(total && { total }) });
  if (given.length === 0) throw new ArgumentError("the objective returns no losses", "Return at least one, by name");
  const scalars = given.map(([name, loss]) => {
    if (loss.size !== 1)
      throw new ArgumentError(
        `the objective's loss ${name} has shape [${loss.shape}]`,
        "Reduce it to one value, as by mean(loss)",
      );
    return [name, reshape(loss, [])] as const;
  });
  const sum = () => scalars.map(([, loss]) => loss).reduce((a, b) => add(a, b));
  return { ...Object.fromEntries(scalars), ...(!total && { total: sum() }) };
}
