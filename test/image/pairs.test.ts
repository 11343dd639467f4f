import { createHash } from "node:crypto";
import { expect } from "chai";
import { readImage } from "../../src/files/images.js";
import { ImageError } from "../../src/image/errors.js";
import { createImage, cropImage, type Image } from "../../src/image/image.js";
import { padCentred, padEnd, stackReferences, testPair, testPairMulti, trainPair } from "../../src/image/pairs.js";
import { fillNoise, goldenJson, goldenPath } from "../files/golden.js";

interface Case {
  name: string;
  inputs: { hr: string; ref: string; refs: string[] };
  outputs: Record<string, string>;
  sha256: Record<string, string>;
  pad_nums_tdlr: number[];
}

const cases = goldenJson<Case[]>("metrics.json");
const golden = (name: string) => readImage(goldenPath(name));
const sha256 = ({ data }: Image) => createHash("sha256").update(data).digest("hex");

async function goldenCase(name: string) {
  const found = cases.find((c) => c.name === name)!;
  return { ...found, hr: await golden(found.inputs.hr) };
}

describe("pairs", () => {
  it("prepares a pair as the official TestSet", async () => {
    const { hr, inputs, outputs, pad_nums_tdlr } = await goldenCase("testset");
    const pair = testPair(hr, await golden(inputs.ref));
    expect(pair.hr).to.deep.equal(await golden(outputs.HR_pad!));
    expect(pair.lr).to.deep.equal(await golden(outputs.LR_pad!));
    expect(pair.ref).to.deep.equal(await golden(outputs.Ref!));
    expect(pair.refDown).to.deep.equal(await golden(outputs.Ref_down!));
    const { top, bottom, left, right } = pair.padding;
    expect([top, bottom, left, right]).to.deep.equal(pad_nums_tdlr);
    expect(cropImage(pair.hr, left, top, hr.width, hr.height)).to.deep.equal(pair.original);
  });

  it("stacks five references as the official TestSet_multi", async () => {
    const { hr, inputs, outputs, sha256: sums } = await goldenCase("testset_multi");
    const pair = testPairMulti(hr, await Promise.all(inputs.refs.map(golden)));
    expect(pair.refDown).to.deep.equal(await golden(outputs.Ref_down!));
    expect([pair.ref.width, pair.ref.height]).to.deep.equal([512, 2560]);
    expect([pair.ref, pair.refDown, pair.hr, pair.lr].map(sha256)).to.deep.equal(
      ["Ref", "Ref_down", "HR_pad", "LR_pad"].map((name) => sums[name]),
    );
  });

  it("prepares a pair as the official TrainSet", async () => {
    const { hr, inputs, outputs } = await goldenCase("trainset");
    const pair = trainPair(hr, await golden(inputs.ref));
    expect(pair.hr).to.deep.equal(await golden(outputs.HR!));
    expect(pair.lr).to.deep.equal(await golden(outputs.LR!));
    expect(pair.ref).to.deep.equal(await golden(outputs.Ref!));
    expect(pair.refDown).to.deep.equal(await golden(outputs.Ref_down!));
  });

  it("leaves images alone that already fit", () => {
    const image = fillNoise(createImage(64, 32, 3, 8), 5);
    expect(padCentred(image, 32).image).to.equal(image);
    expect(padCentred(image, 32).padding).to.deep.equal({ top: 0, bottom: 0, left: 0, right: 0 });
    expect(padEnd(image, 16)).to.equal(image);
  });

  it("refuses a reference larger than its room in the stack", () => {
    const fits = createImage(512, 512, 3, 8);
    expect(stackReferences([fits, fits]).height).to.equal(1024);
    expect(() => stackReferences([fits, createImage(513, 10, 3, 8)])).to.throw(ImageError, "reference 2 of 2 (513×10");
    expect(() => stackReferences([])).to.throw(ImageError);
  });
});
