/** The weights that come with the package. */
import { readFileSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { readImage } from "../../src/files/images.js";
import type { Device } from "../../src/gpu/device.js";
import type { Image } from "../../src/image/image.js";
import { psnrY } from "../../src/image/metrics.js";
import { resizeBicubic } from "../../src/image/resize.js";
import { masaConfig } from "../../src/masa/config.js";
import type { Masa } from "../../src/masa/masa.js";
import { loadMasa, SHIPPED_WEIGHTS } from "../../src/models/load.js";
import { PRESETS } from "../../src/train/config.js";
import { upscale } from "../../src/upscale/run.js";
import { testDevice } from "../device.js";
import { uniform } from "../files/golden.js";

const aloe = (name: string) =>
  readImage(fileURLToPath(new URL(`../../../examples/data/aloe_${name}.png`, import.meta.url)));

/** What the demo's picture must gain over bicubic, in dB: less than it did when the weights were made, far above noise. */
const LEAST_GAIN = 0.7;
/** What the reference must be worth there, against the enlarged LR image as its own reference. */
const LEAST_WORTH = 0.3;
/** What storage in 16 bits may cost. */
const ROUNDING_COST = 0.01;

describe("the shipped weights", () => {
  let device: Device;
  let masa: Masa;
  before(async () => {
    device = await testDevice();
    masa = await loadMasa(device);
  });
  after(() => masa.parameters.dispose());

  const psnr = async (ref?: Image, storage: "f32" | "f16" = "f32") => {
    const lr = await aloe("lr");
    const { image } = await upscale(device, masa, { lr, refs: [ref ?? (await aloe("ref"))] }, { storage });
    return psnrY(image, await aloe("hr"));
  };

  it("are those of the preset small, in less than 3 MB", () => {
    expect(masa.config).to.deep.equal(masaConfig(PRESETS.small!.changes));
    expect(statSync(SHIPPED_WEIGHTS).size).to.be.below(3e6);
    const card = readFileSync(new URL("../../../weights/README.md", import.meta.url), "utf8");
    expect(card).to.include(masa.parameters.count.toLocaleString("en-US"));
  });

  it("enlarge the demo's picture better than bicubic, and lose next to nothing by 16 bits for features or weights", async () => {
    const [lr, hr] = [await aloe("lr"), await aloe("hr")];
    const trained = await psnr();
    const bicubic = resizeBicubic(lr, hr.width, hr.height);
    expect(trained).to.be.above(psnrY(bicubic, hr) + LEAST_GAIN);
    expect(trained, "with and without a reference").to.be.above((await psnr(bicubic)) + LEAST_WORTH);
    expect(Math.abs((await psnr(undefined, "f16")) - trained)).to.be.below(ROUNDING_COST);
    // Moves each weight by up to half a step of its 16 bits: as far as rounding to them can have moved it.
    for (const [k, variable] of masa.parameters.all.entries()) {
      const values = await masa.parameters.read(variable);
      masa.parameters.write(
        variable,
        values.map(
          (value, i) => value + (uniform(k, i) / 2) * 2 ** (Math.floor(Math.log2(Math.abs(value) || 2 ** -14)) - 10),
        ),
      );
    }
    expect(Math.abs((await psnr()) - trained)).to.be.below(ROUNDING_COST);
  });
});
