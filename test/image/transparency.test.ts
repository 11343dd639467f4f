import { expect } from "chai";
import { ImageError } from "../../src/image/errors.js";
import { createImage } from "../../src/image/image.js";
import { flatten, parseColour, resizeVisible, visibleColour } from "../../src/image/transparency.js";

describe("transparency", () => {
  const white = [255, 255, 255, 255];

  it("fills hidden colours from the visible ones, outwards", () => {
    const hidden = [9, 9, 9, 0];
    const row = createImage(
      5,
      1,
      4,
      8,
      Uint8Array.from([hidden, hidden, [10, 20, 30, 1], hidden, [50, 0, 2, 255]].flat()),
    );
    expect([...visibleColour(row).data]).to.deep.equal([10, 20, 30, 10, 20, 30, 10, 20, 30, 30, 10, 16, 50, 0, 2]);
  });

  it("does not depend on what is hidden", () => {
    const image = (hidden: number) =>
      createImage(
        9,
        7,
        2,
        16,
        Uint16Array.from({ length: 126 }, (_, i) => {
          const pixel = i >> 1;
          const visible = pixel % 11 === 3;
          if (i % 2 === 1) return visible ? 40000 : 0;
          return visible ? 1000 * pixel : hidden;
        }),
      );
    expect(visibleColour(image(0))).to.deep.equal(visibleColour(image(65535)));
    expect(visibleColour(image(0)).channels).to.equal(1);
  });

  it("leaves images without transparent pixels as they are, and makes one without visible pixels grey", () => {
    const opaque = createImage(1, 1, 3, 8, Uint8Array.of(1, 2, 3));
    expect(visibleColour(opaque)).to.equal(opaque);
    expect([...visibleColour(createImage(2, 2, 2, 8)).data]).to.deep.equal([128, 128, 128, 128]);
  });

  it("resizes what is seen: white beside transparent black stays white", () => {
    const image = createImage(4, 1, 4, 8, Uint8Array.from([...white, ...white, 0, 0, 0, 0, 0, 0, 0, 0]));
    const large = resizeVisible(image, 16, 4);
    expect(large.channels).to.equal(4);
    for (let i = 0; i < 64; i++) expect([...large.data.slice(4 * i, 4 * i + 3)]).to.deep.equal([255, 255, 255]);
    expect(large.data[3]).to.equal(255);
    expect(large.data[63]).to.equal(0);
  });

  it("lays an image on a ground", () => {
    const pixels = Uint8Array.of(200, 255, 100, 0, 100, 51);
    const grey = createImage(3, 1, 2, 8, pixels);
    expect([...flatten(grey, [255, 255, 255]).data]).to.deep.equal([200, 255, 224]);
    const red = flatten(grey, [255, 0, 0]);
    expect([...red.data]).to.deep.equal([200, 200, 200, 255, 0, 0, 224, 20, 20]);
    const deep = createImage(1, 1, 4, 16, Uint16Array.of(65535, 0, 0, 0));
    expect([...flatten(deep, [255, 128, 0]).data]).to.deep.equal([65535, 32896, 0]);
  });

  it("reads colours", () => {
    expect(parseColour("White")).to.deep.equal([255, 255, 255]);
    expect(parseColour("#ff8000")).to.deep.equal([255, 128, 0]);
    for (const text of ["", "red?", "#12345", "12345g"])
      expect(() => parseColour(text)).to.throw(ImageError, "#rrggbb");
  });
});
