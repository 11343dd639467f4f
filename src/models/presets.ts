/** Networks that go by a name; `masa train --preset` adds how each is trained. */
import type { MasaConfig } from "../masa/config.js";

/** What differs from the official network: pass one to `new Masa(…)` or `untrainedMasa(device, …)`. */
export const NETWORK_PRESETS = {
  /** The official network, 64 channels. */
  masa: {},
  /** 16 channels, most blocks where images are small: the shipped weights. */
  small: { channels: 16, encoderBlocks: [1, 1, 1], decoderBlocks: [1, 1, 1, 6, 2, 1] },
  /** 16 channels, a block at each stage. */
  tiny: { channels: 16, encoderBlocks: [1, 1, 1], decoderBlocks: [1, 1, 1, 1, 1, 1] },
} as const satisfies Readonly<Record<string, Partial<MasaConfig>>>;
