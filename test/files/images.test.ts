import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { expect } from "chai";
import { ImageError, OutputError } from "../../src/files/errors.js";
import { checkImagePath, inspectImage, readImage, toSharp, writeImage } from "../../src/files/images.js";
import { decodePng, encodePng } from "../../src/files/png.js";
import { createImage, type Image, toBitDepth, toGrey, toRgb } from "../../src/image/image.js";
import { attack, failure, fillNoise, goldenBytes, goldenPath, inFolder } from "./golden.js";
import { png } from "./made_png.js";

const KINDS = ([1, 2, 3, 4] as const).flatMap((channels) => ([8, 16] as const).map((depth) => ({ channels, depth })));
const noise = (channels: 1 | 2 | 3 | 4, depth: 8 | 16) =>
  fillNoise(createImage(13, 7, channels, depth), channels + depth);

/** A TIFF of one grey sample of 32-bit floating point. */
function floatTiff(): Buffer {
  const tags = [
    [256, 1],
    [257, 1],
    [258, 32],
    [259, 1],
    [262, 1],
    [273, 134],
    [277, 1],
    [278, 1],
    [279, 4],
    [339, 3],
  ] as const;
  const file = Buffer.alloc(138);
  file.write("II*\0\x08", "latin1");
  file.writeUInt16LE(tags.length, 8);
  for (const [i, [tag, value]] of tags.entries()) {
    const at = 10 + 12 * i;
    file.writeUInt16LE(tag, at);
    file.writeUInt16LE(4, at + 2);
    file.writeUInt32LE(1, at + 4);
    file.writeUInt32LE(value, at + 8);
  }
  file.writeFloatLE(0.5, 134);
  return file;
}

const pixels = (bytes: Uint8Array): Image => decodePng(bytes, "x.png");

describe("images: round trips", () => {
  for (const { channels, depth } of KINDS) {
    for (const extension of ["png", "tif"]) {
      it(`${extension}, ${channels} channels, ${depth} bits`, () =>
        inFolder(async (folder) => {
          const image = noise(channels, depth);
          const path = join(folder, `a.${extension}`);
          await writeImage(path, image);
          expect(await readImage(path)).to.deep.equal(image);
          expect(await inspectImage(path)).to.include({ width: 13, height: 7 });
          expect(await readdir(folder)).to.deep.equal([`a.${extension}`]);
        }));
    }
  }

  it("webp is lossless, as RGB of 8 bits", () =>
    inFolder(async (folder) => {
      const path = join(folder, "a.webp");
      for (const channels of [3, 4] as const) {
        await writeImage(path, noise(channels, 8));
        expect(await readImage(path)).to.deep.equal(noise(channels, 8));
      }
      await writeImage(path, noise(1, 16));
      expect(await readImage(path)).to.deep.equal(toRgb(toBitDepth(noise(1, 16), 8)));
    }));

  it("jpeg is close, and keeps grey", () =>
    inFolder(async (folder) => {
      const photo = await readImage(goldenPath("img/metric_a.png"));
      const path = join(folder, "a.JPG");
      for (const image of [photo, toGrey(photo), toBitDepth(photo, 16)]) {
        await writeImage(path, image);
        const read = await readImage(path);
        expect([read.channels, read.bitDepth]).to.deep.equal([image.channels, 8]);
        const expected = toBitDepth(image, 8).data;
        const mean =
          Array.from(read.data, (v, i) => Math.abs(v - expected[i]!)).reduce((a, b) => a + b) / expected.length;
        expect(mean).to.be.below(3);
      }
      await failure(() => writeImage(path, noise(4, 8)), ImageError, /a\.JPG cannot hold transparency.*\.webp/);
    }));

  it("reads the image of a view into larger memory", () => {
    const memory = new Uint16Array(5 + 13 * 7 * 3);
    const data = memory.subarray(5);
    data.set(noise(3, 16).data);
    expect(pixels(encodePng(createImage(13, 7, 3, 16, data)))).to.deep.equal(noise(3, 16));
  });

  it("refuses names of no format", async () => {
    await failure(
      () => writeImage("a.gif", noise(3, 8)),
      ImageError,
      /a\.gif names no image format\. End the name in \.png/,
    );
    expect(() => checkImagePath("folder.png/a")).to.throw(ImageError);
    checkImagePath("a.TIFF");
  });

  it("names the folder that is missing", () =>
    inFolder(async (folder) => {
      const path = join(folder, "no", "a.png");
      await failure(() => writeImage(path, noise(1, 8)), OutputError, /the folder .*no does not exist\. Create it/);
    }));
});

