/** Gradient accumulation: a batch of any size on a GPU that holds a few images at once. */
import type { Device } from "../gpu/device.js";
import { accumulate } from "../graph/ops/accumulate.js";
import { hostInput } from "../graph/trace/graph.js";
import { Parameters, zeros } from "../graph/trace/parameters.js";
import type { Tensor, Variable } from "../graph/trace/tensor.js";

/** What a `GradientAccumulator` adds up. */
export interface AccumulationOptions {
  /** Micro-batches in a batch. Losses are means over samples, so each counts 1 / microBatches. */
  readonly microBatches: number;
  /** Names of the losses that are averaged along with the gradients. Default none. */
  readonly losses?: readonly string[];
  /** Names the sums in messages, default "accumulator". */
  readonly name?: string;
}

/**
 * The sums of gradients over the micro-batches of a batch. One plan computes gradients and calls `add`; it runs once for
 * each micro-batch, after `reset`. A second plan passes `gradients` to an optimiser.
 */
export class GradientAccumulator {
  /** The summed gradients, in the order of the parameters. */
  readonly gradients: readonly Variable[];
  /** The mean of each loss, by name. */
  readonly losses: Readonly<Record<string, Variable>>;
  /** Reads and writes the sums from the host. */
  readonly sums = new Parameters();
  readonly #factor: number;
  #keep = false;

  constructor(parameters: Parameters | readonly Variable[], options: AccumulationOptions) {
    const { microBatches, losses = [], name = "accumulator" } = options;
    const variables = parameters instanceof Parameters ? parameters.trainable : parameters;
    const declare = (what: string, shape: Variable["shape"]) =>
      this.sums.declare(`sum of ${name} ${what}`, shape, zeros, false);
    this.gradients = variables.map((variable) => declare(`gradient ${variable.name}`, variable.shape));
    this.losses = Object.fromEntries(losses.map((loss) => [loss, declare(`loss ${loss}`, [])]));
    this.#factor = 1 / microBatches;
  }

  /** Bytes of GPU memory that the sums take. */
  get bytes(): number {
    return this.sums.bytes;
  }

  /** Takes the GPU memory. */
  async allocate(device: Device): Promise<void> {
    await this.sums.allocate(device);
  }

  /** Drops the sums: the next run that adds begins a new batch. */
  reset(): void {
    this.#keep = false;
  }

  /** Records the addition of one micro-batch's gradients and losses. Throws `ShapeError`. */
  add(gradients: readonly Tensor[], losses: Readonly<Record<string, Tensor>> = {}): void {
    const keep = hostInput("keep", [1], () => {
      const data = Float32Array.of(this.#keep ? 1 : 0);
      this.#keep = true;
      return data;
    });
    accumulate(this.gradients, gradients, keep, this.#factor);
    const names = Object.keys(this.losses);
    accumulate(
      names.map((name) => this.losses[name] as Variable),
      names.map((name) => losses[name] as Tensor),
      keep,
      this.#factor,
    );
  }

  /** Frees the GPU memory. Safe to repeat. */
  dispose(): void {
    this.sums.dispose();
  }
}
