import { expect } from "chai";
import { ImageError } from "../../../src/files/errors.js";
import { createImage, cropImage, type Image, toBitDepth, toRgb } from "../../../src/image/image.js";
import { resizeBicubic } from "../../../src/image/resize.js";
import { type Sample, sampleSheet } from "../../../src/train/log/samples.js";
import { failure, fillNoise } from "../../files/golden.js";

/** Of a comparison sheet: the space around images, and the height of captions. */
const GAP = 8;
const CAPTION = 28;

const noise = (width: number, height: number, seed: number) => fillNoise(createImage(width, height, 3, 8), seed);

function sample(width: number, height: number, ref: Image, seed: number): Sample {
  const [bicubic, sr, hr] = [seed, seed + 1, seed + 2].map((s) => noise(width, height, s)) as [Image, Image, Image];
  return { name: `train/input/${seed}.png`, bicubic, sr, hr, ref };
}

describe("samples", () => {
  it("shows each sample in a row, the reference at the height of the others", async () => {
    const a = sample(48, 40, noise(60, 80, 4), 1);
    const b = { ...sample(64, 32, fillNoise(createImage(100, 32, 1, 16), 9), 6), psnr: 28.934 };
    const sheet = await sampleSheet([a, b]);
    const rowOfA = CAPTION + 40 + GAP;
    const widest = 3 * (GAP + 64) + GAP + 100 + GAP;
    expect([sheet.width, sheet.height]).to.deep.equal([widest, rowOfA + CAPTION + 32 + GAP]);
    expect([sheet.channels, sheet.bitDepth]).to.deep.equal([3, 8]);
    for (const [i, image] of [a.bicubic, a.sr, a.hr, resizeBicubic(a.ref, 30, 40)].entries())
      expect(cropImage(sheet, GAP + i * (48 + GAP), CAPTION, image.width, 40)).to.deep.equal(image);
    for (const [i, image] of [b.bicubic, b.sr, b.hr, toBitDepth(toRgb(b.ref), 8)].entries())
      expect(cropImage(sheet, GAP + i * (64 + GAP), rowOfA + CAPTION, image.width, 32)).to.deep.equal(image);
    const endOfA = 3 * (GAP + 48) + GAP + 30;
    const rest = cropImage(sheet, endOfA, 0, widest - endOfA, rowOfA);
    expect(new Set(rest.data)).to.deep.equal(new Set([255]));
  });

  it("shrinks wide rows", async () => {
    const wide = sample(1000, 500, noise(100, 50, 4), 1);
    const sheet = await sampleSheet([wide]);
    // Four images of 1000 pixels in 2048.
    expect(sheet.width).to.equal(4 * 512 + 5 * GAP);
    // Captions grow with the sheet, so that they can be read when it is shown at the size of a screen.
    const caption = sheet.height - 256 - GAP;
    expect(caption).to.be.within(CAPTION + 1, 2 * CAPTION);
    expect(cropImage(sheet, GAP, caption, 512, 256)).to.deep.equal(resizeBicubic(wide.bicubic, 512, 256));
  });

  it("refuses no samples and samples whose images differ in height", async () => {
    await failure(() => sampleSheet([]), ImageError, /no image to stack/);
    const odd = { ...sample(10, 10, noise(10, 10, 1), 1), sr: noise(10, 12, 2) };
    await failure(() => sampleSheet([odd]), ImageError, /"result" is 12 pixels high/);
  });
});
