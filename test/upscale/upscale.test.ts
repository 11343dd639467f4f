import { expect } from "chai";
import { ArgumentError } from "../../src/errors.js";
import { Profiler } from "../../src/gpu/profiler.js";
import { ImageError } from "../../src/image/errors.js";
import { type BitDepth, type Channels, createImage, cropImage, type Image, splitAlpha } from "../../src/image/image.js";
import { resizeBicubic } from "../../src/image/resize.js";
import { Masa } from "../../src/masa/masa.js";
import { nodePlatform, openDevice } from "../../src/platform/node.js";
import { matchedPosition, matchedScore } from "../../src/upscale/explain.js";
import { preparePair, upscale } from "../../src/upscale/upscale.js";
import { testDevice } from "../device.js";
import { failure } from "../files/golden.js";
import { Random } from "../graph/ops/check.js";
import { rejection } from "../rejection.js";

const SMALL = { channels: 8, encoderBlocks: [1, 1, 1], decoderBlocks: [1, 1, 1, 1, 1, 1] } as const;

/** A soft random pattern: not noise, so that enlarging it is meaningful. */
function picture(width: number, height: number, channels: Channels = 3, bitDepth: BitDepth = 8): Image {
  const random = new Random(`${width} ${height} ${channels}`);
  const image = createImage(Math.ceil(width / 3), Math.ceil(height / 3), channels, bitDepth);
  for (let i = 0; i < image.data.length; i++) image.data[i] = random.int(0, bitDepth === 8 ? 255 : 65535);
  return resizeBicubic(image, width, height);
}

describe("preparePair", () => {
  it("pads LR to whole blocks around its centre and one reference at its end", () => {
    const { lr, ref, refDown, window } = preparePair({ lr: picture(13, 9), refs: [picture(50, 33)] });
    expect([lr.width, lr.height]).to.deep.equal([16, 16]);
    expect(window).to.deep.equal({ left: 1, top: 3, width: 13, height: 9 });
    expect([ref.width, ref.height, refDown.width, refDown.height]).to.deep.equal([64, 48, 16, 12]);
  });

  it("pads to blocks of other sizes, in multiples of 4", () => {
    expect(preparePair({ lr: picture(13, 9), refs: [picture(50, 33)] }, 6).lr.width).to.equal(24);
  });

  it("does not see colours hidden under transparent pixels, in LR and in references", () => {
    const hidden = (value: number) => {
      const image = createImage(40, 36, 4, 8);
      for (let i = 0; i < 40 * 36; i++) {
        const shown = i % 40 > 17;
        image.data.set(shown ? [i % 256, 7, 200, 1 + (i % 255)] : [value, value, value, 0], 4 * i);
      }
      return image;
    };
    expect(preparePair({ lr: hidden(0), refs: [hidden(0)] })).to.deep.equal(
      preparePair({ lr: hidden(255), refs: [hidden(90)] }),
    );
  });

  it("stacks several references of different sizes and depths", () => {
    const { ref } = preparePair({ lr: picture(8, 8), refs: [picture(50, 33), picture(20, 70, 1, 16)] });
    expect([ref.width, ref.height, ref.bitDepth, ref.channels]).to.deep.equal([64, 160, 16, 3]);
  });

  it("wants a reference", () => {
    expect(() => preparePair({ lr: picture(8, 8), refs: [] })).to.throw(ImageError, "no reference");
  });
});

