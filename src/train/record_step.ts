/**
 * A training step as nodes of a graph: forward passes, losses, gradients and updates. The trainer compiles it for a run,
 * conformance compiles it to compare every tensor with PyTorch's.
 */
import type { Device } from "../gpu/device.js";
import { grad } from "../graph/trace/grad.js";
import { noGrad, scope } from "../graph/trace/graph.js";
import type { Tensor } from "../graph/trace/tensor.js";
import { Masa, type MasaInputs, type MasaOptions } from "../masa/masa.js";
import type { GradientAccumulator } from "../nn/accumulation.js";
import { Adam } from "../nn/adam.js";
import { Ema } from "../nn/ema.js";
import type { TrainerConfig } from "./config.js";
import type { NamedObjective } from "./custom_objective.js";
import type { Networks } from "./networks.js";
import { discriminatorLoss, GENERATOR_LOSSES, generatorLoss, type Losses } from "./objective.js";

/** The images of a step, matches to use instead of searching, and which samples have a reference. */
export interface StepInputs extends MasaInputs, Pick<MasaOptions, "coarseIndex" | "fineIndex" | "present"> {
  /** The true image, [N, 3, 4H, 4W]. */
  readonly hr: Tensor;
}

/** What the recorded step depends on, besides networks and optimisers. An `objective` replaces the configured losses. */
export type StepConfig = { readonly objective?: NamedObjective | undefined } & Pick<
  TrainerConfig,
  "rec" | "smooth" | "chroma" | "edges" | "per" | "adv" | "betas" | "discriminatorBetas" | "clip" | "average"
>;

/** The two networks that a step can train. */
export type TrainedName = "generator" | "discriminator";

/** All tensors of a recorded step. */
export interface RecordedStep {
  readonly sr: Tensor;
  /** `rec`, `chroma`, `edges`, `per`, `adv`, their weighted sum `total`, and the discriminator's `dis`: those that the config asks for. */
  readonly losses: Losses;
  /** Of the discriminator's forward passes, in their order. */
  readonly logits: readonly Tensor[];
  /** VGG's features of `sr`. */
  readonly features: Tensor | undefined;
  /** In the order of the networks' trainable parameters. */
  readonly gradients: Readonly<Record<TrainedName, readonly Tensor[]>>;
}

/** The losses that a network minimises or reports, by the names that logs and messages use. */
export function lossNames(name: TrainedName, config: StepConfig): string[] {
  if (name === "discriminator") return ["dis"];
  if (config.objective) return [...config.objective.names];
  return [...GENERATOR_LOSSES.filter((loss) => config[loss] > 0), "total"];
}

/** The optimisers of a step's networks, and the EMA of the generator. */
export class Optimisers {
  readonly generator: Adam;
  readonly discriminator: Adam | undefined;
  readonly ema: Ema | undefined;
  /** The network whose parameters are the EMA. */
  readonly averaged: Masa | undefined;

  constructor(networks: Networks, config: StepConfig) {
    const adam = (name: TrainedName, betas: readonly [number, number]) =>
      new Adam(networks.parameters[name]?.trainable ?? [], { lr: 0, betas, losses: lossNames(name, config), name });
    this.generator = adam("generator", config.betas);
    if (networks.discriminator) this.discriminator = adam("discriminator", config.discriminatorBetas);
    if (config.average === null) return;
    this.averaged = new Masa(networks.masa.config);
    this.ema = new Ema(this.averaged.parameters, networks.masa.parameters, { decay: config.average });
  }

