import { expect } from "chai";
import { readImage } from "../../src/files/images.js";
import { parseSafetensors } from "../../src/formats/safetensors.js";
import { ImageError } from "../../src/image/errors.js";
import { createImage, toBitDepth, toRgb } from "../../src/image/image.js";
import { psnr, psnrY, ssim, ssimY, toYcbcr8, toYcbcrFloat } from "../../src/image/metrics.js";
import { fillNoise, goldenBytes, goldenJson, goldenPath, hash } from "../files/golden.js";

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

  it("is the same at 16 bits", () => {
    const [a, b] = [fillNoise(createImage(20, 15, 3, 8), 1), fillNoise(createImage(20, 15, 3, 8), 2)];
    const [deepA, deepB] = [toBitDepth(a, 16), toBitDepth(b, 16)];
    expect(psnrY(deepA, deepB)).to.be.closeTo(psnrY(a, b), PSNR_TOLERANCE);
    expect(psnr(a, deepB)).to.be.closeTo(psnr(a, b), PSNR_TOLERANCE);
    expect(ssimY(deepA, deepB)).to.be.closeTo(ssimY(a, b), SSIM_TOLERANCE);
  });

  it("counts grey as three equal colours", () => {
    const [a, b] = [fillNoise(createImage(20, 15, 1, 8), 1), fillNoise(createImage(20, 15, 1, 8), 2)];
    expect(psnrY(a, b)).to.equal(psnrY(toRgb(a), toRgb(b)));
    expect(ssim(a, b)).to.equal(ssim(toRgb(a), toRgb(b)));
  });

  it("refuses images that cannot be compared", () => {
    const [a, b] = [createImage(20, 10, 3, 8), createImage(10, 20, 3, 8)];
    for (const measure of [psnrY, psnr, ssimY, ssim]) expect(() => measure(a, b)).to.throw(ImageError, "20×10");
    expect(() => ssimY(a, a)).to.throw(ImageError, "11×11");
    expect(psnrY(a, a)).to.equal(Number.POSITIVE_INFINITY);
  });

  it("equals the official bgr2ycbcr", () => {
    const { tensors } = parseSafetensors(goldenBytes("metrics.safetensors"));
    const values = (name: string) => Array.from(tensors.get(`bgr2ycbcr/${name}`)!.data, Number);
    const image = createImage(7, 6, 3, 8);
    for (let i = 0; i < image.data.length; i++) image.data[i - (i % 3) + 2 - (i % 3)] = hash(20001003, i) % 256;
    expect([...toYcbcr8(image)]).to.deep.equal(values("ycbcr_uint8"));
    expect([...toYcbcr8(image)].filter((_, i) => i % 3 === 0)).to.deep.equal(values("y_uint8"));
    const expected = values("ycbcr_float");
    for (const [i, v] of toYcbcrFloat(image).entries()) expect(v).to.be.closeTo(expected[i]!, 1e-6);
  });
});
