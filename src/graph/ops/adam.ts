/** Adam (Kingma, Ba 2015), as PyTorch computes it: eps is added after the bias correction of the second moment. */
import { ShapeError } from "../../gpu/errors.js";
import * as kernels from "../../kernels/adam.js";
import { record } from "../trace/graph.js";
import { GraphError, type Operation, type Tensor, type Tensors, type Variable } from "../trace/tensor.js";

/** Length of the tensor of scalars that `adamHyper` fills. */
export const ADAM_HYPER_LENGTH = 8;

type Inputs = Tensors<"parameter" | "gradient" | "expAvg" | "expAvgSq" | "hyper", "gate">;

interface Attributes {
  /** Whether `hyper` has a weight decay other than 0. */
  readonly decays: boolean;
}

const operation: Operation<Inputs, Tensors<never>, Attributes> = {
  name: "adam",
  optional: ["gate"],
  updates: ["parameter", "expAvg", "expAvgSq"],
  outputs({ parameter, gradient, expAvg, expAvgSq, hyper, gate }) {
    const shape = parameter.shape.join();
    if (hyper.shape.join() !== `${ADAM_HYPER_LENGTH}`)
      throw new ShapeError("adam", hyper.name, `has shape [${hyper.shape}], not [${ADAM_HYPER_LENGTH}]`);
    if (gate && gate.shape.join() !== "3")
      throw new ShapeError("adam", gate.name, `has shape [${gate.shape}]; a gate is [3]`);
    for (const [what, tensor] of Object.entries({ "the gradient": gradient, expAvg, expAvgSq }))
      if (tensor.shape.join() !== shape)
        throw new ShapeError("adam", `${what} of ${parameter.name}`, `has shape [${tensor.shape}], not [${shape}]`);
    return {};
  },
  kernel: (recorder, inputs, _, { decays }) => kernels.adam(recorder, inputs, decays),
};

/** Adam's running means of the gradients and of their squares: one variable of its shape a parameter, at first 0. */
export interface Moments {
  readonly expAvg: readonly Variable[];
  readonly expAvgSq: readonly Variable[];
}

/**
 * One step in place, for every parameter p with gradient g and moments m, v: m ← β₁m + (1 − β₁)g, v ← β₂v + (1 − β₂)g²,
 * p ← p − lr/(1 − β₁ᵗ) · m / (√v/√(1 − β₂ᵗ) + eps), as PyTorch's `optim.Adam`. `hyper` is an input of shape
 * [ADAM_HYPER_LENGTH], filled by `adamHyper` before each run. With a `gate` (of `updateGate`) g is scale · gradient, and
 * nothing is written while it is closed. Only if `decays` is weight decay applied: g ← g + weightDecay · p. The class
 * `Adam` of src/nn keeps moments, step counter and gate. Throws `ShapeError`.
 */
export function adam(
  params: readonly Variable[],
  grads: readonly Tensor[],
  moments: Moments,
  hyper: Tensor,
  gate?: Tensor,
  decays = false,
): void {
  for (const [name, list] of Object.entries({ grads, ...moments }))
    if (list.length !== params.length)
      throw new ShapeError("adam", name, `holds ${list.length} tensors for ${params.length} parameters`);
  for (const [i, parameter] of params.entries()) {
    const [gradient, expAvg, expAvgSq] = [grads[i], moments.expAvg[i], moments.expAvgSq[i]] as [Tensor, Tensor, Tensor];
    record(operation, { parameter, gradient, expAvg, expAvgSq, hyper, gate }, { decays });
  }
}

/** The settings of `adam`'s step, as PyTorch names them. */
export interface AdamSettings {
  readonly lr: number;
  readonly betas: readonly [number, number];
  /** Default 1e-8. */
  readonly eps?: number;
  /** Default 0. */
  readonly weightDecay?: number;
  /** 1 for the first step. */
  readonly step: number;
}

/** The scalars of step t for `adam`: lr/(1 − β₁ᵗ), 1/√(1 − β₂ᵗ), β₁, 1 − β₁, β₂, 1 − β₂, eps, weight decay; rounded once, from float64. Throws `GraphError` unless `step` is a positive integer. */
export function adamHyper({
  lr,
  betas: [beta1, beta2],
  eps = 1e-8,
  weightDecay = 0,
  step,
}: AdamSettings): Float32Array {
  if (!Number.isInteger(step) || step < 1) throw new GraphError(`adam: the step is ${step}`, "Count steps from 1");
  const stepSize = lr / (1 - beta1 ** step);
  const scale = 1 / Math.sqrt(1 - beta2 ** step);
  return Float32Array.of(stepSize, scale, beta1, 1 - beta1, beta2, 1 - beta2, eps, weightDecay);
}
