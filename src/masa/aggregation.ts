/**
 * The dual residual aggregation module, DRAM (paper, section 3.4, equations 12–13): LR and reference features refine
 * each other through the residuals between them, one branch at the LR's size and one at the reference's.
 *
 * The paper's table 4 compares it with less: one branch alone (`ref`, `lr`), or none (`concat`). Where a branch is missing,
 * its features come as they are, those of LR enlarged bilinearly.
 */
import { bilinearResize } from "../graph/ops/bilinear.js";
import { add, sub } from "../graph/ops/pointwise.js";
import type { Parameters } from "../graph/trace/parameters.js";
import type { Tensor } from "../graph/trace/tensor.js";
import { Conv2d, join, UpConv2d } from "../nn/layers.js";
import type { Aggregation } from "./config.js";

/** The two convolutions of a branch: down to the LR's size, where a residual is taken, and up again. */
class Branch {
  readonly #down: Conv2d;
  readonly #up: UpConv2d;

  constructor(parameters: Parameters, name: string, branch: "a" | "b", channels: number) {
    this.#down = new Conv2d(parameters, join(name, `conv_down_${branch}`), channels, channels, { stride: 2 });
    this.#up = new UpConv2d(parameters, join(name, `conv_up_${branch}`), channels);
  }

  down(ref: Tensor): Tensor {
    return this.#down.forward(ref, { activation: "relu" });
  }

  up(residual: Tensor): Tensor {
    return this.#up.forward(residual);
  }
}

export class DualResidualAggregation {
  readonly #ref: Branch | undefined;
  readonly #lr: Branch | undefined;
  readonly #cat: Conv2d;

  constructor(parameters: Parameters, name: string, channels: number, kind: Aggregation = "dual") {
    if (kind === "dual" || kind === "ref") this.#ref = new Branch(parameters, name, "a", channels);
    if (kind === "dual" || kind === "lr") this.#lr = new Branch(parameters, name, "b", channels);
    this.#cat = new Conv2d(parameters, join(name, "conv_cat"), 2 * channels, channels);
  }

  /** lr [N, C, H, W], ref [N, C, 2H, 2W] → [N, C, 2H, 2W]. */
  forward(lr: Tensor, ref: Tensor): Tensor {
    const detailed = this.#ref ? add(this.#ref.up(sub(this.#ref.down(ref), lr)), ref) : ref;
    const refined = this.#lr
      ? this.#lr.up(add(sub(lr, this.#lr.down(ref)), lr))
      : bilinearResize(lr, ref.shape.slice(2) as [number, number]);
    return this.#cat.forward(detailed, { concat: refined, activation: "relu" });
  }
}
