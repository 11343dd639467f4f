import { expect } from "chai";
import { parseSafetensors } from "../../src/formats/safetensors.js";
import { createImage } from "../../src/image/image.js";
import { chromaPlanes, lumaPlane, toYcbcr8, toYcbcrFloat } from "../../src/image/ycbcr.js";
import { goldenBytes, hash } from "../files/golden.js";

describe("YCbCr", () => {
  it("equals the official bgr2ycbcr", () => {
    const { tensors } = parseSafetensors(goldenBytes("metrics.safetensors"));
    const values = (name: string) => Array.from(tensors.get(`bgr2ycbcr/${name}`)!.data, Number);
    const image = createImage(7, 6, 3, 8);
    for (let i = 0; i < image.data.length; i++) image.data[i - (i % 3) + 2 - (i % 3)] = hash(20001003, i) % 256;
    expect([...toYcbcr8(image)]).to.deep.equal(values("ycbcr_uint8"));
    expect([...toYcbcr8(image)].filter((_, i) => i % 3 === 0)).to.deep.equal(values("y_uint8"));
    const expected = values("ycbcr_float");
    for (const [i, v] of toYcbcrFloat(image).entries()) expect(v).to.be.closeTo(expected[i]!, 1e-6);
    for (const [c, plane] of [lumaPlane(image), ...chromaPlanes(image)].entries())
      for (const [i, v] of plane.entries()) expect(v).to.be.closeTo(255 * expected[3 * i + c]!, 255e-6);
  });
});
