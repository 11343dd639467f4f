import { expect } from "chai";
import { createImage, type Image } from "../../src/image/image.js";
import type { Explanation } from "../../src/masa/explain.js";
import { explained } from "../../src/reproduce/explain.js";
import {
  deviations,
  directionColour,
  positionColour,
  scaleColour,
  similarityMap,
  tintedBlocks,
} from "../../src/reproduce/pictures.js";

const grey = (width: number, height: number): Image => {
  const image = createImage(width, height, 3, 8);
  image.data.fill(100);
  return image;
};

/**
 * LR of 8×4 pixels in two blocks, of which a column of padding is cut off; a reference of 8×8. The left block was found in
 * the middle of its window at (2, 2), the right one at (5, 5); one pixel of it was found a step further right.
 */
function twoBlocks(): Explanation {
  const window = [7, 7] as const;
  const along = Array.from({ length: 16 }, (_, i) => (Math.floor(i / 4) + 0) * 5 + (i % 4));
  const fineIndex = Int32Array.from([...along, ...along]);
  fineIndex[16 + 5]! += 1;
  const fineScore = new Float32Array(32).fill(0.5);
  fineScore[3] = 1;
  const statistics = { mean: [0, 1], std: [1, 2] };
  return {
    pair: { lr: grey(8, 4), ref: grey(32, 32), refDown: grey(8, 8), window: { left: 1, top: 0, width: 7, height: 4 } },
    geometry: { lr: [4, 8], refDown: [8, 8], blocks: [1, 2], block: [4, 4], window, dilations: [1] },
    matches: {
      coarseIndex: Int32Array.of(2 * 8 + 2, 5 * 8 + 5),
      coarseScore: Float32Array.of(0.9, 0.8),
      originX: Int32Array.of(-1, 2),
      originY: Int32Array.of(-1, 2),
      fineIndex,
      fineScore,
    },
    result: grey(32, 16),
    warped: grey(32, 16),
    statistics: [{ scale: 1, lr: statistics, before: { mean: [2, 2], std: [1, 1] }, after: statistics }],
    layers: new Map(),
  };
}

const pixel = ({ width, data }: Image, x: number, y: number) => [
  ...data.subarray(3 * (y * width + x), 3 * (y * width + x) + 3),
];

describe("pictures of a match", () => {
  it("have colours that tell positions, values and directions apart", () => {
    expect(positionColour(0, 0)).to.deep.equal([230, 25, 40]);
    expect(positionColour(1, 1)).to.deep.equal([20, 170, 80]);
    expect(positionColour(0.5, 0)).to.deep.equal([242.5, 117.5, 35]);
    expect(scaleColour(0.2, 0.2, 0.8)).to.deep.equal([68, 1, 84]);
    expect(scaleColour(2, 0.2, 0.8)).to.deep.equal([253, 231, 37]);
    expect(scaleColour(1, 1, 1)).to.deep.equal([253, 231, 37]);
    expect(directionColour(0, 0)).to.deep.equal([255, 255, 255]);
    expect(directionColour(5, 0).map(Math.round)).to.deep.equal([255, 64, 64]);
  });

  it("tint each block with the colour of its place, without LR's padding", () => {
    const image = tintedBlocks(twoBlocks());
    expect([image.width, image.height]).to.deep.equal([28, 16]);
    const tinted = (x: number, y: number) =>
      positionColour(x / 7, y / 7).map((colour) => Math.round(0.4 * 100 + 0.6 * colour));
    // The left block has lost a column of four.
    for (const [x, at] of [
      [0, 2],
      [11, 2],
      [12, 5],
      [27, 5],
    ] as const)
      expect(pixel(image, x, 7), `column ${x}`).to.deep.equal(tinted(at, at));
  });

  it("leave pixels white that were found where their block was", () => {
    const image = deviations(twoBlocks());
    expect(pixel(image, 0, 0)).to.deep.equal([255, 255, 255]);
    // Pixel (1, 1) of the right block, a seventh of the window's half off to the right.
    const moved = pixel(image, 4 * (4 + 1 - 1) + 1, 4 * 1 + 2);
    expect(moved).to.deep.equal(directionColour(2 / 7, 0).map(Math.round));
    expect(moved).not.to.deep.equal([255, 255, 255]);
  });

  it("show similarity between its least and its largest value", () => {
    const { image, low, high } = similarityMap(twoBlocks());
    expect([low, high]).to.deep.equal([0.5, 1]);
    expect(pixel(image, 0, 4)).to.deep.equal([68, 1, 84]);
    expect(pixel(image, 4 * (3 - 1), 0)).to.deep.equal([253, 231, 37]);
  });

  it("come with the numbers that they show", async () => {
    const { figures, tables, data } = await explained({ explanation: twoBlocks(), network: "A network" });
    expect(figures.map(({ name }) => name)).to.deep.equal([
      ...["lines", "colours", "similarity", "warped", "adaptation_x1_mean", "adaptation_x1_std"],
    ]);
    expect(tables[0]?.rows).to.deep.equal([["×1", "1.50", "0.00", "0.500", "0.00"]]);
    const { blocks } = data as { blocks: { lr: number[]; refDown: number[]; coarse: number; fine: number }[] };
    expect(blocks[1]).to.deep.include({ lr: [4, 0], refDown: [5, 5], fine: 0.5 });
    expect(blocks[0]!.fine).to.equal((15 * 0.5 + 1) / 16);
  });
});
