import { expect } from "chai";
import { parseSafetensors } from "../../src/formats/safetensors.js";
import { ImageError } from "../../src/image/errors.js";
import {
  type BitDepth,
  type Channels,
  createImage,
  cropImage,
  fromTensor,
  maxValue,
  mergeAlpha,
  padImage,
  roundHalfEven,
  splitAlpha,
  stackVertically,
  toBitDepth,
  toGrey,
  toRgb,
  toTensor,
} from "../../src/image/image.js";
import { fillNoise, goldenBytes, uniform } from "../files/golden.js";

const noise = (width: number, height: number, channels: Channels, bitDepth: BitDepth = 8) =>
  fillNoise(createImage(width, height, channels, bitDepth), width + 100 * height);

const KINDS = ([1, 2, 3, 4] as const).flatMap((channels) => ([8, 16] as const).map((depth) => ({ channels, depth })));

describe("image", () => {
  it("refuses sizes and data that disagree", () => {
    expect(() => createImage(0, 3, 1, 8)).to.throw(ImageError, "0×3");
    expect(() => createImage(2.5, 3, 1, 8)).to.throw(ImageError);
    expect(() => createImage(2, 3, 3, 8, new Uint8Array(17))).to.throw(ImageError, "17 samples");
    expect(() => createImage(2, 3, 3, 16, new Uint8Array(18))).to.throw(ImageError, "16 bits");
    expect(createImage(2, 3, 3, 16, new Uint16Array(18)).data).to.have.length(18);
  });

  it("pads by repeating the border", () => {
    const image = createImage(2, 2, 1, 8, Uint8Array.of(1, 2, 3, 4));
    const padded = padImage(image, { top: 1, bottom: 2, left: 2, right: 1 });
    expect([padded.width, padded.height]).to.deep.equal([5, 5]);
    const [upper, lower] = [
      [1, 1, 1, 2, 2],
      [3, 3, 3, 4, 4],
    ] as const;
    expect([...padded.data]).to.deep.equal([upper, upper, lower, lower, lower].flat());
    expect(() => padImage(image, { top: -1, bottom: 0, left: 0, right: 0 })).to.throw(ImageError, "negative");
  });

  for (const { channels, depth } of KINDS) {
    it(`crops what it padded, ${channels} channels, ${depth} bits`, () => {
      const image = noise(5, 4, channels, depth);
      const padded = padImage(image, { top: 3, bottom: 1, left: 2, right: 4 });
      expect(cropImage(padded, 2, 3, 5, 4)).to.deep.equal(image);
    });
  }

  it("refuses a crop that leaves the image", () => {
    const image = noise(5, 4, 1);
    expect(() => cropImage(image, 1, 0, 5, 4)).to.throw(ImageError, "leaves the image of 5×4");
    expect(() => cropImage(image, -1, 0, 2, 2)).to.throw(ImageError);
  });

  it("stacks images of one width", () => {
    const [a, b] = [noise(3, 2, 3), noise(3, 5, 3)];
    const stack = stackVertically([a, b]);
    expect(cropImage(stack, 0, 0, 3, 2)).to.deep.equal(a);
    expect(cropImage(stack, 0, 2, 3, 5)).to.deep.equal(b);
    expect(() => stackVertically([a, noise(4, 2, 3)])).to.throw(ImageError, "4×2 RGB");
    expect(() => stackVertically([a, noise(3, 2, 1)])).to.throw(ImageError);
    expect(() => stackVertically([])).to.throw(ImageError);
  });

  for (const { channels, depth } of KINDS.filter(({ channels }) => channels % 2 === 0)) {
    it(`takes alpha off and puts it back, ${channels} channels, ${depth} bits`, () => {
      const image = noise(5, 4, channels, depth);
      const { colour, alpha } = splitAlpha(image);
      expect(colour.channels).to.equal(channels - 1);
      expect(alpha?.data[7]).to.equal(image.data[7 * channels + channels - 1]);
      expect(mergeAlpha(colour, alpha!)).to.deep.equal(image);
      expect(() => mergeAlpha(colour, noise(4, 4, 1, depth))).to.throw(ImageError);
      expect(() => mergeAlpha(image, alpha!)).to.throw(ImageError);
    });
  }

  it("goes from grey to RGB and back without a change", () => {
    for (const depth of [8, 16] as const) {
      const grey = createImage(256, 1, 1, depth);
      for (let i = 0; i < 256; i++) grey.data[i] = depth === 8 ? i : i * 257;
      const rgb = toRgb(grey);
      expect([...rgb.data.subarray(9, 12)]).to.deep.equal([grey.data[3], grey.data[3], grey.data[3]]);
      expect(toGrey(rgb)).to.deep.equal(grey);
    }
    const primaries = createImage(3, 1, 3, 8, Uint8Array.of(255, 0, 0, 0, 255, 0, 0, 0, 255));
    expect([...toGrey(primaries).data]).to.deep.equal([76, 150, 29]);
  });

  it("goes from 8 to 16 bits and back without a change", () => {
    const image = noise(16, 16, 3);
    const deep = toBitDepth(image, 16);
    expect(deep.data[5]).to.equal(image.data[5]! * 257);
    expect(toBitDepth(deep, 8)).to.deep.equal(image);
  });

  it("makes BGR planes of the nearest float32", () => {
    const image = createImage(2, 1, 3, 8, Uint8Array.of(10, 20, 30, 40, 50, 60));
    const expected = [30, 60, 20, 50, 10, 40].map((v) => Math.fround(v / 255));
    expect([...toTensor(image)]).to.deep.equal(expected);
    const grey = createImage(2, 1, 2, 16, Uint16Array.of(1000, 7, 65535, 9));
    const row = [Math.fround(1000 / 65535), 1];
    expect([...toTensor(grey)]).to.deep.equal([...row, ...row, ...row]);
  });

  it("returns from the tensor what went in", () => {
    for (const depth of [8, 16] as const) {
      const image = createImage(256, 256, 3, depth);
      for (let i = 0; i < image.data.length; i++) image.data[i] = i % (maxValue(image) + 1);
      expect(fromTensor(toTensor(image), 256, 256, depth)).to.deep.equal(image);
    }
    expect(() => fromTensor(new Float32Array(11), 2, 2)).to.throw(ImageError, "[3, 2, 2]");
  });

  it("rounds half to even", () => {
    expect([0, 0.5, 1.5, 2.5, 2.4999, 254.5, 255].map(roundHalfEven)).to.deep.equal([0, 0, 2, 2, 2, 254, 255]);
  });

  it("equals the official tensor2img", () => {
    const { tensors } = parseSafetensors(goldenBytes("metrics.safetensors"));
    const tensor = Float32Array.from({ length: 3 * 9 * 8 }, (_, i) =>
      Math.fround(Math.fround(uniform(20001004, i) * Math.fround(0.75)) + 0.5),
    );
    expect(tensor[0]).to.equal(Math.fround(0.9030886292457581));
    const expected = Array.from(tensors.get("tensor2img/img")!.data, Number);
    expect([...fromTensor(tensor, 8, 9).data]).to.deep.equal(expected);

    const halves = Float32Array.from({ length: 3 * 255 }, (_, i) => ((i % 255) + 0.5) / 255);
    const rounded = Array.from(tensors.get("tensor2img/halves")!.data, Number);
    expect([...splitChannel(fromTensor(halves, 255, 1).data, 0)]).to.deep.equal(rounded);
  });
});

function splitChannel(data: ArrayLike<number>, channel: number): number[] {
  return Array.from({ length: data.length / 3 }, (_, i) => data[3 * i + channel]!);
}
