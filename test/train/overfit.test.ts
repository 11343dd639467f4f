import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { readImage, writeImage } from "../../src/files/images.js";
import { cropImage } from "../../src/image/image.js";
import { train, type ValidationEvent } from "../../src/train/run.js";
import { testDevice } from "../device.js";

const DATA = new URL("../../../examples/data/cufed5/train/", import.meta.url);

describe("training on one pair", () => {
  it("passes bicubic by 3 dB within 200 steps", async () => {
    const folder = await mkdtemp(join(tmpdir(), "masa-overfit-"));
    try {
      for (const name of ["input", "ref"]) {
        const image = await readImage(new URL(`${name}/000087.png`, DATA).pathname);
        await writeImage(join(folder, `${name}.png`), cropImage(image, 48, 48, 64, 64));
      }
      await writeFile(join(folder, "pairs.csv"), "hr,ref\ninput.png,ref.png\n");
      const seen: ValidationEvent[] = [];
      await train(await testDevice(), {
        out: join(folder, "run"),
        config: {
          ...{ preset: "tiny", data: folder, validate: join(folder, "pairs.csv"), size: 64, batch: 1, lr: 2e-3 },
          ...{ augment: false, steps: 200, validateEvery: 200, workers: 1 },
        },
        onValidation: (event) => seen.push(event),
      });
      const [{ mean }] = seen as [ValidationEvent];
      expect(mean.psnr).to.be.above(mean.bicubicPsnr + 3);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
