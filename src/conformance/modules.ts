/** Parts of the network by themselves: its modules, and the steps of the matching. */
import { Parameters } from "../graph/trace/parameters.js";
import { SpatialAdaptation } from "../masa/adaptation.js";
import { DualResidualAggregation } from "../masa/aggregation.js";
import { type MasaConfig, masaConfig } from "../masa/config.js";
import { Decoder } from "../masa/decoder.js";
import { Encoder } from "../masa/encoder.js";
import { ResidualBlock } from "../nn/layers.js";
import type { Entry } from "./entry.js";
import { compareResults, type Operand, runGraph, type Tensors } from "./graph_case.js";
import { runMatchingStep } from "./matching.js";
import { fillParameters } from "./parameters.js";
import type { Trial } from "./trial.js";

/** Declares a module's parameters; what it returns records the module. */
type Module = (parameters: Parameters, hyper: Entry) => (x: Operand) => Tensors;

const MODULES: Readonly<Record<string, Module>> = {
  ResidualBlock(parameters, hyper) {
    const block = new ResidualBlock(parameters, "", hyper.number("nf"));
    return (x) => ({ y: block.forward(x("x")) });
  },
  Encoder(parameters, hyper) {
    const { channels, encoderBlocks } = masaConfig({
      channels: hyper.number("nf"),
      encoderBlocks: hyper.numbers("n_blks") as MasaConfig["encoderBlocks"],
    });
    const encoder = new Encoder(parameters, "", hyper.number("in_chl"), channels, encoderBlocks);
    return (x) => {
      const [fea_L1, fea_L2, fea_L3] = encoder.forward(x("x"));
      return { fea_L1, fea_L2, fea_L3 };
    };
  },
  SAM(parameters, hyper) {
    const sam = new SpatialAdaptation(parameters, "", hyper.number("nf"));
    return (x) => ({ y: sam.forward(x("lr"), x("ref")) });
  },
  DRAM(parameters, hyper) {
    const dram = new DualResidualAggregation(parameters, "", hyper.number("nf"));
    return (x) => ({ y: dram.forward(x("lr"), x("ref")) });
  },
  Decoder(parameters, hyper) {
    const config = masaConfig({
      channels: hyper.number("nf"),
      decoderBlocks: hyper.numbers("n_blks") as MasaConfig["decoderBlocks"],
    });
    const decoder = new Decoder(parameters, "", config, hyper.number("out_chl"));
    return (x) => {
      const warped = { x4: x("warp_x4"), x2: x("warp_x2"), x1: x("warp_x1") };
      return { out: decoder.forward([x("lr_L1"), x("lr_L2"), x("lr_L3")], warped) };
    };
  },
};

export async function runModule(trial: Trial): Promise<void> {
  const { golden, entry, set, device } = trial;
  const module = MODULES[golden.op];
  if (!module) return runMatchingStep(trial);
  const parameters = new Parameters();
  const build = module(parameters, entry.entry("hyper"));
  try {
    await fillParameters(device, parameters, set.parameters(entry.entry("params")));
    await compareResults(trial, await runGraph(trial, { build, parameters }));
  } finally {
    parameters.dispose();
  }
}
