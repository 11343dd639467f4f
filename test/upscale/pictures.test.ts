import { expect } from "chai";
import type { Image } from "../../src/image/image.js";
import {
  blockMatch,
  deviations,
  directionColour,
  positionColour,
  scaleColour,
  similarityMap,
  tintedBlocks,
} from "../../src/upscale/pictures.js";
import { twoBlocks } from "../masa/two_blocks.js";

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

  it("follow a block to where it was found", () => {
    expect(blockMatch(twoBlocks(), 0, 1)).to.deep.equal({
      block: { left: 12, top: 0, width: 16, height: 16 },
      window: { left: 8, top: 8, width: 28, height: 28 },
      found: [22, 22],
      similarity: 0.5,
    });
    const first = blockMatch(twoBlocks(), 0, 0);
    expect([first.block.left, first.window.left, first.similarity]).to.deep.equal([-4, 0, (15 * 0.5 + 1) / 16]);
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
});
