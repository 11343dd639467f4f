import { expect } from "chai";
import { ArgumentError } from "../../src/errors.js";
import type { Device } from "../../src/gpu/device.js";
import { OutOfGpuMemoryError } from "../../src/gpu/errors.js";
import { Profiler } from "../../src/gpu/profiler.js";
import { GraphError } from "../../src/graph/trace/tensor.js";
import { ImageError } from "../../src/image/errors.js";
import { createImage, cropImage, type Image, splitAlpha } from "../../src/image/image.js";
import { resizeBicubic } from "../../src/image/resize.js";
import { Masa } from "../../src/masa/masa.js";
import { nodePlatform, openDevice } from "../../src/platform/node.js";
import { matchedPosition, matchedScore } from "../../src/upscale/explain.js";
import { Upscaler, upscale } from "../../src/upscale/run.js";
import { testDevice } from "../device.js";
import { failure } from "../files/golden.js";
import { rejection } from "../rejection.js";
import { picture } from "./picture.js";

const SMALL = { channels: 8, encoderBlocks: [1, 1, 1], decoderBlocks: [1, 1, 1, 1, 1, 1] } as const;

describe("upscale", () => {
  const enlarge = async (lr: Image, refs = [picture(40, 40)], signal?: AbortSignal) => {
    const { matched: _, match: __, ...result } = await matching(lr, refs, signal);
    return result;
  };
  const matching = async (lr: Image, refs = [picture(40, 40)], signal?: AbortSignal) => {
    const device = await testDevice();
    const masa = new Masa(SMALL);
    await masa.parameters.allocate(device, 1);
    try {
      return await upscale(device, masa, { lr, refs }, { matches: true, ...(signal && { signal }) });
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
    const matches = true;
    const single = await upscale(device, masa, { lr, refs: [ref] }, { matches });
    for (const ensemble of [4, 8] as const) {
      const { image, match, matched, similarity } = await upscale(
        device,
        masa,
        { lr, refs: [ref] },
        { ensemble, matches },
      );
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
      /Omit ensemble or profiler/,
    );
    const ensemble = 3 as 4;
    await failure(() => upscale(device, masa, request, { ensemble }), ArgumentError, /cannot have 3 orientations/);
    masa.parameters.dispose();
  });

  it("shows the reference where it was matched", async () => {
    const ref = picture(64, 64);
    const { matched } = await matching(resizeBicubic(ref, 16, 16), [ref]);
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
    const { match, blocks, similarity } = await matching(resizeBicubic(ref, 16, 16), [ref]);
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

  it("computes the same image and similarity without matches, in less memory", async () => {
    const device = await testDevice();
    const masa = new Masa(SMALL);
    await masa.parameters.allocate(device, 1);
    const told: number[] = [];
    const request = { lr: picture(24, 16), refs: [picture(50, 33)] };
    const onMemory = (bytes: number) => void told.push(bytes);
    const plain = await upscale(device, masa, request, { onMemory });
    const { matched, match, ...shown } = await upscale(device, masa, request, { matches: true, onMemory });
    masa.parameters.dispose();
    expect(plain).to.deep.equal(shown);
    expect([matched.width, match.matches.fineIndex.length]).to.deep.equal([96, 24 * 16]);
    expect(told[0]).to.be.below(told[1] as number);
  });

  it("refuses what is not an image, and an unknown storage, by name", async () => {
    const device = await testDevice();
    const masa = new Masa(SMALL);
    const good = picture(8, 8);
    const refuses = async (changes: object, message: string) => {
      for (const [request, name] of [
        [{ lr: { ...good, ...changes }, refs: [good] }, "lr"],
        [{ lr: good, refs: [good, { ...good, ...changes }] }, "refs[1]"],
      ] as const) {
        const error = await rejection(upscale(device, masa, request as never));
        expect(error).to.be.instanceOf(ImageError);
        expect(error.message).to.contain(`${name}: ${message}`);
      }
    };
    await refuses({ data: new Uint8Array(5) }, "it has 5 samples, 8×8×3 are 192");
    await refuses({ channels: 5 }, "an image cannot have 5 channels");
    await refuses({ width: 1.5 }, "an image cannot be 1.5×8");
    await refuses({ data: new Uint16Array(192) }, "its samples are a Uint16Array. Give a Uint8Array at 8 bits");
    await refuses({ bitDepth: 12 }, "a sample cannot have 12 bits");
    await refuses({ data: undefined }, "its samples are a undefined");
    const storage = "f8" as "f16";
    const error = await rejection(upscale(device, masa, { lr: good, refs: [good] }, { storage }));
    expect(error).to.be.instanceOf(ArgumentError);
    expect(error.message).to.contain("storage is f8. Choose f32 or f16");
  });

  it("stops when told, and keeps no GPU memory", async () => {
    const before = (await testDevice()).memory().bytes;
    const reason = new Error("enough");
    expect(await rejection(enlarge(picture(8, 8), undefined, AbortSignal.abort(reason)))).to.equal(reason);
    expect((await testDevice()).memory().bytes).to.equal(before);
  });

  it("refuses what exceeds the memory limit before it compiles, with sizes that fit", async () => {
    const quiet = { ...nodePlatform, warn: () => {} };
    const memoryLimit = 2_000_000;
    using device = await openDevice({ memoryLimit }, quiet);
    const masa = new Masa(SMALL);
    await masa.parameters.allocate(device);
    const limited = { lr: picture(96, 64), refs: [picture(128, 96)] };
    const error = await rejection(upscale(device, masa, limited));
    expect(error).to.be.instanceOf(OutOfGpuMemoryError);
    expect(error.message).to.match(/the plan needs [\d.]+ MiB, [\d.]+ KiB of 1\.9 MiB allowed are in use/);
    expect(device.memory().peakBytes, "only the weights were taken").to.equal(masa.parameters.bytes);
    const [, ...sizes] = /An image of (\d+)×(\d+) with references of (\d+)×(\d+)/.exec(error.message) ?? [];
    const [width, height, refWidth, refHeight] = sizes.map(Number) as [number, number, number, number];
    const { image } = await upscale(device, masa, { lr: picture(width, height), refs: [picture(refWidth, refHeight)] });
    expect(image.width).to.equal(4 * width);
  });
});

describe("Upscaler", () => {
  const request = { lr: picture(16, 16), refs: [picture(40, 40)] };
  let device: Device;
  let masa: Masa;
  before(async () => {
    device = await testDevice();
    masa = new Masa(SMALL);
    await masa.parameters.allocate(device, 1);
  });
  after(() => masa.parameters.dispose());

  it("serves calls at the same time in turn, with one plan for equal sizes", async () => {
    const before = device.memory().bytes;
    const told: number[] = [];
    const upscaler = new Upscaler(device, masa);
    const onMemory = (bytes: number) => void told.push(bytes);
    const all = await Promise.all([1, 2, 3].map(() => upscaler.upscale(request, { onMemory })));
    expect(told).to.have.length(1);
    expect(device.memory().bytes - before).to.equal(told[0]);
    for (const result of all) expect(result).to.deep.equal(all[0]);
    upscaler.dispose();
    expect(device.memory().bytes).to.equal(before);
  });

  it("says that it was disposed, during a call and after", async () => {
    const before = device.memory().bytes;
    const upscaler = new Upscaler(device, masa);
    await upscaler.upscale(request);
    const onProgress = () => upscaler.dispose();
    const during = await rejection(upscaler.upscale(request, { onProgress }));
    const after = await rejection(upscaler.upscale(request));
    for (const error of [during, after]) {
      expect(error).to.be.instanceOf(GraphError);
      expect(error.message).to.contain("was disposed");
    }
    expect(device.memory().bytes).to.equal(before);
  });

  it("compiles nothing for a signal that has been aborted", async () => {
    const upscaler = new Upscaler(device, masa);
    const told: number[] = [];
    const signal = AbortSignal.abort(new Error("enough"));
    const error = await rejection(upscaler.upscale(request, { signal, onMemory: (bytes) => told.push(bytes) }));
    expect(error.message).to.equal("enough");
    expect(told).to.deep.equal([]);
    upscaler.dispose();
  });
});
