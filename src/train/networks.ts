/** The networks of a training run: the one that is trained, and those that its losses ask. */
import type { Device } from "../gpu/device.js";
import type { Parameters } from "../graph/trace/parameters.js";
import { Discriminator } from "../masa/discriminator.js";
import { type FirstWeights, firstWeightsFactor } from "../masa/first_weights.js";
import { Masa } from "../masa/masa.js";
import { Vgg19 } from "../masa/vgg.js";
import type { FillVgg } from "../models/vgg.js";
import type { TrainerConfig } from "./config.js";
import type { Critics } from "./objective.js";

/** What a network has under its name; only those that the losses want are there. */
export type NetworkName = "generator" | "discriminator" | "vgg";

/** The generator, and the discriminator and VGG19 where the losses ask for them. */
export class Networks implements Critics {
  readonly masa: Masa;
  readonly discriminator: Discriminator | undefined;
  readonly vgg: Vgg19 | undefined;
  readonly parameters: Readonly<Partial<Record<NetworkName, Parameters>>>;
  readonly #given: boolean;
  readonly #firstWeights: FirstWeights;

  /**
   * Declares the parameters. `side` is that of the training images; the discriminator takes no other. A `masa` that is
   * given has its weights on the GPU already.
   */
  constructor(config: TrainerConfig, side = config.size, masa?: Masa) {
    this.#given = masa !== undefined;
    this.#firstWeights = config.firstWeights;
    this.masa = masa ?? new Masa(config);
    const parameters: Partial<Record<NetworkName, Parameters>> = { generator: this.masa.parameters };
    if (config.adv > 0) {
      this.discriminator = new Discriminator(side, config.discriminatorChannels);
      parameters.discriminator = this.discriminator.parameters;
    }
    if (config.per > 0) {
      this.vgg = new Vgg19(config.vggLayer, config.vggOrder);
      parameters.vgg = this.vgg.parameters;
    }
    this.parameters = parameters;
  }

  /** Takes room on `device`. What is trained begins with weights drawn from `seed`; VGG19's come from `fillVgg`. */
  async allocate(device: Device, seed: number, fillVgg?: FillVgg): Promise<void> {
    const { generator, discriminator, vgg } = this.parameters;
    const factor = (name: string) => firstWeightsFactor(this.#firstWeights, name);
    if (!this.#given) await generator?.allocate(device, seed, factor);
    // Another seed, or the two networks would draw the same numbers.
    await discriminator?.allocate(device, seed + 1);
    if (vgg) await (fillVgg ? fillVgg(device, vgg) : vgg.allocate(device));
  }

  /** Frees the GPU memory. Safe to repeat. */
  dispose(): void {
    for (const parameters of Object.values(this.parameters)) parameters.dispose();
  }
}