describe("upscale", () => {
  const enlarge = async (lr: Image, refs = [picture(40, 40)], signal?: AbortSignal) => {
    const device = await testDevice();
    const masa = new Masa(SMALL);
    await masa.parameters.allocate(device, 1);
    try {
      return await upscale(device, masa, { lr, refs }, signal ? { signal } : {});
    } finally {
      masa.parameters.dispose();
    }
  };

  for (const [channels, bitDepth] of [
    [1, 8],
    [2, 8],
    [3, 8],
    [4, 8],
    [1, 16],
    [4, 16],
  ] as const)
    it(`keeps ${channels} channels and ${bitDepth} bits`, async () => {
      const lr = picture(11, 9, channels, bitDepth);
      const { image, blocks, similarity } = await enlarge(lr);
      const { width, height } = image;
      expect([width, height, image.channels, image.bitDepth]).to.deep.equal([44, 36, channels, bitDepth]);
      expect(blocks).to.equal(4);
      expect(similarity).to.be.within(0, 1.0001);
      const { alpha } = splitAlpha(lr);
      if (alpha) expect(splitAlpha(image).alpha?.data).to.deep.equal(resizeBicubic(alpha, width, height).data);
    });

  for (const [storage, advice] of [
    ["f32", "Try an earlier checkpoint of these weights"],
    ["f16", 'f16 cannot hold features above 65504: use storage: "f32"'],
  ] as const)
    it(`says what to do about a result that is no number, stored as ${storage}`, async () => {
      const device = await testDevice();
      const masa = new Masa(SMALL);
      await masa.parameters.allocate(device, 1);
      masa.parameters.write(masa.parameters.get("decoder.conv_out.bias"), new Float32Array(3).fill(Number.NaN));
      const request = { lr: picture(8, 8), refs: [picture(40, 40)] };
      const error = await rejection(upscale(device, masa, request, { storage }));
      masa.parameters.dispose();
      expect((error as Error).message).to.contain(`has values that are infinite or NaN. ${advice}`);
    });

  it("averages over orientations: flipped images give the flipped result, and the matches are those of one run", async () => {
    const device = await testDevice();
    const masa = new Masa(SMALL);
    await masa.parameters.allocate(device, 1);
    const flipped = ({ data, ...image }: Image): Image => {
      const pixel = (i: number) =>
        [0, 1, 2].map((c) => data[3 * (i - 2 * (i % image.width) + image.width - 1) + c] as number);
      const samples = Array.from({ length: image.width * image.height }, (_, i) => pixel(i)).flat();
      return { ...image, data: new Uint8Array(samples) };
    };
    // Sides that need no padding, which would be on other sides of flipped images.
    const [lr, ref] = [picture(16, 8), picture(48, 32)];
    const single = await upscale(device, masa, { lr, refs: [ref] });
    for (const ensemble of [4, 8] as const) {
      const { image, match, matched, similarity } = await upscale(device, masa, { lr, refs: [ref] }, { ensemble });
      const turned = await upscale(device, masa, { lr: flipped(lr), refs: [flipped(ref)] }, { ensemble });
      expect(image.data).not.to.deep.equal(single.image.data);
      for (const [i, value] of flipped(turned.image).data.entries())
        expect(value).to.be.closeTo(image.data[i] as number, 1);
      expect(matched).to.deep.equal(single.matched);
      expect(match).to.deep.equal(single.match);
      expect(similarity).to.equal(single.similarity);
    }
    masa.parameters.dispose();
  });

  it("does not profile an ensemble, and knows only some", async () => {
    const device = await testDevice();
    const masa = new Masa(SMALL);
    await masa.parameters.allocate(device, 1);
    const request = { lr: picture(8, 8), refs: [picture(32, 32)] };
    const profiler = await Profiler.create(device);
    await failure(
      () => upscale(device, masa, request, { ensemble: 4, profiler }),
      ArgumentError,
      /Leave out ensemble or profiler/,
    );
    const ensemble = 3 as 4;
    await failure(() => upscale(device, masa, request, { ensemble }), ArgumentError, /cannot have 3 orientations/);
    masa.parameters.dispose();
  });

  it("shows the reference where it was matched", async () => {
    const ref = picture(64, 64);
    const { matched } = await enlarge(resizeBicubic(ref, 16, 16), [ref]);
    const distance = (other: Image) =>
      [...matched.data].reduce((sum, value, i) => sum + Math.abs(value - (other.data[i] as number)), 0);
    const other = picture(65, 64);
    expect(distance(ref), "nearer to the picture than to another").to.be.below(
      distance(cropImage(other, 0, 0, 64, 64)) / 2,
    );
  });

  it("tells where each pixel was found", async () => {
    const ref = picture(64, 64);
    // The reference at a quarter of its size: nothing resembles a pixel more than the pixel itself.
    const { match, blocks, similarity } = await enlarge(resizeBicubic(ref, 16, 16), [ref]);
    expect(match.matches.coarseIndex.length).to.equal(blocks).and.to.equal(4);
    const pixels = Array.from({ length: 256 }, (_, i) => [i % 16, Math.floor(i / 16)] as const);
    const scores = pixels.map(([x, y]) => matchedScore(match, x, y));
    expect(scores.reduce((sum, score) => sum + score) / 256).to.be.closeTo(similarity, 1e-9);
    // Patches are centred inside of windows only, which here end with the reference.
    for (const [x, y] of pixels.filter((at) => at.every((place) => place > 0 && place < 15)))
      expect(matchedPosition(match, x, y)).to.deep.equal([x, y]);
  });

  it("takes an image of one pixel and a reference of one colour", async () => {
    const flat = createImage(16, 16, 3, 8, new Uint8Array(768).fill(90));
    const { image, similarity } = await enlarge(picture(1, 1), [flat]);
    expect([image.width, image.height]).to.deep.equal([4, 4]);
    expect(Number.isFinite(similarity)).to.equal(true);
  });

  it("takes at its peak the bytes that it tells before", async () => {
    const device = await openDevice({}, { ...nodePlatform, warn: () => {} });
    const masa = new Masa(SMALL);
    await masa.parameters.allocate(device);
    let told = 0;
    await upscale(
      device,
      masa,
      { lr: picture(24, 16), refs: [picture(50, 33)] },
      { onMemory: (bytes) => (told = bytes) },
    );
    expect(device.memory().peakBytes).to.equal(masa.parameters.bytes + told);
    device.dispose();
  });

  it("stops when told, and keeps no GPU memory", async () => {
    const before = (await testDevice()).memory().bytes;
    const reason = new Error("enough");
    expect(await rejection(enlarge(picture(8, 8), undefined, AbortSignal.abort(reason)))).to.equal(reason);
    expect((await testDevice()).memory().bytes).to.equal(before);
  });
});
