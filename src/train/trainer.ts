/**
 * The training step on the GPU: networks, losses, gradients, optimisers, planned once and replayed. It knows no files and
 * no data set; run.ts makes a training run of it.
 */

import type { Tensors } from "../data/tasks.js";
import type { FileTensor } from "../formats/tensor.js";
import type { Device } from "../gpu/device.js";
import { GpuError } from "../gpu/errors.js";
import { accumulate } from "../graph/ops/accumulate.js";
import { ADAM_HYPER_LENGTH, adam, adamHyper, type Moments } from "../graph/ops/adam.js";
import { ema } from "../graph/ops/ema.js";
import { gradientNorm } from "../graph/ops/gradient_norm.js";
import { updateGate } from "../graph/ops/update_gate.js";
import { type Data, type InputSpec, type Plan, plan, type RunOptions } from "../graph/plan/plan.js";
import { grad } from "../graph/trace/grad.js";
import { checkpointing, noGrad, scope } from "../graph/trace/graph.js";
import { Parameters, zeros } from "../graph/trace/parameters.js";
import type { Tensor, Variable } from "../graph/trace/tensor.js";
import type { Shape } from "../kernels/kernel.js";
import type { Probe } from "../masa/decoder.js";
import { Masa } from "../masa/masa.js";
import type { TrainerConfig } from "./config.js";
import type { Networks } from "./networks.js";
import { discriminatorLoss, GENERATOR_LOSSES, generatorLoss, type Losses } from "./objective.js";
import { readState, type StatePart, writeState } from "./state.js";
import { type Rates, type StepData, type StepResult, slices } from "./step.js";

/** Training cannot go on. */
export class TrainingError extends GpuError {
  override readonly name = "TrainingError";
}

/** All tensors of a step for others to look at. */
export interface Recorded {
  readonly sr: Tensor;
  readonly losses: Losses;
  readonly logits: readonly Tensor[];
  /** VGG's features of `sr`. */
  readonly features: Tensor | undefined;
  /** In the order of the networks' trainable parameters. */
  readonly gradients: Readonly<Record<"generator" | "discriminator", readonly Tensor[]>>;
  readonly inputs: Readonly<Record<string, Tensor>>;
}

/** How the step is recorded, for who compares it with another implementation. */
export interface TrainerOptions {
  /** Shapes of match indices that each step is given, instead of searching: [N, blocks] and [N·blocks, ky, kx]. */
  readonly indices?: Readonly<Record<"coarseIndex" | "fineIndex", Shape>> | undefined;
  /** Variants of kernels by the key of the choice; default those of the device. */
  readonly choices?: ReadonlyMap<string, string> | undefined;
  /** Sees the network's intermediate tensors (see `MasaOptions`). */
  readonly probe?: Probe | undefined;
  /** Chooses tensors that each step reads back as `observed`; called once. Needs the whole batch in one micro-batch. */
  readonly observe?: ((recorded: Recorded) => Readonly<Record<string, Tensor>>) | undefined;
}

const IMAGES = ["lr", "ref", "refDown", "hr"] as const;
type Inputs = Readonly<Record<string, Tensor>>;

/** A network that is trained, with its optimiser. */
interface Side {
  readonly name: "generator" | "discriminator";
  readonly variables: readonly Variable[];
  readonly moments: Moments;
  /** A row for each gradient, then one for each loss (see `gradientNorm`). */
  readonly summary: Variable;
  readonly losses: readonly string[];
  /** Of the gradients and losses over micro-batches, if there are several. */
  readonly sums: { readonly gradients: readonly Variable[]; readonly losses: readonly Variable[] };
  readonly betas: readonly [number, number];
  /** Updates made. */
  steps: number;
}

interface Recording {
  readonly gradients: readonly Tensor[];
  readonly losses: Losses;
}

/** One training step after another on the GPU; `train` makes a run with files of it. */
export class Trainer {
  /** Adam's moments, and what else a checkpoint holds beside the networks. */
  readonly #state = new Parameters();
  readonly #scratch = new Parameters();
  readonly #average: Masa | undefined;
  readonly #generator: Side;
  readonly #discriminator: Side | undefined;
  /** Micro-batches in a batch. */
  readonly #parts: number;
  readonly #plans: Plan[] = [];

  private constructor(
    readonly device: Device,
    readonly networks: Networks,
    readonly config: TrainerConfig,
    readonly options: TrainerOptions,
  ) {
    this.#parts = config.batch / (config.microBatch ?? config.batch);
    const wanted = GENERATOR_LOSSES.filter((name) => config[name] > 0);
    this.#generator = this.#declareSide("generator", [...wanted, "total"], config.betas);
    if (networks.discriminator)
      this.#discriminator = this.#declareSide("discriminator", ["dis"], config.discriminatorBetas);
    if (config.average !== null) this.#average = new Masa(config);
  }

