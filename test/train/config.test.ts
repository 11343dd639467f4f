import { expect } from "chai";
import { ConfigError, PRESETS, resumedConfig, trainConfig } from "../../src/train/config.js";

/** The faults that a configuration is refused for. */
function faults(...changes: Record<string, unknown>[]): string[] {
  try {
    trainConfig({ data: "pairs" }, ...changes);
  } catch (error) {
    if (error instanceof ConfigError) return error.message.split("\n  ").slice(1);
    throw error;
  }
  return [];
}

describe("training configuration", () => {
  it("is the official one by default", () => {
    const { channels, batch, size, lr, betas, discriminatorBetas, schedule, period, rec, per, adv } = trainConfig({
      data: "pairs",
    });
    expect({ channels, batch, size, lr, schedule, period }).to.deep.equal({
      ...{ channels: 64, batch: 9, size: 160, lr: 1e-4, schedule: "cosine", period: 500 },
    });
    expect({ betas, discriminatorBetas }).to.deep.equal({ betas: [0.9, 0.999], discriminatorBetas: [0, 0.9] });
    expect({ rec, per, adv }).to.deep.equal({ rec: 1, per: 0, adv: 0 });
    expect(trainConfig({ data: "pairs", preset: "masa", vgg: "w" })).to.include({ rec: 1, per: 1, adv: 5e-3 });
    const official = { smooth: 0, chroma: 0, edges: 0, dropReference: 0, orient: "each", geometryFrom: 30 };
    for (const preset of ["masa-rec", "masa"])
      expect(trainConfig({ data: "pairs", preset, vgg: "w" })).to.include(official);
  });

  it("has presets that can be meant, each changed by what is given", () => {
    for (const preset of Object.keys(PRESETS)) expect(faults({ preset, vgg: "vgg.pth" }), preset).to.deep.equal([]);
    expect(trainConfig({ data: "pairs", preset: "tiny", batch: 2 })).to.include({ channels: 16, batch: 2 });
    // The later of two changes counts, whichever names the preset.
    expect(trainConfig({ data: "pairs", batch: 3 }, { preset: "tiny" }, { batch: 5 })).to.include({ batch: 5 });
  });

  it("reads texts of the command line as values of a config file", () => {
    const texts = { betas: "0.5,0.9", dilations: "1,2", clip: "none", lr: "2e-3", recompute: "true", steps: "7" };
    const values = { betas: [0.5, 0.9], dilations: [1, 2], clip: null, lr: 2e-3, recompute: true, steps: 7 };
    expect(trainConfig({ data: "pairs" }, texts)).to.deep.equal(trainConfig({ data: "pairs" }, values));
  });

  for (const [what, changes, fault] of [
    ["an unknown key", { chanels: 8 }, "chanels is unknown; did you mean channels?"],
    ["a key like none", { zzzzzzzzz: 8 }, "zzzzzzzzz is unknown"],
    ["a fraction", { batch: 2.5 }, "batch is 2.5; a whole number of at least 1 is wanted"],
    ["a text that is no number", { lr: "fast" }, 'lr is "fast"; a number of at least 0 is wanted'],
    ["no number", { lr: Number.NaN }, "lr is null; a number of at least 0 is wanted"],
    ["a size that is no multiple of 32", { size: 100 }, "size is 100; a multiple of 32 is wanted"],
    ["a list of another length", { encoderBlocks: [1, 2] }, "encoderBlocks is [1,2]; 3 numbers, as 1,2,3 is wanted"],
    ["a wrong item", { dilations: [1, 0] }, "dilations is [1,0]; numbers, each a whole number of at least 1 is wanted"],
    ["a beta of 1", { betas: [0.9, 1] }, "betas is [0.9,1]; 2 numbers, each a number from 0 to below 1 is wanted"],
    ["no clip at all", { clip: 0 }, "clip is 0; a number above 0 is wanted"],
    ["a choice that there is not", { schedule: "linear" }, "cosine or anneal or constant or step is wanted"],
    ["a module that there is not", { adaptation: "SAM" }, "sam or spade or adain or none is wanted"],
    ["first weights that there are not", { firstWeights: "random" }, "official or he is wanted"],
    ["a factor below 0", { chroma: -1 }, "chroma is -1; a number of at least 0 is wanted"],
    ["a share above 1", { dropReference: 1.5 }, "dropReference is 1.5; a number from 0 to 1 is wanted"],
    ["a way to turn that there is not", { orient: "both" }, "each or together is wanted"],
    ["a width below 0", { smooth: -1 }, "smooth is -1; a number of at least 0 is wanted"],
    ["a layer that VGG19 has not", { vggLayer: "conv1_3" }, "a layer of VGG19, as conv5_4 or relu5_1 is wanted"],
    ["a preset that there is not", { preset: "huge" }, 'preset is "huge"; there are masa-rec, masa, small, tiny'],
    ["nothing to train for", { rec: 0 }, "there is nothing to train for"],
    ["a perceptual loss without VGG19", { per: 1 }, "which wants vgg"],
    ["micro-batches that do not fill a batch", { batch: 9, microBatch: 2 }, "does not divide batch, 9"],
    ["batch norm of one value", { adv: 1, size: 32, batch: 4, microBatch: 1 }, "finds no variance"],
  ] as const)
    it(`names ${what}`, () => {
      const found = faults(changes);
      expect(found).to.have.length(1);
      expect(found[0]).to.include(fault);
    });

  it("lists all faults together", () => {
    expect(faults({ chanels: 8 }, { batch: 0, lr: -1 })).to.have.length(3);
    expect(() => trainConfig({})).to.throw(ConfigError, "data is missing");
  });

  it("goes on as a run began, but for what does not change its bits", () => {
    const saved = trainConfig({ data: "pairs", preset: "tiny", lr: 3e-3, steps: 10 });
    expect(resumedConfig(saved, {})).to.deep.equal(saved);
    const { useReference: reference, ...named } = saved;
    expect(
      resumedConfig({ ...named, reference } as never, { reference } as never),
      "before its renaming",
    ).to.deep.equal(saved);
    expect(resumedConfig(saved, { steps: 20, workers: 1 })).to.deep.equal({ ...saved, steps: 20, workers: 1 });
    expect(resumedConfig(saved, { preset: "tiny", lr: 3e-3 })).to.deep.equal(saved);
    // A run of an earlier version has no word of what this one can choose.
    const { adaptation: _, chroma, edges, dropReference, orient, ...earlier } = saved;
    const official = { chroma: 0, edges: 0, dropReference: 0, orient: "each" };
    expect(resumedConfig(earlier as typeof saved, { preset: "tiny" })).to.deep.equal({ ...saved, ...official });
    expect(resumedConfig({ ...saved, chroma, edges, dropReference, orient }, { preset: "tiny" })).to.deep.equal(saved);
    expect(() => resumedConfig(saved, { lr: 1e-3 })).to.throw(ConfigError, "the run was begun with lr 0.003");
    expect(() => resumedConfig(saved, { preset: "masa-rec" })).to.throw(
      ConfigError,
      "the run was begun with channels 16",
    );
  });
});
