/** The content encoder that LR, Ref↓ and Ref share (paper, section 3.1): three levels, each half the size of the last. */

import { segment } from "../graph/trace/graph.js";
import type { Tensor } from "../graph/trace/tensor.js";
import { Conv2d, ResidualBlocks } from "../nn/layers.js";
import { Module, type Parts } from "../nn/module.js";

/** Features at full, half and quarter size. */
export type Levels = readonly [level1: Tensor, level2: Tensor, level3: Tensor];

interface Level {
  readonly conv: Conv2d;
  readonly blocks: ResidualBlocks;
}

export class Encoder extends Module {
  readonly #levels: readonly [Level, Level, Level];

  /** `blocks`: residual blocks at each level. */
  constructor(inputs: number, channels: number, blocks: readonly [number, number, number]) {
    super();
    const level = (i: 1 | 2 | 3, from: number, stride: number): Level => ({
      conv: new Conv2d(from, channels, { stride }),
      blocks: new ResidualBlocks(channels, blocks[i - 1] as number),
    });
    this.#levels = [level(1, inputs, 1), level(2, channels, 2), level(3, channels, 2)];
  }

  protected override parts(): Parts {
    return this.#levels.flatMap(
      ({ conv, blocks }, i): Parts => [
        [`conv_L${i + 1}`, conv],
        [`blk_L${i + 1}`, blocks],
      ],
    );
  }

  /** x [N, inputs, H, W] → [N, C, H, W], [N, C, ⌈H/2⌉, ⌈W/2⌉], [N, C, ⌈H/4⌉, ⌈W/4⌉]. */
  forward(x: Tensor): Levels {
    const level1 = this.forwardLevel1(x);
    const level2 = this.#run(1, level1);
    return [level1, level2, this.#run(2, level2)];
  }

  /** The first level alone: all that matching needs of Ref↓. */
  forwardLevel1(x: Tensor): Tensor {
    return this.#run(0, x);
  }

  #run(i: 0 | 1 | 2, x: Tensor): Tensor {
    const { conv, blocks } = this.#levels[i];
    return segment(() => blocks.forward(conv.forward(x, { activation: "relu" })));
  }
}
