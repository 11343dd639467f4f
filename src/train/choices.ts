/** The choices between variants of kernels that a training step makes. */

import { batchShapes } from "../data/loader.js";
import type { Device } from "../gpu/device.js";
import type { PlanChoice } from "../graph/plan/plan.js";
import type { TrainerConfig } from "./config.js";
import { Networks } from "./networks.js";
import { Trainer } from "./trainer.js";

/** What a step will choose, for the tuner; takes no GPU memory. */
export function stepChoices(device: Device, config: TrainerConfig): PlanChoice[] {
  const { batch, size } = config;
  const { plans } = Trainer.plan(device, new Networks(config), config, batchShapes(batch, size));
  return plans.flatMap(({ choices }) => choices);
}
