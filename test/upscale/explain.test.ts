import { readFileSync } from "node:fs";
import { expect } from "chai";
import { createImage, type Image } from "../../src/image/image.js";
import { downscale } from "../../src/image/pairs.js";
import { Masa } from "../../src/masa/masa.js";
import { type Explanation, explain, matchedPosition, matchedScore } from "../../src/upscale/explain.js";
import { testDevice } from "../device.js";
import { goldenPath } from "../files/golden.js";
import { Random } from "../graph/ops/check.js";

const SMALL = { channels: 8, encoderBlocks: [1, 1, 1], decoderBlocks: [1, 1, 1, 1, 1, 1] } as const;

/** Blots, which stay told apart when they are shrunk. */
function blots(width: number, height: number): Image {
  const random = new Random("blots");
  const image = createImage(width, height, 3, 8);
  const cells = Array.from({ length: 3 * Math.ceil(width / 4) * Math.ceil(height / 4) }, () => random.int(0, 255));
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      for (let c = 0; c < 3; c++)
        image.data[3 * (y * width + x) + c] = cells[3 * ((y >> 2) * Math.ceil(width / 4) + (x >> 2)) + c]!;
  return image;
}

describe("explain", () => {
  let found: Explanation;
  before(async () => {
    const device = await testDevice();
    const masa = new Masa(SMALL);
    await masa.parameters.allocate(device, 3);
    const ref = blots(128, 96);
    found = await explain(device, masa, { lr: downscale(ref), refs: [ref] }, { layers: true });
    masa.parameters.dispose();
  });

  it("tells where each pixel was found: a picture in itself, where it is", () => {
    for (let y = 1; y < 23; y++)
      for (let x = 1; x < 31; x++) {
        expect(matchedPosition(found, x, y), `${x}, ${y}`).to.deep.equal([x, y]);
        expect(matchedScore(found, x, y)).to.be.closeTo(1, 1e-5);
      }
    expect(found.geometry.blocks).to.deep.equal([3, 4]);
    expect([...found.matches.coarseIndex.slice(0, 2)]).to.deep.equal([4 * 32 + 4, 4 * 32 + 12]);
  });

  it("shows the reference where it was matched, at full strength", () => {
    const { warped, pair } = found;
    expect([warped.width, warped.height]).to.deep.equal([128, 96]);
    // Away from the edge, where patches repeat pixels, the picture is the reference itself; a mean of nine may round.
    for (let y = 8; y < 88; y++)
      for (let i = 3 * (y * 128 + 8); i < 3 * (y * 128 + 120); i++)
        expect(Math.abs(warped.data[i]! - pair.ref.data[i]!)).to.be.at.most(1);
  });

  it("shows every layer that the golden cases have, by their names", () => {
    const { cases } = JSON.parse(readFileSync(goldenPath("manifest.json"), "utf8")) as {
      cases: { part: string; intermediates_summary?: { names: string[] }; matching?: Record<string, unknown> }[];
    };
    const golden = cases.find(({ part }) => part === "net")!;
    const layers = golden.intermediates_summary!.names.filter((name) => !/^enc\(ref_down\)\/L[23]$/.test(name));
    const matching = Object.keys(golden.matching!).filter((name) => !name.endsWith("_margin"));
    expect([...found.layers.keys()]).to.have.members([...layers, ...matching, "lr", "ref", "ref_down", "out"]);
    for (const [name, { shape, data }] of found.layers)
      expect(data.length, name).to.equal(shape.reduce((product, side) => product * side, 1));
    expect(found.layers.get("warp_ref/x4")?.shape).to.deep.equal([1, 8, 96, 128]);
    expect(found.layers.get("fine_index")?.data).to.be.instanceOf(Int32Array);
  });

  it("has the statistics of the features before and after the adaptation", () => {
    for (const { scale, before, after } of found.statistics) {
      for (const [name, statistics] of [
        [`warp_ref/x${scale}`, before],
        [`pAda/x${scale}`, after],
      ] as const) {
        const { shape, data } = found.layers.get(name)!;
        const length = shape[2]! * shape[3]!;
        for (let channel = 0; channel < 8; channel++) {
          const plane = Array.from(data.subarray(channel * length, (channel + 1) * length));
          const mean = plane.reduce((sum, value) => sum + value / length, 0);
          const square = plane.reduce((sum, value) => sum + (value - mean) ** 2 / (length - 1), 0);
          expect(statistics.mean[channel], name).to.be.closeTo(mean, 1e-6);
          expect(statistics.std[channel], name).to.be.closeTo(Math.sqrt(square), 1e-6);
        }
      }
    }
    // The first weights give the reference LR's statistics, but for the epsilon of the normalisation.
    for (const { lr, after } of found.statistics)
      for (const channel of lr.mean.keys()) expect(after.mean[channel]).to.be.closeTo(lr.mean[channel]!, 1e-5);
  });
});
