/**
 * The VGG-style discriminator of ESRGAN, which MASA's adversarial loss uses (paper, section 3.5): five stages, each
 * halving the image, then two linear layers.
 */
import { ArgumentError } from "../errors.js";
import { ShapeError } from "../gpu/errors.js";
import { leakyRelu } from "../graph/ops/pointwise.js";
import { scope } from "../graph/trace/graph.js";
import type { Tensor } from "../graph/trace/tensor.js";
import { reshape } from "../graph/trace/view.js";
import { BatchNorm2d, Conv2d, Linear, torchDefault } from "../nn/layers.js";
import { Module, type Parts } from "../nn/module.js";

const SLOPE = 0.2;
const STAGES = 5;
const HIDDEN = 100;

interface Layer {
  /** Stage and number, as in `conv0_1`. */
  readonly id: string;
  readonly conv: Conv2d;
  readonly norm?: BatchNorm2d;
}

/** Tells images from true ones: [N, 3, size, size] → logits [N, 1]. */
export class Discriminator extends Module {
  readonly #layers: Layer[] = [];
  readonly #linear1: Linear;
  readonly #linear2: Linear;

  /** For images [N, 3, size, size]; `size` is a multiple of 32. The official one has size 160 and 64 channels. */
  constructor(
    readonly size = 160,
    channels = 64,
  ) {
    super();
    if (!Number.isInteger(size) || size < 32 || size % 32 !== 0)
      throw new ArgumentError(`discriminator: size is ${size}`, "Give a multiple of 32");
    let from = 3;
    for (let stage = 0; stage < STAGES; stage++) {
      const to = channels * 2 ** Math.min(stage, 3);
      const layer = (i: number, inputs: number, kernel: number, stride: number, plain: boolean) => {
        const options = { kernel, stride, bias: plain, weights: torchDefault, biases: torchDefault };
        const conv = new Conv2d(inputs, to, options);
        return { id: `${stage}_${i}`, conv, ...(!plain && { norm: new BatchNorm2d(to) }) };
      };
      this.#layers.push(layer(0, from, 3, 1, stage === 0), layer(1, to, 4, 2, false));
      from = to;
    }
    const side = size / 2 ** STAGES;
    this.#linear1 = new Linear(from * side * side, HIDDEN);
    this.#linear2 = new Linear(HIDDEN, 1);
  }

  protected override parts(): Parts {
    const layers = this.#layers.flatMap(
      ({ id, conv, norm }): Parts => [[`conv${id}`, conv], ...(norm ? ([[`bn${id}`, norm]] as const) : [])],
    );
    return [...layers, ["linear1", this.#linear1], ["linear2", this.#linear2]];
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
