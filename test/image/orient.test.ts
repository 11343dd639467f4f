import { expect } from "chai";
import { exifFor, exifOrientation, orientationBlock } from "../../src/formats/exif.js";
import { createImage } from "../../src/image/image.js";
import { orientImage } from "../../src/image/orient.js";

/** Three columns, two rows: a b c / d e f. */
const IMAGE = createImage(3, 2, 1, 8, Uint8Array.of(1, 2, 3, 4, 5, 6));
/** What EXIF's table of orientations makes of it, row after row. */
const UPRIGHT: Readonly<Record<number, readonly (readonly number[])[]>> = {
  1: [
    [1, 2, 3],
    [4, 5, 6],
  ],
  2: [
    [3, 2, 1],
    [6, 5, 4],
  ],
  3: [
    [6, 5, 4],
    [3, 2, 1],
  ],
  4: [
    [4, 5, 6],
    [1, 2, 3],
  ],
  5: [
    [1, 4],
    [2, 5],
    [3, 6],
  ],
  6: [
    [4, 1],
    [5, 2],
    [6, 3],
  ],
  7: [
    [6, 3],
    [5, 2],
    [4, 1],
  ],
  8: [
    [3, 6],
    [2, 5],
    [1, 4],
  ],
};

describe("orientation", () => {
  for (const [orientation, rows] of Object.entries(UPRIGHT))
    it(`${orientation}`, () => {
      const { width, height, data } = orientImage(IMAGE, Number(orientation));
      expect([width, height]).to.deep.equal([rows[0]?.length, rows.length]);
      expect([...data]).to.deep.equal(rows.flat());
    });

  it("keeps the channels of a pixel together", () => {
    const rgb = createImage(2, 1, 3, 16, Uint16Array.of(1, 2, 3, 4, 5, 6));
    expect([...orientImage(rgb, 3).data]).to.deep.equal([4, 5, 6, 1, 2, 3]);
  });

  it("is read from an EXIF block, and 1 in its copy", () => {
    for (let orientation = 1; orientation <= 8; orientation++) {
      const block = orientationBlock(orientation);
      expect(exifOrientation(block)).to.equal(orientation);
      const copy = exifFor(block, { width: 1, height: 1, keepGps: false }) as Uint8Array;
      expect(exifOrientation(copy)).to.equal(1);
      expect(exifOrientation(block)).to.equal(orientation);
    }
    expect(exifOrientation(orientationBlock(9))).to.equal(1);
  });
});