  /**
   * Plans the steps for batches of `shapes` and takes the GPU memory; the `networks` have theirs and are filled. Throws
   * `LimitError`, `OutOfGpuMemoryError`, `ShapeError`.
   */
  static async create(
    device: Device,
    networks: Networks,
    config: TrainerConfig,
    shapes: Readonly<Record<keyof Tensors, Shape>>,
    options: TrainerOptions = {},
  ): Promise<Trainer> {
    const trainer = Trainer.plan(device, networks, config, shapes, options);
    try {
      await trainer.#state.allocate(device);
      await trainer.#scratch.allocate(device);
      await trainer.#copyToAverage();
      for (const plan of trainer.#plans) await plan.prepare();
    } catch (error) {
      trainer.dispose();
      throw error;
    }
    return trainer;
  }

  /** A trainer that tells its `bytes`, but has taken none yet: `create` makes one that trains. */
  static plan(
    device: Device,
    networks: Networks,
    config: TrainerConfig,
    shapes: Readonly<Record<keyof Tensors, Shape>>,
    options: TrainerOptions = {},
  ): Trainer {
    const trainer = new Trainer(device, networks, config, options);
    trainer.#plan(shapes);
    return trainer;
  }

  /** The network that training is about: the running average where there is one. */
  get result(): Masa {
    return this.#average ?? this.networks.masa;
  }

  /** The plans, in the order of a step. */
  get plans(): readonly Plan[] {
    return this.#plans;
  }

  /** Bytes of GPU memory that training takes, the networks included. */
  get bytes(): number {
    const { networks } = this;
    const parameters = [...Object.values(networks.parameters), this.#state, this.#scratch, this.#average?.parameters];
    return [...this.#plans, ...parameters].reduce((sum, part) => sum + (part?.bytes ?? 0), 0);
  }

  /** The variants that the plans took, by the key of the choice: another order of sums would give other bits. */
  get choices(): ReadonlyMap<string, string> {
    return new Map(this.#plans.flatMap(({ choices }) => choices.map(({ key, taken }) => [key, taken] as const)));
  }

  /** Updates made of each network. */
  get updates(): { generator: number; discriminator: number } {
    return { generator: this.#generator.steps, discriminator: this.#discriminator?.steps ?? 0 };
  }

  #declareSide(name: Side["name"], losses: readonly string[], betas: readonly [number, number]): Side {
    const variables = this.networks.parameters[name]?.trainable ?? [];
    const moment = (kind: string) =>
      variables.map((v) => this.#state.declare(`adam/${name}/${v.name}/${kind}`, v.shape, zeros, false));
    const sum = (what: string, shape: Shape) => this.#scratch.declare(`sum of ${name} ${what}`, shape, zeros, false);
    const several = this.#parts > 1;
    return {
      ...{ name, variables, losses, betas, steps: 0 },
      moments: { expAvg: moment("exp_avg"), expAvgSq: moment("exp_avg_sq") },
      summary: this.#scratch.declare(`summary of ${name}`, [variables.length + losses.length, 2], zeros, false),
      sums: {
        gradients: several ? variables.map((v) => sum(`gradient ${v.name}`, v.shape)) : [],
        losses: several ? losses.map((loss) => sum(`loss ${loss}`, [])) : [],
      },
    };
  }

  async #copyToAverage(): Promise<void> {
    if (!this.#average) return;
    const [average, { parameters }] = [this.#average.parameters, this.networks.masa];
    await average.allocate(this.device);
    for (const variable of average.all) average.write(variable, await parameters.read(parameters.get(variable.name)));
  }

  #plan(shapes: Readonly<Record<keyof Tensors, Shape>>): void {
    const part = (shape: Shape) => [(shape[0] as number) / this.#parts, ...shape.slice(1)];
    const images: Record<string, InputSpec> = Object.fromEntries(IMAGES.map((name) => [name, part(shapes[name])]));
    if (this.config.dropReference > 0) images.present = part([shapes.lr[0] as number, 1, 1, 1]);
    for (const [name, shape] of Object.entries(this.options.indices ?? {}))
      images[name] = { shape: part(shape), dtype: "i32" };
    const [adamG, adamD] = [{ adamG: [ADAM_HYPER_LENGTH] }, { adamD: [ADAM_HYPER_LENGTH] }];
    const add = (inputs: Readonly<Record<string, InputSpec>>, build: (inputs: Inputs) => Inputs) => {
      const record = (tensors: Inputs) => checkpointing(this.config.recompute, () => build(tensors));
      this.#plans.push(plan(this.device, inputs, record, { choices: this.options.choices }));
    };
    if (this.#parts === 1) {
      const hyper = { ...adamG, ...(this.#discriminator && adamD) };
      add({ ...images, ...hyper }, (inputs) => this.#recordStep(inputs));
      return;
    }
    const keep = { keep: [1] };
    if (this.#discriminator) {
      const side = this.#discriminator;
      add({ ...images, ...keep }, (inputs) => this.#accumulate(side, inputs));
      add(adamD, ({ adamD }) => this.#updateFromSums(side, adamD as Tensor));
    }
    add({ ...images, ...keep }, (inputs) => this.#accumulate(this.#generator, inputs));
    add(adamG, ({ adamG }) => this.#updateFromSums(this.#generator, adamG as Tensor));
  }

  /** A whole step, for a batch that the GPU takes at once. */
  #recordStep(inputs: Inputs): Inputs {
    const { observe } = this.options;
    const sr = this.#forward(inputs);
    const outputs: Record<string, Tensor> = {};
    const gradients: Record<Side["name"], readonly Tensor[]> = { generator: [], discriminator: [] };
    const logits: Tensor[] = [];
    let gate: Tensor | undefined;
    if (this.#discriminator) {
      const { logits: seen, ...recording } = this.#recordDiscriminator(sr, inputs);
      gate = this.#update(this.#discriminator, recording, inputs.adamD as Tensor);
      logits.push(...seen);
      gradients.discriminator = recording.gradients;
      Object.assign(outputs, recording.losses, { "gate discriminator": gate });
    }
    const { logits: seen, features, ...recording } = this.#recordGenerator(sr, inputs);
    logits.push(...seen);
    gradients.generator = recording.gradients;
    gate = this.#update(this.#generator, recording, inputs.adamG as Tensor, gate);
    Object.assign(outputs, recording.losses, { "gate generator": gate });
    const observed = observe?.({ sr, losses: outputs, logits, features, gradients, inputs }) ?? {};
    return { ...outputs, ...Object.fromEntries(Object.entries(observed).map(([name, t]) => [OBSERVED + name, t])) };
  }

  #forward({ lr, ref, refDown, present, coarseIndex, fineIndex }: Inputs): Tensor {
    const images = { lr: lr as Tensor, ref: ref as Tensor, refDown: refDown as Tensor };
    const { probe } = this.options;
    const options = {
      ...(present && { present }),
      ...(coarseIndex && { coarseIndex }),
      ...(fineIndex && { fineIndex }),
      ...(probe && { probe }),
    };
    return this.networks.masa.forward(images, options).sr;
  }

  #recordDiscriminator(sr: Tensor, { hr }: Inputs): Recording & { readonly logits: readonly Tensor[] } {
    const { discriminator } = this.networks;
    if (!discriminator || !this.#discriminator) throw new Error("there is no discriminator");
    const { loss, logits } = discriminatorLoss(discriminator, sr, hr as Tensor);
    return { losses: { dis: loss }, logits, gradients: this.#gradients(loss, this.#discriminator) };
  }

  #recordGenerator(sr: Tensor, { hr }: Inputs) {
    const { config, networks } = this;
    const { losses, logits, features } = generatorLoss(sr, hr as Tensor, config, networks);
    return { losses, logits, features, gradients: this.#gradients(losses.total as Tensor, this.#generator) };
  }

  #gradients(loss: Tensor, { variables }: Side): Tensor[] {
    return scope("backward", () => grad(loss, variables));
  }

  /** Records Adam's step, and that of the running average, behind a gate that only finite numbers open. */
  #update(side: Side, { gradients, losses }: Recording, hyper: Tensor, before?: Tensor): Tensor {
    const { config } = this;
    gradientNorm([...gradients, ...side.losses.map((name) => losses[name] as Tensor)], side.summary);
    const maxNorm = side === this.#generator ? (config.clip ?? undefined) : undefined;
    const gate = updateGate(
      side.summary,
      { rows: gradients.length, ...(maxNorm !== undefined && { maxNorm }) },
      before,
    );
    adam(side.variables, gradients, side.moments, hyper, gate);
    if (side === this.#generator && this.#average)
      ema(this.#average.parameters.trainable, side.variables, config.average as number, gate);
    return gate;
  }

  /** Records the gradients of one micro-batch; a batch's losses are means over its samples, hence the factor. */
  #accumulate(side: Side, inputs: Inputs): Inputs {
    const recording =
      side === this.#generator
        ? this.#recordGenerator(this.#forward(inputs), inputs)
        : this.#recordDiscriminator(
            noGrad(() => this.#forward(inputs)),
            inputs,
          );
    const keep = inputs.keep as Tensor;
    accumulate(side.sums.gradients, recording.gradients, keep, 1 / this.#parts);
    const losses = side.losses.map((name) => (recording.losses as Record<string, Tensor>)[name] as Tensor);
    accumulate(side.sums.losses, losses, keep, 1 / this.#parts);
    return {};
  }

  #updateFromSums(side: Side, hyper: Tensor): Inputs {
    const losses = Object.fromEntries(side.losses.map((name, i) => [name, side.sums.losses[i] as Tensor]));
    const other = side === this.#generator ? this.#discriminator : undefined;
    const before = other && updateGate(other.summary, { rows: other.variables.length });
    const gate = this.#update(side, { gradients: side.sums.gradients, losses }, hyper, before);
    return { ...losses, [`gate ${side.name}`]: gate };
  }

  /**
   * One training step. Throws what a lost device throws; a step without finite gradients is not an error, but `skipped`.
   */
  async step(data: StepData, rates: Rates, watch: RunOptions = {}): Promise<StepResult> {
    const hyper = {
      adamG: this.#hyper(this.#generator, rates.lr),
      ...(this.#discriminator && { adamD: this.#hyper(this.#discriminator, rates.discriminatorLr) }),
    };
    const whole = this.#parts === 1 ? (this.#plans[0] as Plan) : undefined;
    const found = whole ? await whole.run({ ...data, ...hyper }, watch) : await this.#runParts(data, hyper, watch);
    let skipped: string | undefined;
    for (const side of [this.#discriminator, this.#generator]) {
      if (!side) continue;
      if (found[`gate ${side.name}`]?.[0] === 1) side.steps++;
      else skipped ??= await this.#firstFlagged(side);
    }
    const losses = [...this.#generator.losses, ...(this.#discriminator?.losses ?? [])];
    return {
      losses: Object.fromEntries(losses.map((name) => [name, found[name]?.[0] as number])),
      gradientNorm: found["gate generator"]?.[2] as number,
      skipped,
      observed: Object.fromEntries(
        Object.entries(found).flatMap(([name, values]) =>
          name.startsWith(OBSERVED) ? [[name.slice(OBSERVED.length), values]] : [],
        ),
      ),
    };
  }

  #hyper({ betas, steps }: Side, lr: number): Float32Array {
    return adamHyper({ lr, betas, step: steps + 1 });
  }

  async #runParts(
    data: StepData,
    hyper: Readonly<Record<string, Data>>,
    watch: RunOptions,
  ): Promise<Record<string, Data>> {
    const found: Record<string, Data> = {};
    for (let i = 0; i < this.#plans.length; i += 2) {
      const [gather, update] = this.#plans.slice(i, i + 2) as [Plan, Plan];
      for (let part = 0; part < this.#parts; part++)
        await gather.run({ ...slices(data, part, this.#parts), keep: Float32Array.of(part === 0 ? 0 : 1) }, watch);
      Object.assign(found, await update.run(hyper, watch));
    }
    return found;
  }

  async #firstFlagged({ name, summary, variables, losses }: Side): Promise<string> {
    const rows = await this.#scratch.read(summary);
    const names = [
      ...variables.map((variable) => `the gradient of ${variable.name}`),
      ...losses.map((l) => `the loss ${l}`),
    ];
    // Losses come last but say more: where one is broken, all gradients are.
    const flagged = [...names.keys()].reverse().find((row) => rows[2 * row + 1] !== 0);
    return flagged === undefined ? `the ${name}'s update` : (names[flagged] as string);
  }

  /** What a checkpoint holds of it: networks, moments, running average. */
  tensors(): Promise<Map<string, FileTensor>> {
    return readState(this.#saved());
  }

  /** Puts a checkpoint's state back. Throws `CheckpointError`, listing what does not fit; nothing has changed then. */
  restore(tensors: ReadonlyMap<string, FileTensor>, updates: Trainer["updates"], path: string): void {
    writeState(this.#saved(), tensors, path);
    this.#generator.steps = updates.generator;
    if (this.#discriminator) this.#discriminator.steps = updates.discriminator;
  }

  #saved(): StatePart[] {
    const { generator, discriminator } = this.networks.parameters;
    return [
      { prefix: "generator/", parameters: generator as Parameters },
      ...(discriminator ? [{ prefix: "discriminator/", parameters: discriminator }] : []),
      ...(this.#average ? [{ prefix: "average/", parameters: this.#average.parameters }] : []),
      { prefix: "", parameters: this.#state },
    ];
  }

  /** Frees the GPU memory of everything but the networks. Safe to repeat. */
  dispose(): void {
    for (const plan of this.#plans) plan.dispose();
    for (const parameters of [this.#state, this.#scratch, this.#average?.parameters]) parameters?.dispose();
  }
}

/** Outputs of the plan that were asked for begin with it. */
const OBSERVED = "observed ";
