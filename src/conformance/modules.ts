/** Parts of the network by themselves: its modules, and the steps of the matching. */
import { SpatialAdaptation } from "../masa/adaptation.js";
import { DualResidualAggregation } from "../masa/aggregation.js";
import { type MasaConfig, masaConfig } from "../masa/config.js";
import { Decoder } from "../masa/decoder.js";
import { Encoder } from "../masa/encoder.js";
import { ResidualBlock } from "../nn/layers.js";
import type { Module } from "../nn/module.js";
import type { Entry } from "./entry.js";
import { compareResults, type Operand, runGraph, type Tensors } from "./graph_case.js";
import { runMatchingStep } from "./matching.js";
import { fillParameters } from "./parameters.js";
import type { Trial } from "./trial.js";

/** Makes a module; `build` records it. */
type Case = (hyper: Entry) => { readonly module: Module; readonly build: (x: Operand) => Tensors };

const MODULES: Readonly<Record<string, Case>> = {
  ResidualBlock(hyper) {
    const block = new ResidualBlock(hyper.number("nf"));
    return { module: block, build: (x) => ({ y: block.forward(x("x")) }) };
  },
  Encoder(hyper) {
    const { channels, encoderBlocks } = masaConfig({
      channels: hyper.number("nf"),
      encoderBlocks: hyper.numbers("n_blks") as MasaConfig["encoderBlocks"],
    });
    const encoder = new Encoder(hyper.number("in_chl"), channels, encoderBlocks);
    return {
      module: encoder,
      build: (x) => {
        const [fea_L1, fea_L2, fea_L3] = encoder.forward(x("x"));
        return { fea_L1, fea_L2, fea_L3 };
      },
    };
  },
  SAM(hyper) {
    const sam = new SpatialAdaptation(hyper.number("nf"));
    return { module: sam, build: (x) => ({ y: sam.forward(x("lr"), x("ref")) }) };
  },
  DRAM(hyper) {
    const dram = new DualResidualAggregation(hyper.number("nf"));
    return { module: dram, build: (x) => ({ y: dram.forward(x("lr"), x("ref")) }) };
  },
  Decoder(hyper) {
    const config = masaConfig({
      channels: hyper.number("nf"),
      decoderBlocks: hyper.numbers("n_blks") as MasaConfig["decoderBlocks"],
    });
    const decoder = new Decoder(config, hyper.number("out_chl"));
    return {
      module: decoder,
      build: (x) => {
        const warped = { x4: x("warp_x4"), x2: x("warp_x2"), x1: x("warp_x1") };
        return { out: decoder.forward([x("lr_L1"), x("lr_L2"), x("lr_L3")], warped) };
      },
    };
  },
};

export async function runModule(trial: Trial): Promise<void> {
  const { golden, entry, set, device } = trial;
  const make = MODULES[golden.op];
  if (!make) return runMatchingStep(trial);
  const { module, build } = make(entry.entry("hyper"));
  const { parameters } = module;
  try {
    await fillParameters(device, parameters, set.parameters(entry.entry("params")));
    await compareResults(trial, await runGraph(trial, { build, parameters }));
  } finally {
    parameters.dispose();
  }
}