describe("images: kinds of PNG", () => {
  it("spreads grey of 1, 2 and 4 bits to 8", () => {
    expect([...pixels(png(3, 1, 1, 0, [0, 0b10100000])).data]).to.deep.equal([255, 0, 255]);
    expect([...pixels(png(3, 1, 2, 0, [0, 0b00011011])).data]).to.deep.equal([0, 85, 170]);
    expect([...pixels(png(3, 1, 4, 0, [0, 0x0f, 0x70])).data]).to.deep.equal([0, 255, 119]);
  });

  it("reads 16 bits with the high byte first", () => {
    expect(pixels(png(2, 1, 16, 0, [0, 0x12, 0x34, 0xff, 0x00]))).to.deep.equal(
      createImage(2, 1, 1, 16, Uint16Array.of(0x1234, 0xff00)),
    );
  });

  it("looks palettes up, with and without transparency", () => {
    const PLTE = [1, 2, 3, 4, 5, 6, 7, 8, 9];
    expect(pixels(png(3, 1, 8, 3, [0, 2, 0, 1], { PLTE }))).to.deep.equal(
      createImage(3, 1, 3, 8, Uint8Array.of(7, 8, 9, 1, 2, 3, 4, 5, 6)),
    );
    expect([...pixels(png(2, 1, 8, 3, [0, 0, 1], { PLTE, tRNS: [50] })).data]).to.deep.equal([
      1, 2, 3, 50, 4, 5, 6, 255,
    ]);
    expect(() => pixels(png(1, 1, 8, 3, [0, 3], { PLTE }))).to.throw(ImageError, "palette");
    expect(() => pixels(png(1, 1, 8, 3, [0, 0]))).to.throw(ImageError, "palette");
  });

  it("makes the transparent colour alpha and keeps the colour", () => {
    const grey = pixels(png(2, 1, 8, 0, [0, 9, 10], { tRNS: [0, 10] }));
    expect(grey).to.deep.equal(createImage(2, 1, 2, 8, Uint8Array.of(9, 255, 10, 0)));
    const rgb = pixels(png(2, 1, 16, 2, [0, 1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 7], { tRNS: [1, 2, 3, 4, 5, 7] }));
    expect([...rgb.data]).to.deep.equal([0x102, 0x304, 0x506, 65535, 0x102, 0x304, 0x507, 0]);
    expect([...pixels(png(2, 1, 4, 0, [0, 0x37], { tRNS: [0, 7] })).data]).to.deep.equal([51, 255, 119, 0]);
  });

  it("reads interlaced images", async () => {
    const image = noise(3, 8);
    const interlaced = await toSharp(image).png({ progressive: true }).toBuffer();
    expect(interlaced[28]).to.equal(1);
    expect(pixels(interlaced)).to.deep.equal(image);
  });

  it("ignores what follows the image", () => {
    const bytes = encodePng(noise(3, 8));
    expect(pixels(new Uint8Array([...bytes, 1, 2, 3]))).to.deep.equal(noise(3, 8));
  });
});

describe("images: other formats", () => {
  it("turns a JPEG as its EXIF orientation says", () =>
    inFolder(async (folder) => {
      const path = join(folder, "turned.jpg");
      const image = createImage(16, 8, 1, 8);
      for (let i = 0; i < image.data.length; i++) image.data[i] = i % 16 < 8 ? 20 : 220;
      await toSharp(image).withMetadata({ orientation: 6 }).jpeg().toFile(path);
      const turned = await readImage(path);
      expect([turned.width, turned.height]).to.deep.equal([8, 16]);
      expect(turned.data[0]).to.be.below(60);
      expect(turned.data.at(-1)).to.be.above(180);
    }));

  it("names a damaged JPEG and a TIFF of floats", () =>
    inFolder(async (folder) => {
      const path = join(folder, "a.jpg");
      const jpeg = await toSharp(noise(3, 8)).jpeg().toBuffer();
      await writeFile(path, jpeg.subarray(0, jpeg.length - 60));
      await failure(() => readImage(path), ImageError, /a\.jpg cannot be decoded/);
      await writeFile(path, floatTiff());
      await failure(() => readImage(path), ImageError, /samples of the type float/);
    }));
});

