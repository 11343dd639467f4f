import { expect } from "chai";
import { readCase } from "../../src/data/cases.js";
import { DataError } from "../../src/data/errors.js";
import { readImage } from "../../src/files/images.js";
import { cropImage } from "../../src/image/image.js";
import { downscale, padCentred } from "../../src/image/pairs.js";
import { casePath } from "../cases.js";
import { failure, goldenJson, goldenPath, inFolder } from "../files/golden.js";
import { noise, put } from "./files.js";

interface Golden {
  name: string;
  inputs: { hr: string; ref: string; refs: string[] };
  outputs: Record<string, string>;
}

const golden = (name: string) => goldenJson<Golden[]>("metrics.json").find((c) => c.name === name)!;

describe("test cases", () => {
  it("have the values of their files where these are asked for", async () => {
    const files = { name: "a", hr: casePath("p3_16bit.tif"), refs: [casePath("p3_8bit.tif")] };
    const first = async (colours?: "raw") => [
      ...(await readCase("pairs.csv", files, 1, colours)).original.data.slice(0, 3),
    ];
    expect(await first()).to.deep.equal([170, 20, 32]);
    expect(await first("raw")).to.deep.equal([156, 39, 39]);
  });

  it("are the official TestSet's for CUFED5 and lists of pairs", async () => {
    const { inputs, outputs } = golden("testset");
    const files = { name: "a", hr: goldenPath(inputs.hr), refs: [goldenPath(inputs.hr), goldenPath(inputs.ref)] };
    for (const layout of ["CUFED5", "pairs.csv"] as const) {
      const { lr, ref, refDown } = await readCase(layout, files, 2);
      expect(lr).to.deep.equal(await readImage(goldenPath(outputs.LR_pad!)));
      expect(ref).to.deep.equal(await readImage(goldenPath(outputs.Ref!)));
      expect(refDown).to.deep.equal(await readImage(goldenPath(outputs.Ref_down!)));
    }
    await failure(() => readCase("CUFED5", files, 3), DataError, /a has no reference 3\. Choose one of 1 to 2/);
  });

  it("are the official TestSet_multi's for all references", async () => {
    const { inputs } = golden("testset_multi");
    const files = { name: "a", hr: goldenPath(inputs.hr), refs: inputs.refs.map(goldenPath) };
    const { ref, refDown } = await readCase("CUFED5", files, "all");
    expect([ref.width, ref.height, refDown.height]).to.deep.equal([512, 5 * 512, (5 * 512) / 4]);
  });

  it("are Urban100's with the LR image as its reference", () =>
    inFolder(async (folder) => {
      const hr = await put(noise(1, 100, 70), folder, "a.png");
      const pair = await readCase("Urban100", { name: "a", hr, refs: [] });
      expect(pair.hr).to.deep.equal(padCentred(noise(1, 100, 70), 64).image);
      expect([pair.ref, pair.refDown]).to.deep.equal([pair.lr, downscale(pair.lr)]);
      const { left, top } = pair.padding;
      expect(cropImage(pair.hr, left, top, 100, 70)).to.deep.equal(pair.original);
    }));

  it("are Sun80's with both images centred", () =>
    inFolder(async (folder) => {
      const hr = await put(noise(1, 60, 65, 1), folder, "a.png");
      const ref = await put(noise(2, 50, 17, 4), folder, "b.png");
      const pair = await readCase("Sun80", { name: "a", hr, refs: [ref] });
      expect([pair.hr.width, pair.hr.height, pair.hr.channels]).to.deep.equal([64, 128, 3]);
      expect([pair.ref.width, pair.ref.height, pair.ref.channels]).to.deep.equal([64, 32, 3]);
      expect(pair.ref.data[0]).to.equal(noise(2, 50, 17, 4).data[0]);
      expect(cropImage(pair.ref, 7, 7, 50, 17).data.slice(0, 3)).to.deep.equal(noise(2, 50, 17, 4).data.slice(0, 3));
    }));
});
