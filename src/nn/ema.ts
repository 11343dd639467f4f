/** An exponential moving average (EMA) of a network's parameters, which often generalises better than the last ones. */
import type { Device } from "../gpu/device.js";
import { ema } from "../graph/ops/ema.js";
import type { Parameters } from "../graph/trace/parameters.js";
import { GraphError, type Tensor } from "../graph/trace/tensor.js";

/** The settings of an `Ema`. */
export interface EmaOptions {
  /** What the average keeps of itself at each update, from 0 to 1; 0.999 averages over about 1000 steps. */
  readonly decay: number;
}

/** Keeps the parameters of one network as the moving average of another's. */
export class Ema {
  readonly #decay: number;

  /**
   * `average` belongs to a second network of the same architecture, not yet allocated; `parameters` to the one that is
   * trained. Throws `GraphError` where their names differ.
   */
  constructor(
    readonly average: Parameters,
    readonly parameters: Parameters,
    { decay }: EmaOptions,
  ) {
    if (!(decay >= 0 && decay <= 1))
      throw new GraphError(`ema: the decay is ${decay}`, "Give a number from 0 to 1, as 0.999");
    for (const { name } of average.all) parameters.get(name);
    this.#decay = decay;
  }

  /** Bytes of GPU memory that the average takes. */
  get bytes(): number {
    return this.average.bytes;
  }

  /** Takes the GPU memory of the average and copies the parameters to it, running statistics included. */
  async allocate(device: Device): Promise<void> {
    const { average, parameters } = this;
    await average.allocate(device);
    for (const variable of average.all) average.write(variable, await parameters.read(parameters.get(variable.name)));
  }

  /** Records one update: average ← decay · average + (1 − decay) · parameter, unless `gate` (of `Adam.step`) is closed. */
  update(gate?: Tensor): void {
    const averages = this.average.trainable;
    ema(
      averages,
      averages.map(({ name }) => this.parameters.get(name)),
      this.#decay,
      gate,
    );
  }

  /** Frees the GPU memory of the average. Safe to repeat. */
  dispose(): void {
    this.average.dispose();
  }
}
