/**
 * The dual residual aggregation module, DRAM (paper, section 3.4, equations 12–13): LR and reference features refine
 * each other through the residuals between them, one branch at the LR's size and one at the reference's.
 *
 * The paper's table 4 compares it with less: one branch alone (`ref`, `lr`), or none (`concat`). Where a branch is missing,
 * its features come as they are, those of LR enlarged bilinearly.
 */
import { bilinearResize } from "../graph/ops/bilinear.js";
import { add, sub } from "../graph/ops/pointwise.js";
import type { Tensor } from "../graph/trace/tensor.js";
import { Conv2d, ConvTranspose2d } from "../nn/layers.js";
import { Module, type Parts } from "../nn/module.js";
import type { Aggregation } from "./config.js";

/** The two convolutions of a branch: down to the LR's size, where a residual is taken, and up again. */
class Branch {
  readonly #down: Conv2d;
  readonly #up: ConvTranspose2d;

  constructor(
    readonly name: "a" | "b",
    channels: number,
  ) {
    this.#down = new Conv2d(channels, channels, { stride: 2 });
    this.#up = new ConvTranspose2d(channels, channels);
  }

  get parts(): Parts {
    return [
      [`conv_down_${this.name}`, this.#down],
      [`conv_up_${this.name}`, this.#up],
    ];
  }

  down(ref: Tensor): Tensor {
    return this.#down.forward(ref, { activation: "relu" });
  }

  up(residual: Tensor): Tensor {
    return this.#up.forward(residual, { activation: "relu" });
  }
}

export class DualResidualAggregation extends Module {
  readonly #ref: Branch | undefined;
  readonly #lr: Branch | undefined;
  readonly #cat: Conv2d;

  constructor(channels: number, kind: Aggregation = "dual") {
    super();
    if (kind === "dual" || kind === "ref") this.#ref = new Branch("a", channels);
    if (kind === "dual" || kind === "lr") this.#lr = new Branch("b", channels);
    this.#cat = new Conv2d(2 * channels, channels);
  }

  protected override parts(): Parts {
    return [...(this.#ref?.parts ?? []), ...(this.#lr?.parts ?? []), ["conv_cat", this.#cat]];
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
