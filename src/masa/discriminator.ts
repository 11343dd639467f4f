/**
 * The VGG-style discriminator of ESRGAN, which MASA's adversarial loss uses (paper, section 3.5): five stages, each
 * halving the image, then two linear layers.
 */
import { ArgumentError } from "../errors.js";
import { ShapeError } from "../gpu/errors.js";
import { batchNorm } from "../graph/ops/batch_norm.js";
import { linear } from "../graph/ops/linear.js";
import { leakyRelu } from "../graph/ops/pointwise.js";
import { scope } from "../graph/trace/graph.js";
import { ones, type Parameters, zeros } from "../graph/trace/parameters.js";
import type { Tensor, Variable } from "../graph/trace/tensor.js";
import { reshape } from "../graph/trace/view.js";
import { Conv2d, join, torchDefault } from "../nn/layers.js";

const SLOPE = 0.2;
const STAGES = 5;
const HIDDEN = 100;

/** Batch normalisation with its running statistics. */
class BatchNorm {
  readonly #weight: Variable;
  readonly #bias: Variable;
  readonly #mean: Variable;
  readonly #variance: Variable;

  constructor(parameters: Parameters, name: string, channels: number) {
    this.#weight = parameters.declare(`${name}.weight`, [channels], ones);
    this.#bias = parameters.declare(`${name}.bias`, [channels], zeros);
    this.#mean = parameters.declare(`${name}.running_mean`, [channels], zeros, false);
    this.#variance = parameters.declare(`${name}.running_var`, [channels], ones, false);
  }

  forward(x: Tensor, training: boolean): Tensor {
    return batchNorm(x, this.#weight, this.#bias, this.#mean, this.#variance, { training });
  }
}

class Linear {
  readonly #weight: Variable;
  readonly #bias: Variable;

  constructor(parameters: Parameters, name: string, inputs: number, outputs: number) {
    this.#weight = parameters.declare(`${name}.weight`, [outputs, inputs], torchDefault(1, inputs, outputs));
    this.#bias = parameters.declare(`${name}.bias`, [outputs], torchDefault(1, inputs, outputs));
  }

  forward(x: Tensor): Tensor {
    return linear(x, this.#weight, this.#bias);
  }
}

interface Layer {
  readonly conv: Conv2d;
  readonly norm?: BatchNorm;
}

/** Tells images from true ones: [N, 3, size, size] → logits [N, 1]. */
export class Discriminator {
  readonly #layers: Layer[] = [];
  readonly #linear1: Linear;
  readonly #linear2: Linear;

  /** For images [N, 3, size, size]; `size` is a multiple of 32. The official one has size 160 and 64 channels. */
  constructor(
    parameters: Parameters,
    readonly size = 160,
    channels = 64,
    name = "",
  ) {
    if (!Number.isInteger(size) || size < 32 || size % 32 !== 0)
      throw new ArgumentError(`discriminator: size is ${size}`, "Give a multiple of 32");
    let from = 3;
    for (let stage = 0; stage < STAGES; stage++) {
      const to = channels * 2 ** Math.min(stage, 3);
      const layer = (i: number, inputs: number, kernel: number, stride: number, plain: boolean) => {
        const options = { kernel, stride, bias: plain, weights: torchDefault, biases: torchDefault };
        const conv = new Conv2d(parameters, join(name, `conv${stage}_${i}`), inputs, to, options);
        return plain ? { conv } : { conv, norm: new BatchNorm(parameters, join(name, `bn${stage}_${i}`), to) };
      };
      this.#layers.push(layer(0, from, 3, 1, stage === 0), layer(1, to, 4, 2, false));
      from = to;
    }
    const side = size / 2 ** STAGES;
    this.#linear1 = new Linear(parameters, join(name, "linear1"), from * side * side, HIDDEN);
    this.#linear2 = new Linear(parameters, join(name, "linear2"), HIDDEN, 1);
  }

  /**
   * x [N, 3, size, size] → logits [N, 1]. In training, batch statistics normalise and every call moves the running
   * ones; otherwise the running statistics normalise.
   */
  forward(x: Tensor, training = true): Tensor {
    const [batch, , height, width] = x.shape as [number, number, number, number];
    if (height !== this.size || width !== this.size)
      throw new ShapeError(
        "discriminator",
        x.name,
        `is ${width}×${height}, this discriminator takes ${this.size}×${this.size}`,
      );
    return scope("discriminator", () => {
      const features = this.#layers.reduce(
        (y, { conv, norm }) =>
          norm
            ? leakyRelu(norm.forward(conv.forward(y), training), SLOPE)
            : conv.forward(y, { activation: { leakyRelu: SLOPE } }),
        x,
      );
      const flat = reshape(features, [batch, features.size / batch]);
      return this.#linear2.forward(leakyRelu(this.#linear1.forward(flat), SLOPE));
    });
  }
}
