/**
 * The training step on the GPU: networks and optimisers with the step's plans, compiled once and replayed. It knows no
 * files and no data set; run.ts makes a training run of it.
 */

import type { Tensors } from "../data/tasks.js";
import { ArgumentError } from "../errors.js";
import type { FileTensor } from "../formats/tensor.js";
import type { Device } from "../gpu/device.js";
import { GpuError } from "../gpu/errors.js";
import { type Data, dataOf, type Plan, plan, type RunOptions } from "../graph/plan/plan.js";
import { checkpointing } from "../graph/trace/graph.js";
import type { Parameters } from "../graph/trace/parameters.js";
import type { Tensor } from "../graph/trace/tensor.js";
import type { Shape } from "../kernels/kernel.js";
import type { Masa } from "../masa/masa.js";
import type { TrainerConfig } from "./config.js";
import { type NamedObjective, namedObjective, type Objective } from "./custom_objective.js";
import type { Networks } from "./networks.js";
import {
  lossNames,
  Optimisers,
  recordGradients,
  recordStep,
  recordUpdate,
  type StepConfig,
  type StepInputs,
  type TrainedName,
} from "./record_step.js";
import { readState, type StatePart, writeState } from "./state.js";
import { microBatch, type Rates, type StepData, type StepResult } from "./step.js";
import { type GradientSum, SOLO, type Team } from "./team.js";

/** Training cannot go on. */
export class TrainingError extends GpuError {
  override readonly name = "TrainingError";
}

/** How a trainer's plans are made. */
export interface TrainerOptions {
  /** Variants of kernels by the key of the choice; default those of the device. */
  readonly choices?: ReadonlyMap<string, string> | undefined;
  /** The processes that share every batch: `shapes` and the data of a step are this one's part. Default this one alone. */
  readonly team?: Team | undefined;
  /** Replaces the configured losses. Needs `per` and `adv` to be 0. */
  readonly objective?: Objective | undefined;
}

/** Shapes of a batch. */
export type BatchShapes = Readonly<Record<keyof Tensors, Shape>>;

type ImagePlan = Plan<Readonly<Record<keyof StepData, Shape>>>;

/** One network's half of a step whose gradients are accumulated over micro-batches. */
interface Phase {
  readonly name: TrainedName;
  readonly sum: GradientSum;
  /** Adds the gradients of one micro-batch to `sum`. */
  readonly gather: ImagePlan;
  /** Updates the network by `sum`. */
  readonly update: Plan<object>;
}

/** A step is one plan, or the discriminator's phase (where there is one) and then the generator's. */
type StepPlans =
  | { readonly kind: "whole"; readonly step: ImagePlan }
  | { readonly kind: "accumulated"; readonly microBatches: number; readonly phases: readonly Phase[] };

/** One training step after another on the GPU; `train` makes a run with files of it. */
export class Trainer {
  /** Micro-batches of this process's part of a batch. */
  readonly #microBatches: number;
  /** Shapes of a micro-batch. */
  readonly #shapes: BatchShapes;
  readonly #step: StepConfig;
  readonly #optimisers: Optimisers;
  readonly #plans: StepPlans;

  private constructor(
    readonly device: Device,
    readonly networks: Networks,
    readonly config: TrainerConfig,
    shapes: BatchShapes,
    options: TrainerOptions,
  ) {
    const { team = SOLO } = options;
    this.#microBatches = config.batch / (config.microBatch ?? config.batch) / team.size;
    this.#shapes = this.#divided(shapes);
    this.#step = { ...config, objective: this.#objective(options.objective) };
    this.#optimisers = new Optimisers(networks, this.#step);
    this.#plans = this.#plan(options);
  }

  /**
   * Plans the steps for batches of `shapes` and takes the GPU memory; the `networks` have theirs and are filled. Throws
   * `LimitError`, `OutOfGpuMemoryError`, `ShapeError`.
   */
  static async create(
    device: Device,
    networks: Networks,
    config: TrainerConfig,
    shapes: BatchShapes,
    options: TrainerOptions = {},
  ): Promise<Trainer> {
    const trainer = Trainer.plan(device, networks, config, shapes, options);
    try {
      await trainer.#optimisers.allocate(device);
      for (const { sum } of trainer.#phases) await sum.allocate(device);
      for (const plan of trainer.plans) await plan.prepare();
    } catch (error) {
      trainer.dispose();
      throw error;
    }
    return trainer;
  }

  /** A trainer whose `bytes` and `plans` are known, but that has taken no memory yet: `create` makes one that trains. */
  static plan(
    device: Device,
    networks: Networks,
    config: TrainerConfig,
    shapes: BatchShapes,
    options: TrainerOptions = {},
  ): Trainer {
    return new Trainer(device, networks, config, shapes, options);
  }

  /** The network that training is about: the EMA where there is one. */
  get result(): Masa {
    return this.#optimisers.averaged ?? this.networks.masa;
  }

  /** The plans, in the order of a step. */
  get plans(): readonly Plan[] {
    const plans = this.#plans;
    return plans.kind === "whole" ? [plans.step] : plans.phases.flatMap(({ gather, update }) => [gather, update]);
  }

  get #phases(): readonly Phase[] {
    return this.#plans.kind === "whole" ? [] : this.#plans.phases;
  }

