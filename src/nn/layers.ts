/** Layers with parameters, under their official names and with the official first values. */

import { convTranspose2d } from "../graph/ops/conv_transpose2d.js";
import { conv2d } from "../graph/ops/conv2d.js";
import { segment } from "../graph/trace/graph.js";
import { type Initializer, normal, type Parameters, uniform, zeros } from "../graph/trace/parameters.js";
import type { Tensor, Variable } from "../graph/trace/tensor.js";

/** Where the first weights of a layer come from, given its kernel side and channels. */
export type WeightInitializer = (kernel: number, inputs: number, outputs: number) => Initializer;

/**
 * MASA's own: normal, with half of He's standard deviation for n = kernel² · output channels, times `factor` (0.1 in
 * residual blocks, 0 for SAM's gamma and beta); biases are 0.
 */
export function masaWeights(factor = 1): WeightInitializer {
  return (kernel, _, outputs) =>
    factor === 0 ? zeros : normal(factor * 0.5 * Math.sqrt(2 / (kernel * kernel * outputs)));
}

/** PyTorch's default, for weights and biases alike: uniform within ±1/√(kernel² · input channels). */
export const torchDefault: WeightInitializer = (kernel, inputs) => uniform(1 / Math.sqrt(kernel * kernel * inputs));

export interface ConvolutionOptions {
  readonly kernel?: number;
  readonly stride?: number;
  readonly padding?: number;
  readonly bias?: boolean;
  readonly weights?: WeightInitializer;
  readonly biases?: WeightInitializer;
}

export interface ConvolutionCall {
  readonly activation?: "relu" | { readonly leakyRelu: number };
  /** Added to the result. */
  readonly residual?: Tensor;
  /** A second input, taken as further channels. */
  readonly concat?: Tensor;
}

/** 3×3 convolution with bias, padding 1, unless told otherwise. */
export class Conv2d {
  readonly #weight: Variable;
  readonly #bias: Variable | undefined;
  readonly #stride: number;
  readonly #padding: number;

  constructor(parameters: Parameters, name: string, inputs: number, outputs: number, options: ConvolutionOptions = {}) {
    const { kernel = 3, stride = 1, padding = 1, bias = true, weights = masaWeights(), biases = () => zeros } = options;
    const shape = [outputs, inputs, kernel, kernel];
    this.#weight = parameters.declare(`${name}.weight`, shape, weights(kernel, inputs, outputs));
    this.#bias = bias ? parameters.declare(`${name}.bias`, [outputs], biases(kernel, inputs, outputs)) : undefined;
    this.#stride = stride;
    this.#padding = padding;
  }

  /** x [N, inputs, H, W] → [N, outputs, H', W']. */
  forward(x: Tensor, call: ConvolutionCall = {}): Tensor {
    return conv2d(x, this.#weight, this.#bias, { stride: this.#stride, padding: this.#padding, ...call });
  }
}

/** 3×3 transposed convolution with stride 2: doubles the sides. */
export class UpConv2d {
  readonly #weight: Variable;
  readonly #bias: Variable;

  constructor(parameters: Parameters, name: string, channels: number) {
    const shape = [channels, channels, 3, 3];
    this.#weight = parameters.declare(`${name}.weight`, shape, masaWeights()(3, channels, channels));
    this.#bias = parameters.declare(`${name}.bias`, [channels], zeros);
  }

  /** relu(x [N, C, H, W] ↑ 2) → [N, C, 2H, 2W]. */
  forward(x: Tensor): Tensor {
    const options = { stride: 2, padding: 1, outputPadding: 1, activation: "relu" } as const;
    return convTranspose2d(x, this.#weight, this.#bias, options);
  }
}

/** x + conv2(relu(conv1(x))). */
export class ResidualBlock {
  readonly #conv1: Conv2d;
  readonly #conv2: Conv2d;

  constructor(parameters: Parameters, name: string, channels: number) {
    this.#conv1 = new Conv2d(parameters, join(name, "conv1"), channels, channels, { weights: masaWeights(0.1) });
    this.#conv2 = new Conv2d(parameters, join(name, "conv2"), channels, channels, { weights: masaWeights(0.1) });
  }

  /** [N, C, H, W] → the same shape. */
  forward(x: Tensor): Tensor {
    return this.#conv2.forward(this.#conv1.forward(x, { activation: "relu" }), { residual: x });
  }
}

/** `count` residual blocks in a row, named `name.0`, `name.1`, … */
export class ResidualBlocks {
  readonly #blocks: ResidualBlock[];

  constructor(parameters: Parameters, name: string, channels: number, count: number) {
    this.#blocks = Array.from({ length: count }, (_, i) => new ResidualBlock(parameters, `${name}.${i}`, channels));
  }

  /** Activation checkpointing recomputes segments of ⌈√count⌉ blocks. */
  forward(x: Tensor): Tensor {
    const length = Math.ceil(Math.sqrt(this.#blocks.length));
    let y = x;
    for (let start = 0; start < this.#blocks.length; start += length) {
      const part = this.#blocks.slice(start, start + length);
      y = segment(() => part.reduce((features, block) => block.forward(features), y));
    }
    return y;
  }
}

/** `a.b`, or `b` where `a` is empty: a module on its own has no prefix. */
export function join(prefix: string, name: string): string {
  return prefix ? `${prefix}.${name}` : name;
}
