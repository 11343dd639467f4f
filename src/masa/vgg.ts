/** VGG19's convolutional features (Simonyan and Zisserman 2014), for the perceptual loss (paper, section 3.5). */
import { maxPool2d } from "../graph/ops/max_pool2d.js";
import { div, sub } from "../graph/ops/pointwise.js";
import { constant, scope, segment } from "../graph/trace/graph.js";
import type { Tensor } from "../graph/trace/tensor.js";
import { Conv2d } from "../nn/layers.js";
import { Module, type Parts } from "../nn/module.js";

/** Channels of the convolutions of each stage; a 2×2 max-pool stands between stages. */
const STAGES = [
  [64, 64],
  [128, 128],
  [256, 256, 256, 256],
  [512, 512, 512, 512],
  [512, 512, 512, 512],
] as const;

/** The order of ImageNet's statistics. The official code applies them to BGR images in this order all the same. */
const MEAN = [0.485, 0.456, 0.406];
const STD = [0.229, 0.224, 0.225];

/** `conv5_4` is the feature before its ReLU (official code), `relu5_1` the one after it (as the paper writes). */
export type VggLayer = `${"conv" | "relu"}${1 | 2 | 3 | 4 | 5}_${1 | 2 | 3 | 4}`;

/**
 * How VGG19 sees the network's BGR images: `bgr`, as they come, though it was trained on RGB (official code), or `rgb`, with
 * weights that `readVgg` has turned round.
 */
export type ChannelOrder = "bgr" | "rgb";

/** VGG19 up to one of its layers: images [N, 3, H, W] in [0, 1] → features. Its weights are read by `readVgg`. */
export class Vgg19 extends Module {
  /** The convolutions of each stage. */
  readonly #stages: Conv2d[][] = [];

  /** Declares the convolutions up to `layer` as parameters `conv1_1.weight`, … (frozen: not for an optimiser). */
  constructor(
    readonly layer: VggLayer = "conv5_4",
    readonly order: ChannelOrder = "bgr",
  ) {
    super();
    let from = 3;
    for (const [stage, widths] of STAGES.entries()) {
      const convolutions: Conv2d[] = [];
      this.#stages.push(convolutions);
      for (const [i, to] of widths.entries()) {
        const id = `${stage + 1}_${i + 1}`;
        convolutions.push(new Conv2d(from, to));
        from = to;
        if (layer.endsWith(id)) return;
      }
    }
  }

  protected override parts(): Parts {
    return this.#stages.flatMap((stage, s) => stage.map((conv, i) => [`conv${s + 1}_${i + 1}`, conv] as const));
  }

  /**
   * x [N, 3, H, W] in [0, 1], channels in the network's order (BGR) → the features of `layer`. Activation
   * checkpointing keeps only the ends of the stages.
   */
  forward(x: Tensor): Tensor {
    return scope("vgg", () => {
      const shape = [1, 3, 1, 1];
      const [mean, std] = this.order === "rgb" ? [MEAN.toReversed(), STD.toReversed()] : [MEAN, STD];
      const centred = sub(x, constant("imagenet mean", shape, mean));
      const first = div(centred, constant("imagenet std", shape, std));
      return this.#stages.reduce((y, _, stage) => segment(() => this.#run(stage, y)), first);
    });
  }

  #run(stage: number, x: Tensor): Tensor {
    const convolutions = this.#stages[stage] as Conv2d[];
    const last = stage === this.#stages.length - 1;
    const bare = last && this.layer.startsWith("conv") ? convolutions.at(-1) : undefined;
    const y = convolutions.reduce(
      (features, conv) => conv.forward(features, conv === bare ? {} : { activation: "relu" }),
      x,
    );
    return last ? y : maxPool2d(y);
  }
}
