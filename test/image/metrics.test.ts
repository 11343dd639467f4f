import { expect } from "chai";
import { readImage } from "../../src/files/images.js";
import { ImageError } from "../../src/image/errors.js";
import { createImage, toBitDepth, toRgb } from "../../src/image/image.js";
import { psnr, psnrCbCr, psnrY, ssim, ssimY } from "../../src/image/metrics.js";
import { fillNoise, goldenJson, goldenPath } from "../files/golden.js";

interface Case {
  name: string;
  pairs: {
    reference: string;
    image: string;
    psnr_y: number | string;
    ssim_y: number;
    psnr_bgr: number | string;
    ssim_bgr: number;
  }[];
}

const { pairs } = goldenJson<Case[]>("metrics.json").find(({ name }) => name === "psnr_ssim")!;
const PSNR_TOLERANCE = 1e-4;
const SSIM_TOLERANCE = 1e-6;

describe("metrics", () => {
  for (const pair of pairs) {
    it(`equals the official figures: ${pair.image} against ${pair.reference}`, async () => {
      const [a, b] = [await readImage(goldenPath(pair.reference)), await readImage(goldenPath(pair.image))];
      const decibels: [number, number][] = [
        [psnrY(a, b), Number(pair.psnr_y)],
        [psnr(a, b), Number(pair.psnr_bgr)],
      ];
      for (const [got, expected] of decibels) {
        if (expected === Number.POSITIVE_INFINITY) expect(got).to.equal(expected);
        else expect(got).to.be.closeTo(expected, PSNR_TOLERANCE);
      }
      expect(ssimY(a, b)).to.be.closeTo(pair.ssim_y, SSIM_TOLERANCE);
      expect(ssim(a, b)).to.be.closeTo(pair.ssim_bgr, SSIM_TOLERANCE);
    });
  }

  it("takes the PSNR of Cb and Cr over both, without Y", async () => {
    // Computed with numpy in float64.
    for (const [name, expected] of Object.entries({
      a_bicubic: 43.68578607,
      a_noisy: 36.37715748,
      b_jpeg: 33.71369032,
    })) {
      const original = await readImage(goldenPath(`img/metric_${name[0]}.png`));
      expect(psnrCbCr(await readImage(goldenPath(`img/metric_${name}.png`)), original)).to.be.closeTo(
        expected,
        PSNR_TOLERANCE,
      );
    }
    const [dark, light] = [createImage(4, 4, 1, 8), createImage(4, 4, 1, 8)];
    light.data.fill(200);
    expect(psnrCbCr(dark, light)).to.equal(Number.POSITIVE_INFINITY);
  });

  it("is the same at 16 bits", () => {
    const [a, b] = [fillNoise(createImage(20, 15, 3, 8), 1), fillNoise(createImage(20, 15, 3, 8), 2)];
    const [deepA, deepB] = [toBitDepth(a, 16), toBitDepth(b, 16)];
    expect(psnrY(deepA, deepB)).to.be.closeTo(psnrY(a, b), PSNR_TOLERANCE);
    expect(psnr(a, deepB)).to.be.closeTo(psnr(a, b), PSNR_TOLERANCE);
    expect(psnrCbCr(a, deepB)).to.be.closeTo(psnrCbCr(a, b), PSNR_TOLERANCE);
    expect(ssimY(deepA, deepB)).to.be.closeTo(ssimY(a, b), SSIM_TOLERANCE);
  });

  it("counts grey as three equal colours", () => {
    const [a, b] = [fillNoise(createImage(20, 15, 1, 8), 1), fillNoise(createImage(20, 15, 1, 8), 2)];
    expect(psnrY(a, b)).to.equal(psnrY(toRgb(a), toRgb(b)));
    expect(ssim(a, b)).to.equal(ssim(toRgb(a), toRgb(b)));
  });

  it("refuses images that cannot be compared", () => {
    const [a, b] = [createImage(20, 10, 3, 8), createImage(10, 20, 3, 8)];
    for (const measure of [psnrY, psnr, psnrCbCr, ssimY, ssim])
      expect(() => measure(a, b)).to.throw(ImageError, "20×10");
    expect(() => ssimY(a, a)).to.throw(ImageError, "11×11");
    expect(psnrY(a, a)).to.equal(Number.POSITIVE_INFINITY);
  });
});
