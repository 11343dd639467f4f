/** Layers with parameters, under their official names and with the official first values. */

import { batchNorm } from "../graph/ops/batch_norm.js";
import { convTranspose2d } from "../graph/ops/conv_transpose2d.js";
import { conv2d } from "../graph/ops/conv2d.js";
import { instanceNorm } from "../graph/ops/instance_norm.js";
import { linear } from "../graph/ops/linear.js";
import { segment } from "../graph/trace/graph.js";
import { type Initializer, normal, ones, Parameter, uniform, zeros } from "../graph/trace/parameters.js";
import type { Tensor } from "../graph/trace/tensor.js";
import type { Shape } from "../kernels/kernel.js";
import { Module, type Parts } from "./module.js";

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

/** The shape of a convolution, as in PyTorch, and how its weights begin. */
export interface ConvolutionOptions {
  readonly kernel?: number;
  readonly stride?: number;
  readonly padding?: number;
  readonly bias?: boolean;
  readonly weights?: WeightInitializer;
  readonly biases?: WeightInitializer;
}

/** What a call of a convolution does with its result in the same pass. */
export interface ConvolutionCall {
  readonly activation?: "relu" | { readonly leakyRelu: number };
  /** Added to the result. */
  readonly residual?: Tensor;
  /** A second input, taken as further channels. */
  readonly concat?: Tensor;
}

/** A layer's parameter whose first values depend on the layer's size. */
function parameter(shape: Shape, initializer: WeightInitializer, kernel: number, inputs: number, outputs: number) {
  return new Parameter(shape, initializer(kernel, inputs, outputs));
}

/** 3×3 convolution with bias and padding 1, unless options say otherwise. */
export class Conv2d extends Module {
  readonly weight: Parameter;
  readonly bias: Parameter | undefined;
  readonly #stride: number;
  readonly #padding: number;

  constructor(inputs: number, outputs: number, options: ConvolutionOptions = {}) {
    super();
    const { kernel = 3, stride = 1, padding = 1, bias = true, weights = masaWeights(), biases = () => zeros } = options;
    this.weight = parameter([outputs, inputs, kernel, kernel], weights, kernel, inputs, outputs);
    this.bias = bias ? parameter([outputs], biases, kernel, inputs, outputs) : undefined;
    this.#stride = stride;
    this.#padding = padding;
  }

  /** x [N, inputs, H, W] → [N, outputs, H', W']. */
  forward(x: Tensor, call: ConvolutionCall = {}): Tensor {
    return conv2d(x, this.weight, this.bias, { stride: this.#stride, padding: this.#padding, ...call });
  }
}

/** The shape of a transposed convolution, as in PyTorch. */
export interface TransposedConvolutionOptions extends ConvolutionOptions {
  readonly outputPadding?: number;
}

/** 3×3 transposed convolution with bias that doubles height and width, unless options say otherwise. */
export class ConvTranspose2d extends Module {
  readonly weight: Parameter;
  readonly bias: Parameter | undefined;
  readonly #window: { readonly stride: number; readonly padding: number; readonly outputPadding: number };

  constructor(inputs: number, outputs: number, options: TransposedConvolutionOptions = {}) {
    super();
    const { kernel = 3, stride = 2, padding = 1, outputPadding = 1, bias = true } = options;
    const { weights = masaWeights(), biases = () => zeros } = options;
    this.weight = parameter([inputs, outputs, kernel, kernel], weights, kernel, inputs, outputs);
    this.bias = bias ? parameter([outputs], biases, kernel, inputs, outputs) : undefined;
    this.#window = { stride, padding, outputPadding };
  }

  /** x [N, inputs, H, W] → [N, outputs, 2H, 2W] with the default options. */
  forward(x: Tensor, call: Pick<ConvolutionCall, "activation"> = {}): Tensor {
    return convTranspose2d(x, this.weight, this.bias, { ...this.#window, ...call });
  }
}

/** x · weightᵀ + bias; the first values are PyTorch's. */
export class Linear extends Module {
  readonly weight: Parameter;
  readonly bias: Parameter;

  constructor(inputs: number, outputs: number) {
    super();
    this.weight = parameter([outputs, inputs], torchDefault, 1, inputs, outputs);
    this.bias = parameter([outputs], torchDefault, 1, inputs, outputs);
  }

  /** x [N, inputs] → [N, outputs]. */
  forward(x: Tensor): Tensor {
    return linear(x, this.weight, this.bias);
  }
}

/** Batch normalisation with running statistics. */
export class BatchNorm2d extends Module {
  readonly weight: Parameter;
  readonly bias: Parameter;
  readonly running_mean: Parameter;
  readonly running_var: Parameter;

  constructor(channels: number) {
    super();
    this.weight = new Parameter([channels], ones);
    this.bias = new Parameter([channels], zeros);
    this.running_mean = new Parameter([channels], zeros, false);
    this.running_var = new Parameter([channels], ones, false);
  }

  /** In training, batch statistics normalise and move the running ones; otherwise the running statistics normalise. */
  forward(x: Tensor, training = true): Tensor {
    return batchNorm(x, this.weight, this.bias, this.running_mean, this.running_var, { training });
  }
}

/** Instance normalisation without parameters: every plane gets mean 0 and variance 1. */
export class InstanceNorm2d extends Module {
  /** x [N, C, H, W] → the same shape. */
  forward(x: Tensor): Tensor {
    return instanceNorm(x);
  }
}

/** x + conv2(relu(conv1(x))). */
export class ResidualBlock extends Module {
  readonly conv1: Conv2d;
  readonly conv2: Conv2d;

  constructor(channels: number) {
    super();
    this.conv1 = new Conv2d(channels, channels, { weights: masaWeights(0.1) });
    this.conv2 = new Conv2d(channels, channels, { weights: masaWeights(0.1) });
  }

  /** [N, C, H, W] → the same shape. */
  forward(x: Tensor): Tensor {
    return this.conv2.forward(this.conv1.forward(x, { activation: "relu" }), { residual: x });
  }
}

/** `count` residual blocks in a row, named `0`, `1`, … */
export class ResidualBlocks extends Module {
  readonly #blocks: readonly ResidualBlock[];

  constructor(channels: number, count: number) {
    super();
    this.#blocks = Array.from({ length: count }, () => new ResidualBlock(channels));
  }

  protected override parts(): Parts {
    return this.#blocks.map((block, i) => [`${i}`, block]);
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
