import { expect } from "chai";
import { ImageError } from "../../src/files/errors.js";
import { comparisonSheet } from "../../src/files/sheet.js";
import { createImage, cropImage, toBitDepth, toRgb } from "../../src/image/image.js";
import { failure, fillNoise } from "./golden.js";

describe("sheet", () => {
  it("lays images side by side, unchanged", async () => {
    const [a, b] = [fillNoise(createImage(50, 40, 3, 8), 1), fillNoise(createImage(30, 40, 2, 16), 2)];
    const sheet = await comparisonSheet([
      { image: a, caption: "SR <PSNR-Y 28.9 dB> & more words than fit" },
      { image: b, caption: "" },
    ]);
    expect([sheet.channels, sheet.bitDepth, sheet.width]).to.deep.equal([3, 8, 8 + 50 + 8 + 30 + 8]);
    const top = sheet.height - 40 - 8;
    expect(cropImage(sheet, 8, top, 50, 40)).to.deep.equal(a);
    expect(cropImage(sheet, 66, top, 30, 40)).to.deep.equal(toBitDepth(toRgb(b), 8));
    expect(new Set(cropImage(sheet, 58, top, 8, 40).data)).to.deep.equal(new Set([255]));
  });

  it("lays rows of images below one another, on white", async () => {
    const [a, b] = [fillNoise(createImage(20, 10, 3, 8), 1), fillNoise(createImage(30, 12, 3, 8), 2)];
    const sheet = await comparisonSheet([{ image: a, caption: "" }], [{ image: b, caption: "" }]);
    const row = sheet.height - 12 - 8 - (8 + 10);
    expect(cropImage(sheet, 8, row / 2, 20, 10)).to.deep.equal(a);
    expect(cropImage(sheet, 8, sheet.height - 12 - 8, 30, 12)).to.deep.equal(b);
    expect(sheet.width).to.equal(8 + 30 + 8);
    expect(new Set(cropImage(sheet, 28, 0, 18, row / 2 + 10).data)).to.deep.equal(new Set([255]));
  });

  it("writes captions that are readable when a wide sheet is shown whole", async () => {
    const inked = async (width: number, caption: string) => {
      const image = createImage(width, 20, 3, 8);
      image.data.fill(255);
      const sheet = await comparisonSheet([
        { image, caption },
        { image, caption: "" },
      ]);
      // Rows that letters cross.
      return Array.from({ length: sheet.height }, (_, y) =>
        sheet.data.subarray(3 * y * sheet.width, 3 * (y + 1) * sheet.width).some((value) => value < 128),
      ).filter(Boolean).length;
    };
    const small = await inked(500, "MASA");
    expect(small).to.be.within(8, 16);
    expect(await inked(2500, "MASA")).to.be.above(3 * small);
  });

  it("draws names with control characters and halves of pairs", async () => {
    const image = createImage(40, 20, 3, 8);
    expect((await comparisonSheet([{ image, caption: "a\u0001b\ud800\n" }])).width).to.equal(56);
  });

  it("refuses no images and different heights", async () => {
    await failure(() => comparisonSheet([]), ImageError, /needs images/);
    const panel = (height: number) => ({ image: createImage(4, height, 1, 8), caption: `h${height}` });
    await failure(() => comparisonSheet([panel(4), panel(5)]), ImageError, /"h5" is 5 pixels high, "h4" 4/);
  });
});
