/**
 * The decoder (paper, figure 3): LR features from level 3 up to level 1, then the warped reference features are adapted
 * and merged in at scales ×1, ×2 and ×4. One SAM serves all three scales.
 */
import { bilinearResize } from "../graph/ops/bilinear.js";
import { scope, segment } from "../graph/trace/graph.js";
import type { Tensor } from "../graph/trace/tensor.js";
import { Conv2d, ResidualBlocks } from "../nn/layers.js";
import { Module } from "../nn/module.js";
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

/** Properties have the official names, which name the parameters. */
export class Decoder extends Module {
  readonly conv_L3: Conv2d;
  readonly blk_L3: ResidualBlocks;
  readonly conv_L2: Conv2d;
  readonly blk_L2: ResidualBlocks;
  readonly conv_L1: Conv2d;
  readonly blk_L1: ResidualBlocks;
  readonly merge_warp_x1: Conv2d;
  readonly blk_x1: ResidualBlocks;
  readonly dram_x2: DualResidualAggregation;
  readonly blk_x2: ResidualBlocks;
  readonly dram_x4: DualResidualAggregation;
  readonly blk_x4: ResidualBlocks;
  readonly conv_out: Conv2d;
  readonly pAda: SpatialAdaptation;

  constructor(config: MasaConfig, outputs = 3) {
    super();
    const { channels, decoderBlocks, adaptation, aggregation } = config;
    const conv = (from: number, to = channels) => new Conv2d(from, to);
    const blocks = (i: number) => new ResidualBlocks(channels, decoderBlocks[i] as number);
    const dram = () => new DualResidualAggregation(channels, aggregation);
    this.conv_L3 = conv(channels);
    this.blk_L3 = blocks(0);
    this.conv_L2 = conv(2 * channels);
    this.blk_L2 = blocks(1);
    this.conv_L1 = conv(2 * channels);
    this.blk_L1 = blocks(2);
    this.merge_warp_x1 = conv(2 * channels);
    this.blk_x1 = blocks(3);
    this.dram_x2 = dram();
    this.blk_x2 = blocks(4);
    this.dram_x4 = dram();
    this.blk_x4 = blocks(5);
    this.conv_out = conv(channels, outputs);
    this.pAda = new SpatialAdaptation(channels, adaptation);
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
        this.blk_L3.forward(this.conv_L3.forward(level3, { activation: "relu" })),
      );
      const l2 = part("decoder.blk_L2", () =>
        this.blk_L2.forward(this.conv_L2.forward(double(l3), { concat: level2, activation: "relu" })),
      );
      return part("decoder.blk_L1", () =>
        this.blk_L1.forward(this.conv_L1.forward(double(l2), { concat: level1, activation: "relu" })),
      );
    });
    const x1 = scope("x1", () => {
      const ref = part("pAda/x1", () => this.pAda.forward(lr, warped.x1));
      const merged = this.merge_warp_x1.forward(ref, { concat: lr, activation: "relu" });
      return seen("decoder.blk_x1", this.blk_x1.forward(merged));
    });
    const x2 = scope("x2", () => {
      const ref = part("pAda/x2", () => this.pAda.forward(double(x1), warped.x2));
      const merged = part("decoder.dram_x2", () => this.dram_x2.forward(x1, ref));
      return seen("decoder.blk_x2", this.blk_x2.forward(merged));
    });
    return scope("x4", () => {
      const ref = part("pAda/x4", () => this.pAda.forward(double(x2), warped.x4));
      const merged = part("decoder.dram_x4", () => this.dram_x4.forward(x2, ref));
      return this.conv_out.forward(seen("decoder.blk_x4", this.blk_x4.forward(merged)));
    });
  }
}

function double(x: Tensor): Tensor {
  const [, , height, width] = x.shape as [number, number, number, number];
  return bilinearResize(x, [2 * height, 2 * width]);
}
