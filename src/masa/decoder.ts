/**
 * The decoder (paper, figure 3): LR features from level 3 up to level 1, then the warped reference features are adapted
 * and merged in at scales ×1, ×2 and ×4. One SAM serves all three scales.
 */
import { bilinearResize } from "../graph/ops/bilinear.js";
import { scope, segment } from "../graph/trace/graph.js";
import type { Parameters } from "../graph/trace/parameters.js";
import type { Tensor } from "../graph/trace/tensor.js";
import { Conv2d, join, ResidualBlocks } from "../nn/layers.js";
import { SpatialAdaptation } from "./adaptation.js";
import { DualResidualAggregation } from "./aggregation.js";
import type { MasaConfig } from "./config.js";
import type { Levels } from "./encoder.js";

/** Warped reference features at the sizes of the result, of half of it, and of the LR image. */
export interface Warped {
  readonly x4: Tensor;
  readonly x2: Tensor;
  readonly x1: Tensor;
}

/** Sees intermediate tensors by name: for layer-by-layer comparison. */
export type Probe = (name: string, tensor: Tensor) => void;

export interface DecoderOptions {
  readonly probe?: Probe;
}

export class Decoder {
  readonly #convL3: Conv2d;
  readonly #blocksL3: ResidualBlocks;
  readonly #convL2: Conv2d;
  readonly #blocksL2: ResidualBlocks;
  readonly #convL1: Conv2d;
  readonly #blocksL1: ResidualBlocks;
  readonly #merge: Conv2d;
  readonly #blocksX1: ResidualBlocks;
  readonly #dramX2: DualResidualAggregation;
  readonly #blocksX2: ResidualBlocks;
  readonly #dramX4: DualResidualAggregation;
  readonly #blocksX4: ResidualBlocks;
  readonly #out: Conv2d;
  readonly #adaptation: SpatialAdaptation;

  constructor(parameters: Parameters, name: string, config: MasaConfig, outputs = 3) {
    const { channels, decoderBlocks, adaptation, aggregation } = config;
    const conv = (layer: string, from: number, to = channels) => new Conv2d(parameters, join(name, layer), from, to);
    const blocks = (layer: string, i: number) =>
      new ResidualBlocks(parameters, join(name, layer), channels, decoderBlocks[i] as number);
    const dram = (layer: string) => new DualResidualAggregation(parameters, join(name, layer), channels, aggregation);
    this.#convL3 = conv("conv_L3", channels);
    this.#blocksL3 = blocks("blk_L3", 0);
    this.#convL2 = conv("conv_L2", 2 * channels);
    this.#blocksL2 = blocks("blk_L2", 1);
    this.#convL1 = conv("conv_L1", 2 * channels);
    this.#blocksL1 = blocks("blk_L1", 2);
    this.#merge = conv("merge_warp_x1", 2 * channels);
    this.#blocksX1 = blocks("blk_x1", 3);
    this.#dramX2 = dram("dram_x2");
    this.#blocksX2 = blocks("blk_x2", 4);
    this.#dramX4 = dram("dram_x4");
    this.#blocksX4 = blocks("blk_x4", 5);
    this.#out = conv("conv_out", channels, outputs);
    this.#adaptation = new SpatialAdaptation(parameters, join(name, "pAda"), channels, adaptation);
  }

  /** LR levels of an image [N, 3, H, W] and the warped reference → [N, 3, 4H, 4W], without the bicubic base. */
  forward([level1, level2, level3]: Levels, warped: Warped, { probe = () => {} }: DecoderOptions = {}): Tensor {
    const seen = (name: string, tensor: Tensor) => {
      probe(name, tensor);
      return tensor;
    };
    const part = (name: string, build: () => Tensor) => seen(name, segment(build));
    const lr = scope("lr", () => {
      const l3 = part("decoder.blk_L3", () =>
        this.#blocksL3.forward(this.#convL3.forward(level3, { activation: "relu" })),
      );
      const l2 = part("decoder.blk_L2", () =>
        this.#blocksL2.forward(this.#convL2.forward(double(l3), { concat: level2, activation: "relu" })),
      );
      return part("decoder.blk_L1", () =>
        this.#blocksL1.forward(this.#convL1.forward(double(l2), { concat: level1, activation: "relu" })),
      );
    });
    const x1 = scope("x1", () => {
      const ref = part("pAda/x1", () => this.#adaptation.forward(lr, warped.x1));
      const merged = this.#merge.forward(ref, { concat: lr, activation: "relu" });
      return seen("decoder.blk_x1", this.#blocksX1.forward(merged));
    });
    const x2 = scope("x2", () => {
      const ref = part("pAda/x2", () => this.#adaptation.forward(double(x1), warped.x2));
      const merged = part("decoder.dram_x2", () => this.#dramX2.forward(x1, ref));
      return seen("decoder.blk_x2", this.#blocksX2.forward(merged));
    });
    return scope("x4", () => {
      const ref = part("pAda/x4", () => this.#adaptation.forward(double(x2), warped.x4));
      const merged = part("decoder.dram_x4", () => this.#dramX4.forward(x2, ref));
      return this.#out.forward(seen("decoder.blk_x4", this.#blocksX4.forward(merged)));
    });
  }
}

function double(x: Tensor): Tensor {
  const [, , height, width] = x.shape as [number, number, number, number];
  return bilinearResize(x, [2 * height, 2 * width]);
}