describe("images: hostile input", () => {
  it("names what a path is instead of an image", () =>
    inFolder(async (folder) => {
      const path = (name: string) => join(folder, name);
      await mkdir(path("folder.png"));
      await writeFile(path("empty.png"), "");
      await writeFile(path("text.png"), "<html>");
      await failure(() => readImage(path("none.png")), ImageError, /none\.png does not exist/);
      await failure(() => readImage(path("folder.png")), ImageError, /folder\.png is a folder/);
      await failure(() => readImage(path("empty.png")), ImageError, /empty\.png is empty/);
      await failure(() => readImage(path("text.png")), ImageError, /no image of a known format/);
    }));

  it("refuses absurd sizes before any memory is taken", () => {
    const before = process.memoryUsage().arrayBuffers;
    expect(() => pixels(png(65535, 65535, 8, 6, []))).to.throw(ImageError, "65535×65535 pixels, more than");
    expect(() => pixels(png(0xffffffff, 1, 16, 6, []))).to.throw(ImageError, "more than");
    expect(() => pixels(png(16384, 16384, 1, 0, []))).to.throw(ImageError, "more than");
    expect(() => pixels(png(0, 5, 8, 2, []))).to.throw(ImageError, "0×5");
    expect(() => pixels(png(16384, 8192, 16, 6, [0]))).to.throw(ImageError, /pixel data instead of 1073750016/);
    expect(() => pixels(png(16384, 8192, 8, 2, [0], {}, 1))).to.throw(ImageError, "pixel data instead of");
    expect(process.memoryUsage().arrayBuffers - before).to.be.below(2 ** 24);
  });

  it("refuses more pixel data than the header promises, interlaced or not", () => {
    for (const interlace of [0, 1]) {
      expect(pixels(png(1, 1, 8, 0, [0, 7], {}, interlace)).data[0]).to.equal(7);
      expect(() => pixels(png(1, 1, 8, 0, [0, 7, 0], {}, interlace))).to.throw(ImageError, "pixel data");
      expect(() => pixels(png(1, 1, 8, 0, new Array(1e6).fill(0), {}, interlace))).to.throw(ImageError, "pixel data");
    }
  });

  it("refuses unknown kinds, filters and damage", () => {
    expect(() => pixels(png(1, 1, 4, 2, [0, 7]))).to.throw(ImageError, "colour type 2, 4 bits");
    expect(() => pixels(png(1, 1, 8, 5, [0, 7]))).to.throw(ImageError, "colour type 5");
    expect(() => pixels(png(1, 1, 8, 0, [9, 7]))).to.throw(ImageError, "filter");
    expect(() => pixels(png(1, 1, 8, 0, [0, 7], { QQQQ: [] }))).to.throw(ImageError, "QQQQ");
    expect(() => pixels(png(1, 1, 8, 0, [0, 7], { tRNS: [1] }))).to.throw(ImageError, "damaged");
    const bytes = encodePng(noise(1, 8));
    bytes[20]! ^= 1;
    expect(() => pixels(bytes)).to.throw(ImageError, 'checksum of its part "IHDR"');
  });

  it("survives truncation at every byte and mutations", () => {
    for (const bytes of [encodePng(noise(2, 16)), goldenBytes("img/testset_out_LR.png")]) {
      const { rejected } = attack(bytes, 1000, pixels, ImageError);
      expect(rejected).to.be.above(900);
    }
  });

  it("survives mutations with checksums made right again", () => {
    const bytes = png(5, 4, 4, 3, new Array(4 * 4).fill(0), { PLTE: [1, 2, 3, 4, 5, 6], tRNS: [9] });
    attack(bytes, 3000, (changed) => pixels(repairChecksums(changed)), ImageError, 0);
  });
});

function repairChecksums(bytes: Uint8Array): Uint8Array {
  const file = Buffer.from(bytes);
  for (let at = 8; at + 12 <= file.length; ) {
    const end = at + 12 + file.readUInt32BE(at);
    if (end > file.length) break;
    file.writeUInt32BE(crc32(file.subarray(at + 4, end - 4)), end - 4);
    at = end;
  }
  return new Uint8Array(file);
}