  get #all() {
    return [this.generator, this.discriminator, this.ema];
  }

  /** Bytes of GPU memory that they take. */
  get bytes(): number {
    return this.#all.reduce((sum, part) => sum + (part?.bytes ?? 0), 0);
  }

  /** Takes the GPU memory; the networks have their weights already. */
  async allocate(device: Device): Promise<void> {
    for (const part of this.#all) await part?.allocate(device);
  }

  /** Frees the GPU memory. Safe to repeat. */
  dispose(): void {
    for (const part of this.#all) part?.dispose();
  }
}

/**
 * Records a whole step: the discriminator learns from the generator's result, then the generator learns from the
 * discriminator that has just been updated. `options` go to the generator's forward pass.
 */
export function recordStep(
  networks: Networks,
  optimisers: Optimisers,
  config: StepConfig,
  inputs: StepInputs,
  options: Pick<MasaOptions, "probe"> = {},
): RecordedStep {
  const sr = recordForward(networks, inputs, options);
  const gradients: Record<TrainedName, readonly Tensor[]> = { generator: [], discriminator: [] };
  const logits: Tensor[] = [];
  let losses: Losses = {};
  let gate: Tensor | undefined;
  if (optimisers.discriminator) {
    const recorded = recordDiscriminator(networks, optimisers, sr, inputs.hr);
    gate = optimisers.discriminator.step(recorded.gradients, { losses: recorded.losses });
    gradients.discriminator = recorded.gradients;
    losses = recorded.losses;
    logits.push(...recorded.logits);
  }
  const recorded = recordGenerator(networks, optimisers, config, sr, inputs);
  updateGenerator(optimisers, config, recorded.gradients, recorded.losses, gate);
  gradients.generator = recorded.gradients;
  losses = { ...losses, ...recorded.losses };
  logits.push(...recorded.logits);
  return { sr, losses, logits, features: recorded.features, gradients };
}

/**
 * Records one micro-batch of one network's half of a step: its gradients and losses are added to `sums`. `recordUpdate`
 * applies them; between the two, `sums.gradients` can be changed from outside.
 */
export function recordGradients(
  name: TrainedName,
  networks: Networks,
  optimisers: Optimisers,
  config: StepConfig,
  inputs: StepInputs,
  sums: GradientAccumulator,
): void {
  const forward = () => recordForward(networks, inputs);
  const { gradients, losses } =
    name === "generator"
      ? recordGenerator(networks, optimisers, config, forward(), inputs)
      : recordDiscriminator(networks, optimisers, noGrad(forward), inputs.hr);
  sums.add(gradients, losses);
}

/** Records the update by what `recordGradients` added up; returns the mean losses. */
export function recordUpdate(
  name: TrainedName,
  optimisers: Optimisers,
  config: StepConfig,
  { gradients, losses }: GradientAccumulator,
): Losses {
  if (name === "generator")
    updateGenerator(optimisers, config, gradients, losses, optimisers.discriminator?.lastGate());
  else optimisers.discriminator?.step(gradients, { losses });
  return losses;
}

function recordForward(
  { masa }: Networks,
  { lr, ref, refDown, present, coarseIndex, fineIndex }: StepInputs,
  options: Pick<MasaOptions, "probe"> = {},
): Tensor {
  const given = { ...(present && { present }), ...(coarseIndex && { coarseIndex }), ...(fineIndex && { fineIndex }) };
  return masa.forward({ lr, ref, refDown }, { ...options, ...given }).sr;
}

function recordDiscriminator({ discriminator }: Networks, optimisers: Optimisers, sr: Tensor, hr: Tensor) {
  if (!discriminator || !optimisers.discriminator) throw new Error("there is no discriminator");
  const { loss, logits } = discriminatorLoss(discriminator, sr, hr);
  return { losses: { dis: loss }, logits, gradients: backward(loss, optimisers.discriminator) };
}

function recordGenerator(
  networks: Networks,
  { generator }: Optimisers,
  config: StepConfig,
  sr: Tensor,
  { hr, lr, ref }: StepInputs,
) {
  const { objective } = config;
  const { losses, logits, features } = objective
    ? { losses: objective.record({ sr, hr, lr, ref }), logits: [], features: undefined }
    : generatorLoss(sr, hr, config, networks);
  return { losses, logits, features, gradients: backward(losses.total as Tensor, generator) };
}

function backward(loss: Tensor, { parameters }: Adam): Tensor[] {
  return scope("backward", () => grad(loss, parameters));
}

function updateGenerator(
  { generator, ema }: Optimisers,
  { clip }: StepConfig,
  gradients: readonly Tensor[],
  losses: Losses,
  before: Tensor | undefined,
): void {
  const gate = generator.step(gradients, { clipNorm: clip ?? undefined, losses, gate: before });
  ema?.update(gate);
}
