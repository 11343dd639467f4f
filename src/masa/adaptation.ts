/**
 * The spatial adaptation module, SAM (paper, section 3.3, equations 7–11): the warped reference features are normalised
 * and given the statistics of the LR features, moved by what two small convolutions learn of both.
 */
import { instanceNorm } from "../graph/ops/instance_norm.js";
import { meanStd } from "../graph/ops/mean_std.js";
import { add, mul } from "../graph/ops/pointwise.js";
import type { Parameters } from "../graph/parameters.js";
import type { Tensor } from "../graph/tensor.js";
import { Conv2d, join, masaWeights } from "./layers.js";

export class SpatialAdaptation {
  readonly #shared: Conv2d;
  readonly #gamma: Conv2d;
  readonly #beta: Conv2d;

  constructor(parameters: Parameters, name: string, channels: number) {
    this.#shared = new Conv2d(parameters, join(name, "conv_shared.0"), 2 * channels, channels);
    this.#gamma = new Conv2d(parameters, join(name, "conv_gamma"), channels, channels, { weights: masaWeights(0) });
    this.#beta = new Conv2d(parameters, join(name, "conv_beta"), channels, channels, { weights: masaWeights(0) });
  }

  /**
   * norm(ref) · (γ(lr, ref) + std(lr)) + β(lr, ref) + mean(lr), all [N, C, H, W]. The statistics run over H×W; the
   * standard deviation of `lr` is unbiased, the variance that normalises `ref` is biased.
   */
  forward(lr: Tensor, ref: Tensor): Tensor {
    const style = this.#shared.forward(lr, { concat: ref, activation: "relu" });
    const { mean, std } = meanStd(lr);
    const gamma = add(this.#gamma.forward(style), std);
    const beta = add(this.#beta.forward(style), mean);
    return add(mul(instanceNorm(ref), gamma), beta);
  }
}
