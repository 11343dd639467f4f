/**
 * The dual residual aggregation module, DRAM (paper, section 3.4, equations 12–13): LR and reference features refine
 * each other through the residuals between them, one branch at the LR's size and one at the reference's.
 */
import { add, sub } from "../graph/ops/pointwise.js";
import type { Parameters } from "../graph/parameters.js";
import type { Tensor } from "../graph/tensor.js";
import { Conv2d, join, UpConv2d } from "./layers.js";

export class DualResidualAggregation {
  readonly #downA: Conv2d;
  readonly #upA: UpConv2d;
  readonly #downB: Conv2d;
  readonly #upB: UpConv2d;
  readonly #cat: Conv2d;

  constructor(parameters: Parameters, name: string, channels: number) {
    this.#downA = new Conv2d(parameters, join(name, "conv_down_a"), channels, channels, { stride: 2 });
    this.#upA = new UpConv2d(parameters, join(name, "conv_up_a"), channels);
    this.#downB = new Conv2d(parameters, join(name, "conv_down_b"), channels, channels, { stride: 2 });
    this.#upB = new UpConv2d(parameters, join(name, "conv_up_b"), channels);
    this.#cat = new Conv2d(parameters, join(name, "conv_cat"), 2 * channels, channels);
  }

  /** lr [N, C, H, W], ref [N, C, 2H, 2W] → [N, C, 2H, 2W]. */
  forward(lr: Tensor, ref: Tensor): Tensor {
    const residualA = sub(this.#downA.forward(ref, { activation: "relu" }), lr);
    const detailed = add(this.#upA.forward(residualA), ref);
    const residualB = sub(lr, this.#downB.forward(ref, { activation: "relu" }));
    const refined = this.#upB.forward(add(residualB, lr));
    return this.#cat.forward(detailed, { concat: refined, activation: "relu" });
  }
}
