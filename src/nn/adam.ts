/**
 * The Adam optimiser (Kingma, Ba 2015), as PyTorch's `optim.Adam` computes it, with gradient clipping and a check for
 * finite gradients.
 *
 * `step` records one update into the graph that is being traced. What an optimiser keeps between steps belongs to this
 * object: both moments and the check's results on the GPU, learning rate and step counter on the host, which writes them
 * before each run of the plan and reads back whether the update was made.
 */
import { FileTensor } from "../formats/tensor.js";
import type { Device } from "../gpu/device.js";
import { ShapeError } from "../gpu/errors.js";
import { ADAM_HYPER_LENGTH, adam, adamHyper, type Moments } from "../graph/ops/adam.js";
import { gradientNorm } from "../graph/ops/gradient_norm.js";
import { updateGate } from "../graph/ops/update_gate.js";
import { currentGraph, type Graph, hostInput, hostOutput } from "../graph/trace/graph.js";
import { Parameters, zeros } from "../graph/trace/parameters.js";
import { GraphError, type Tensor, type Variable } from "../graph/trace/tensor.js";
import { loadStateDict, type StateDict, stateDict } from "./module.js";

/** The settings of an `Adam`, as PyTorch names them. */
export interface AdamOptions {
  /** Learning rate; `adam.lr` changes it between steps. */
  readonly lr: number;
  /** Decay rates of the two moments, default [0.9, 0.999]. */
  readonly betas?: readonly [number, number];
  /** Added to the denominator, default 1e-8. */
  readonly eps?: number;
  /** L2 penalty: weightDecay · parameter is added to the gradient after clipping. Default 0. */
  readonly weightDecay?: number;
  /** Names of the losses that `step` checks along with the gradients, in order. Default none. */
  readonly losses?: readonly string[];
  /** Names the optimiser in messages, default "adam". */
  readonly name?: string;
}

/** How one step is recorded. */
export interface AdamStepOptions {
  /** Scales the gradients down so that their common norm is at most this, as `clip_grad_norm_` does. */
  readonly clipNorm?: number | undefined;
  /** The losses that the constructor named, each of one value: the step is skipped if one is NaN or infinite. */
  readonly losses?: Readonly<Record<string, Tensor>>;
  /** The gate of another optimiser's step: while it is closed, this step is skipped as well. */
  readonly gate?: Tensor | undefined;
}

/** The step counter in a state dict. */
const STEP = "step";

/** Adam for a fixed list of parameters. */
export class Adam {
  /** Learning rate of the next run. */
  lr: number;
  /** Updates made so far; a skipped step does not count. */
  steps = 0;
  /** What is optimised, in the order of the gradients. */
  readonly parameters: readonly Variable[];
  /** Both moments, named `<parameter>/exp_avg` and `<parameter>/exp_avg_sq`. With `steps` they are the saved state. */
  readonly state = new Parameters();
  readonly #scratch = new Parameters();
  readonly #moments: Moments;
  /** A row for each gradient, then one for each loss (see `gradientNorm`). */
  readonly #summary: Variable;
  readonly #losses: readonly string[];
  readonly #name: string;
  readonly #settings: { readonly betas: readonly [number, number]; readonly eps: number; readonly weightDecay: number };
  readonly #recorded = new WeakSet<Graph>();
  #updated = false;
  #norm = Number.NaN;

  /** For all trainable `parameters` of a network, or for a list of them. */
  constructor(parameters: Parameters | readonly Variable[], options: AdamOptions) {
    const { lr, betas = [0.9, 0.999], eps = 1e-8, weightDecay = 0, losses = [], name = "adam" } = options;
    this.lr = lr;
    this.parameters = parameters instanceof Parameters ? parameters.trainable : parameters;
    if (this.parameters.length === 0) throw new GraphError(`${name} has no parameters`, "Give at least one");
    this.#settings = { betas, eps, weightDecay };
    this.#losses = losses;
    this.#name = name;
    const moments = (kind: string) =>
      this.parameters.map((parameter) =>
        this.state.declare(`${parameter.name}/${kind}`, parameter.shape, zeros, false),
      );
    this.#moments = { expAvg: moments("exp_avg"), expAvgSq: moments("exp_avg_sq") };
    const rows = this.parameters.length + losses.length;
    this.#summary = this.#scratch.declare(`summary of ${name}`, [rows, 2], zeros, false);
  }

