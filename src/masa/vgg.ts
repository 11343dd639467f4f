/** VGG19's convolutional features (Simonyan and Zisserman 2014), for the perceptual loss (paper, section 3.5). */
import { maxPool2d } from "../graph/ops/max_pool2d.js";
import { div, sub } from "../graph/ops/pointwise.js";
import type { Parameters } from "../graph/parameters.js";
import { constant, scope, type Tensor } from "../graph/tensor.js";
import { Conv2d, join } from "./layers.js";

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

export class Vgg19 {
  readonly #convolutions: { readonly layer: string; readonly stage: number; readonly conv: Conv2d }[] = [];

  /** Declares the convolutions up to `layer` as parameters `conv1_1.weight`, … (frozen: not for an optimiser). */
  constructor(
    parameters: Parameters,
    readonly layer: VggLayer = "conv5_4",
    name = "",
    readonly order: ChannelOrder = "bgr",
  ) {
    let from = 3;
    for (const [stage, widths] of STAGES.entries()) {
      for (const [i, to] of widths.entries()) {
        const id = `${stage + 1}_${i + 1}`;
        this.#convolutions.push({ layer: id, stage, conv: new Conv2d(parameters, join(name, `conv${id}`), from, to) });
        from = to;
        if (layer.endsWith(id)) return;
      }
    }
  }

  /** x [N, 3, H, W] in [0, 1], channels in the network's order (BGR) → the features of `layer`. */
  forward(x: Tensor): Tensor {
    return scope("vgg", () => {
      const shape = [1, 3, 1, 1];
      const [mean, std] = this.order === "rgb" ? [MEAN.toReversed(), STD.toReversed()] : [MEAN, STD];
      const centred = sub(x, constant("imagenet mean", shape, mean));
      let y = div(centred, constant("imagenet std", shape, std));
      let stage = 0;
      for (const convolution of this.#convolutions) {
        if (convolution.stage !== stage) y = maxPool2d(y);
        stage = convolution.stage;
        const last = convolution === this.#convolutions.at(-1) && this.layer.startsWith("conv");
        y = convolution.conv.forward(y, last ? {} : { activation: "relu" });
      }
      return y;
    });
  }
}
