/**
 * The spatial adaptation module, SAM (paper, section 3.3, equations 7–11): the warped reference features are normalised
 * and given the statistics of the LR features, moved by what two small convolutions learn of both.
 *
 * The paper's table 3 compares it with less: `adain` (Huang and Belongie 2017) gives the statistics of LR alone, `spade`
 * (Park et al. 2019) modulates by what it learns of LR alone, `none` leaves the reference as it is.
 */
import { instanceNorm } from "../graph/ops/instance_norm.js";
import { meanStd } from "../graph/ops/mean_std.js";
import { add, mul, shift } from "../graph/ops/pointwise.js";
import type { Tensor } from "../graph/trace/tensor.js";
import { Conv2d, masaWeights } from "../nn/layers.js";
import { Module, type Parts } from "../nn/module.js";
import type { Adaptation } from "./config.js";

/** γ and β of every pixel, learned; both begin as 0. */
class Modulation extends Module {
  readonly #shared: Conv2d;
  readonly #gamma: Conv2d;
  readonly #beta: Conv2d;

  constructor(inputs: number, channels: number) {
    super();
    this.#shared = new Conv2d(inputs, channels);
    this.#gamma = new Conv2d(channels, channels, { weights: masaWeights(0) });
    this.#beta = new Conv2d(channels, channels, { weights: masaWeights(0) });
  }

  override parts(): Parts {
    return [
      ["conv_shared.0", this.#shared],
      ["conv_gamma", this.#gamma],
      ["conv_beta", this.#beta],
    ];
  }

  forward(lr: Tensor, ref?: Tensor): { readonly gamma: Tensor; readonly beta: Tensor } {
    const style = this.#shared.forward(lr, { ...(ref && { concat: ref }), activation: "relu" });
    return { gamma: this.#gamma.forward(style), beta: this.#beta.forward(style) };
  }
}

export class SpatialAdaptation extends Module {
  readonly #modulation: Modulation | undefined;

  constructor(
    channels: number,
    readonly kind: Adaptation = "sam",
  ) {
    super();
    const inputs = { sam: 2 * channels, spade: channels, adain: 0, none: 0 }[kind];
    if (inputs > 0) this.#modulation = new Modulation(inputs, channels);
  }

  protected override parts(): Parts {
    return this.#modulation?.parts() ?? [];
  }

  /**
   * norm(ref) · (γ(lr, ref) + std(lr)) + β(lr, ref) + mean(lr), all [N, C, H, W]. The statistics run over H×W; the
   * standard deviation of `lr` is unbiased, the variance that normalises `ref` is biased. AdaIN is without γ and β; SPADE
   * is norm(ref) · (γ(lr) + 1) + β(lr).
   */
  forward(lr: Tensor, ref: Tensor): Tensor {
    if (this.kind === "none") return ref;
    if (this.kind === "spade") {
      const { gamma, beta } = (this.#modulation as Modulation).forward(lr);
      return add(mul(instanceNorm(ref), shift(gamma, 1)), beta);
    }
    const learned = this.#modulation?.forward(lr, ref);
    const { mean, std } = meanStd(lr);
    const gamma = learned ? add(learned.gamma, std) : std;
    const beta = learned ? add(learned.beta, mean) : mean;
    return add(mul(instanceNorm(ref), gamma), beta);
  }
}