  /** Whether the last run updated the parameters; false if it met a gradient or loss that is NaN or infinite. */
  get updated(): boolean {
    return this.#updated;
  }

  /** The norm of all gradients of the last run together, before clipping; NaN before the first. */
  get gradientNorm(): number {
    return this.#norm;
  }

  /** Bytes of GPU memory that the optimiser's own variables take. */
  get bytes(): number {
    return this.state.bytes + this.#scratch.bytes;
  }

  /** Takes the GPU memory and clears the moments. */
  async allocate(device: Device): Promise<void> {
    await this.state.allocate(device);
    await this.#scratch.allocate(device);
  }

  /**
   * Records one update of the parameters by their `gradients`, in the order of `parameters`. Nothing is written while a
   * gradient or a loss is NaN or infinite. Returns the gate [3] (see `updateGate`), which `Ema.update` and other
   * optimisers take. A graph holds at most one step of an optimiser. Throws `ShapeError`, `GraphError`.
   */
  step(gradients: readonly Tensor[], { clipNorm, losses = {}, gate: before }: AdamStepOptions = {}): Tensor {
    const graph = currentGraph("Adam.step");
    if (this.#recorded.has(graph))
      throw new GraphError(`${this.#name}: a second step in one graph`, "Record one step and run the plan again");
    this.#recorded.add(graph);
    if (gradients.length !== this.parameters.length)
      throw new ShapeError(
        this.#name,
        "gradients",
        `holds ${gradients.length} tensors for ${this.parameters.length} parameters`,
      );
    const checked = this.#losses.map((loss) => {
      const tensor = losses[loss];
      if (!tensor) throw new GraphError(`${this.#name}: the loss ${loss} is missing`, "Pass it in `losses`");
      return tensor;
    });
    gradientNorm([...gradients, ...checked], this.#summary);
    const gate = this.#gate(clipNorm, before);
    const hyper = hostInput(`hyperparameters of ${this.#name}`, [ADAM_HYPER_LENGTH], () => this.#hyper());
    adam(this.parameters, gradients, this.#moments, hyper, gate, this.#settings.weightDecay !== 0);
    hostOutput(gate, ([open, , norm]) => this.#receive(open === 1, norm as number));
    return gate;
  }

  /** Records the gate of the last step once more, for a step in another plan that depends on it. */
  lastGate(): Tensor {
    return this.#gate();
  }

  #gate(maxNorm?: number, before?: Tensor): Tensor {
    const rows = this.parameters.length;
    return updateGate(this.#summary, { rows, ...(maxNorm !== undefined && { maxNorm }) }, before);
  }

  #hyper(): Float32Array {
    return adamHyper({ ...this.#settings, lr: this.lr, step: this.steps + 1 });
  }

  #receive(updated: boolean, norm: number): void {
    this.#updated = updated;
    this.#norm = norm;
    if (updated) this.steps++;
  }

  /** Names the gradient or loss that made the last run skip its step; undefined if none of its own did. */
  async fault(): Promise<string | undefined> {
    const rows = await this.#scratch.read(this.#summary);
    const names = [
      ...this.parameters.map(({ name }) => `the gradient of ${name}`),
      ...this.#losses.map((name) => `the loss ${name}`),
    ];
    // Losses come last but say more: where one is broken, all gradients are.
    const flagged = [...names.keys()].reverse().find((row) => rows[2 * row + 1] !== 0);
    return flagged === undefined ? undefined : names[flagged];
  }

  /** What a resumed run needs: both moments of every parameter, and the step counter as `step` [1]. */
  async stateDict(): Promise<Map<string, FileTensor>> {
    const tensors = await stateDict(this.state);
    return tensors.set(STEP, FileTensor.of("F32", [1], Float32Array.of(this.steps)));
  }

  /** Puts a state back. Throws `GraphError`, naming what does not fit. */
  loadStateDict(tensors: StateDict): void {
    const { [STEP]: step, ...moments } = Object.fromEntries(tensors);
    if (!step) throw new GraphError(`${this.#name}: the state has no ${STEP}`, "Load what stateDict() returned");
    loadStateDict(this.state, new Map(Object.entries(moments)));
    this.steps = step.toFloat32()[0] as number;
  }

  /** Frees the GPU memory. Safe to repeat. */
  dispose(): void {
    this.state.dispose();
    this.#scratch.dispose();
  }
}