  /** Bytes of GPU memory that training takes, the networks included. */
  get bytes(): number {
    const sums = this.#phases.map(({ sum }) => sum);
    const parts = [...this.plans, ...Object.values(this.networks.parameters), this.#optimisers, ...sums];
    return parts.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** The variants that the plans took, by the key of the choice: another order of sums would give other bits. */
  get choices(): ReadonlyMap<string, string> {
    return new Map(this.plans.flatMap(({ choices }) => choices.map(({ key, taken }) => [key, taken] as const)));
  }

  /** Updates made of each network. */
  get updates(): Record<TrainedName, number> {
    const { generator, discriminator } = this.#optimisers;
    return { generator: generator.steps, discriminator: discriminator?.steps ?? 0 };
  }

  #divided(shapes: BatchShapes): BatchShapes {
    const part = (shape: Shape) => [(shape[0] as number) / this.#microBatches, ...shape.slice(1)];
    return { lr: part(shapes.lr), ref: part(shapes.ref), refDown: part(shapes.refDown), hr: part(shapes.hr) };
  }

  #objective(objective: Objective | undefined): NamedObjective | undefined {
    const { per, adv } = this.config;
    if (objective && (per > 0 || adv > 0))
      throw new ArgumentError(
        `an objective is given, and per is ${per}, adv is ${adv}`,
        "Set both to 0: the objective replaces the configured losses",
      );
    return objective && namedObjective(objective, this.#shapes);
  }

  /** The losses of a step, in the order of logs. */
  get losses(): readonly string[] {
    const { discriminator } = this.networks;
    return [...lossNames("generator", this.#step), ...(discriminator ? lossNames("discriminator", this.#step) : [])];
  }

  #plan({ choices, team = SOLO }: TrainerOptions): StepPlans {
    const { device, networks } = this;
    const [optimisers, config, microBatches] = [this.#optimisers, this.#step, this.#microBatches];
    const { dropReference, recompute } = this.config;
    const all = microBatches * team.size;
    const present = [this.#shapes.lr[0] as number, 1, 1, 1];
    const images = { ...this.#shapes, ...(dropReference > 0 && { present }) };
    const imagePlan = (build: (inputs: StepInputs) => Readonly<Record<string, Tensor>>) =>
      plan(device, images as Record<keyof StepData, Shape>, (inputs) => checkpointing(recompute, () => build(inputs)), {
        choices,
      });
    if (all === 1)
      return {
        kind: "whole",
        step: imagePlan((inputs) => recordStep(networks, optimisers, config, inputs).losses),
      };
    const names: readonly TrainedName[] = networks.discriminator ? ["discriminator", "generator"] : ["generator"];
    const phases = names.map((name): Phase => {
      const parameters = networks.parameters[name]?.trainable ?? [];
      const sum = team.gradientSum(parameters, { microBatches: all, losses: lossNames(name, config), name });
      const sums = sum.accumulator;
      return {
        ...{ name, sum },
        gather: imagePlan((inputs) => {
          recordGradients(name, networks, optimisers, config, inputs, sums);
          return {};
        }),
        update: plan(device, {}, () => recordUpdate(name, optimisers, config, sums), { choices }),
      };
    });
    return { kind: "accumulated", microBatches, phases };
  }

  /**
   * One training step. Throws what a lost device throws; a step without finite gradients is not an error, but `skipped`.
   */
  async step(data: StepData, rates: Rates, watch: RunOptions = {}): Promise<StepResult> {
    const { generator, discriminator } = this.#optimisers;
    generator.lr = rates.lr;
    if (discriminator) discriminator.lr = rates.discriminatorLr;
    const found = await this.#run(data, watch);
    let skipped: string | undefined;
    for (const [name, optimiser] of Object.entries({ discriminator, generator }))
      if (optimiser && !optimiser.updated) skipped ??= (await optimiser.fault()) ?? `the ${name}'s update`;
    return {
      losses: Object.fromEntries(this.losses.map((name) => [name, found[name]?.[0] as number])),
      gradientNorm: generator.gradientNorm,
      skipped,
    };
  }

  async #run(data: StepData, watch: RunOptions): Promise<Readonly<Record<string, Data>>> {
    if (this.#plans.kind === "whole") return dataOf(await this.#plans.step.run(data as Required<StepData>, watch));
    const { microBatches, phases } = this.#plans;
    let losses: Readonly<Record<string, Data>> = {};
    for (const { sum, gather, update } of phases) {
      sum.begin();
      for (let part = 0; part < microBatches; part++) {
        await gather.run(microBatch(data, part, microBatches) as Required<StepData>, watch);
        await sum.added(watch);
      }
      await sum.finish(watch);
      losses = { ...losses, ...dataOf(await update.run({}, watch)) };
    }
    return losses;
  }

  /** What a checkpoint holds of it: networks, moments, EMA. */
  tensors(): Promise<Map<string, FileTensor>> {
    return readState(this.#saved());
  }

  /** Puts a checkpoint's state back. Throws `CheckpointError`, listing what does not fit; nothing has changed then. */
  restore(tensors: ReadonlyMap<string, FileTensor>, updates: Trainer["updates"], path: string): void {
    writeState(this.#saved(), tensors, path);
    const { generator, discriminator } = this.#optimisers;
    generator.steps = updates.generator;
    if (discriminator) discriminator.steps = updates.discriminator;
  }

  #saved(): StatePart[] {
    const { generator, discriminator } = this.networks.parameters;
    const optimisers = this.#optimisers;
    const parts: readonly (readonly [string, Parameters | undefined])[] = [
      ["generator/", generator],
      ["discriminator/", discriminator],
      ["average/", optimisers.averaged?.parameters],
      ["adam/generator/", optimisers.generator.state],
      ["adam/discriminator/", optimisers.discriminator?.state],
    ];
    return parts.flatMap(([prefix, parameters]) => (parameters ? [{ prefix, parameters }] : []));
  }

  /** Frees the GPU memory of everything but the networks. Safe to repeat. */
  dispose(): void {
    for (const plan of this.plans) plan.dispose();
    for (const { sum } of this.#phases) sum.dispose();
    this.#optimisers.dispose();
  }
}
