/** Image files as cameras, phones and screens write them; test/cases/README.md says what each file is. */
import { copyFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import sharp from "sharp";
import { ImageError } from "../../src/files/errors.js";
import { checkImagePath, inspectImage, readImage, toSharp, writeImage } from "../../src/files/images.js";
import { type Metadata, readMetadata } from "../../src/files/metadata.js";
import { encodePng } from "../../src/files/png.js";
import { srgbProfile, taggedPng } from "../../src/files/srgb.js";
import { exifOrientation, orientationBlock } from "../../src/formats/exif.js";
import { pngChunk } from "../../src/formats/png_structure.js";
import { createImage, type Image } from "../../src/image/image.js";
import { caseBytes, casePath } from "../cases.js";
import { failure, fillNoise, inFolder } from "./golden.js";

const first = (image: Image) => [...image.data.slice(0, 3)];

describe("files of cameras: colour", () => {
  it("Display P3 becomes sRGB in PNG and TIFF, at 8 and at 16 bits", async () => {
    expect(first(await readImage(casePath("p3_8bit.tif")))).to.deep.equal([170, 20, 32]);
    const deep = await readImage(casePath("p3_16bit.tif"));
    expect(deep.bitDepth).to.equal(16);
    expect(first(deep).map((value) => Math.round(value / 257))).to.deep.equal([170, 20, 32]);
    const raw = await readImage(casePath("p3_8bit.png"), { colours: "raw" });
    const converted = await readImage(casePath("p3_8bit.png"));
    const theirs = await sharp(caseBytes("p3_8bit.png")).raw().toBuffer();
    expect(converted).to.not.deep.equal(raw);
    for (const [i, value] of converted.data.entries()) expect(value).to.be.closeTo(theirs[i] as number, 1);
  });

  it("JPEG, PNG and TIFF of one colour are read as one", async () => {
    for (const name of ["png", "tif", "jpg"])
      expect(first(await readImage(casePath(`metadata/lr.${name}`))), name).to.deep.equal([200, 30, 30]);
  });

  it("raw values stay as they are in the file", async () => {
    expect(first(await readImage(casePath("p3_16bit.tif"), { colours: "raw" }))).to.deep.equal([40000, 10000, 10000]);
    for (const name of ["png", "tif", "jpg"])
      expect(first(await readImage(casePath(`metadata/lr.${name}`), { colours: "raw" }))).to.deep.equal([184, 50, 41]);
  });

  it("a profile made of tables is converted, at 16 bits too", () =>
    inFolder(async (folder) => {
      // Lab is what such profiles pass through.
      const image = createImage(
        2,
        2,
        3,
        8,
        Uint8Array.from({ length: 12 }, (_, i) => [170, 20, 32][i % 3] as number),
      );
      for (const space of ["lab", "labs", "cmyk"]) {
        const path = join(folder, `${space}.tif`);
        await writeFile(path, await toSharp(image).toColourspace(space).tiff().toBuffer());
        const read = await readImage(path);
        expect(read.channels).to.equal(3);
        if (space === "cmyk") continue;
        const scale = read.bitDepth === 16 ? 257 : 1;
        for (const [c, value] of first(read).entries())
          expect(value / scale).to.be.closeTo([170, 20, 32][c] as number, 1);
      }
    }));

  it("a profile that inflates to a gigabyte is ignored", () =>
    inFolder(async (folder) => {
      const path = join(folder, "bomb.png");
      const image = fillNoise(createImage(3, 3, 3, 8), 1);
      const zeros = Buffer.alloc(2 ** 25);
      await writeFile(path, taggedPng(image, zeros));
      const before = process.memoryUsage().arrayBuffers;
      expect(await readImage(path)).to.deep.equal(image);
      expect(process.memoryUsage().arrayBuffers - before).to.be.below(2 ** 26);
    }));

  for (const extension of ["png", "jpg", "webp", "tif"])
    it(`.${extension} is tagged as sRGB`, () =>
      inFolder(async (folder) => {
        const path = join(folder, `a.${extension}`);
        const image = fillNoise(createImage(8, 8, 3, extension === "tif" ? 16 : 8), 3);
        await writeImage(path, image);
        const { icc } = await sharp(path).metadata();
        if (extension === "png") expect(encodePng(image).subarray(37, 41).join()).to.equal("115,82,71,66");
        else expect(Buffer.compare(icc as Buffer, await srgbProfile())).to.equal(0);
        if (extension !== "jpg") expect(await readImage(path)).to.deep.equal(image);
      }));
});

describe("files of cameras: orientation", () => {
  it("PNG is turned as JPEG is", async () => {
    const [png, jpeg] = [await readImage(casePath("exif6.png")), await readImage(casePath("exif6.jpg"))];
    expect([png.width, png.height]).to.deep.equal([16, 24]);
    expect([jpeg.width, jpeg.height]).to.deep.equal([16, 24]);
    const mean = Array.from(png.data, (value, i) => Math.abs(value - (jpeg.data[i] as number)));
    expect(mean.reduce((a, b) => a + b) / mean.length).to.be.below(8);
    expect(await inspectImage(casePath("exif6.png"))).to.deep.equal({ width: 16, height: 24 });
  });

  it("all eight orientations are those of sharp", () =>
    inFolder(async (folder) => {
      const image = fillNoise(createImage(5, 3, 3, 8), 7);
      for (let orientation = 1; orientation <= 8; orientation++) {
        const path = join(folder, `${orientation}.png`);
        await writeFile(path, encodePng(image, [pngChunk("eXIf", orientationBlock(orientation))]));
        const read = await readImage(path);
        const turned = await sharp(path).autoOrient().raw().toBuffer();
        expect([...read.data]).to.deep.equal([...turned]);
      }
    }));
});

describe("files of cameras: metadata", () => {
  const WRITTEN = ["png", "jpg", "webp", "tif"];
  for (const source of ["jpg", "png"])
    for (const extension of WRITTEN)
      it(`from .${source} to .${extension}: copyright, resolution, upright`, () =>
        inFolder(async (folder) => {
          const path = join(folder, `a.${extension}`);
          const metadata = await readMetadata(casePath(`metadata/lr.${source}`));
          expect(Math.round(metadata.density as number)).to.equal(300);
          await writeImage(path, fillNoise(createImage(32, 32, 3, 8), 1), { metadata });
          const written = await readMetadata(path);
          // WebP has no field for the resolution but EXIF's.
          if (extension !== "webp") expect(Math.round(written.density as number)).to.equal(300);
          if (extension === "tif") return;
          const text = Buffer.from(written.exif as Uint8Array).toString("latin1");
          const copyright =
            Buffer.from(metadata.exif as Uint8Array)
              .toString("latin1")
              .match(/[\w© ]{6,}/g) ?? [];
          expect(copyright).to.have.length.above(0);
          for (const words of copyright) if (words !== "Exif") expect(text).to.include(words.trim());
          expect(exifOrientation(written.exif as Uint8Array)).to.equal(1);
        }));

  it("the position goes, unless it is asked for; XMP stays", () =>
    inFolder(async (folder) => {
      const packet = '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf exif:GPSLatitude="51N" dc:rights="me"/></x:xmpmeta>';
      const image = fillNoise(createImage(8, 8, 3, 8), 1);
      for (const extension of WRITTEN) {
        const path = join(folder, `a.${extension}`);
        await writeImage(path, image, { metadata: { xmp: packet } });
        expect((await readMetadata(path)).xmp, extension)
          .to.include('dc:rights="me"')
          .and.not.include("51N");
        await writeImage(path, image, { metadata: { xmp: packet }, keepGps: true });
        expect((await readMetadata(path)).xmp).to.include("51N");
      }
    }));

  it("an image turned by its EXIF block is written upright", () =>
    inFolder(async (folder) => {
      const path = join(folder, "a.jpg");
      const source = casePath("exif6.jpg");
      await writeImage(path, await readImage(source), { metadata: await readMetadata(source) });
      const { width, height, orientation } = await sharp(path).metadata();
      expect({ width, height, orientation }).to.deep.equal({ width: 16, height: 24, orientation: 1 });
    }));

  it("of files that have none are empty", async () => {
    const empty: Metadata = { exif: undefined, xmp: undefined, density: undefined };
    expect(await readMetadata(casePath("rims/lr.png"))).to.deep.equal(empty);
  });
});

describe("files of cameras: formats", () => {
  it("the first frame of a GIF and an AVIF are read", async () => {
    for (const name of ["still.gif", "still.avif"]) {
      const { width, height, channels } = await readImage(casePath(name));
      expect({ width, height, channels }).to.deep.equal({ width: 32, height: 32, channels: 3 });
    }
  });

  it("what is not read is refused by its name", () =>
    inFolder(async (folder) => {
      await failure(
        () => readImage(casePath("folder-skips/lr/2.bmp")),
        ImageError,
        /2\.bmp is a BMP file.*Save it as PNG/,
      );
      await failure(() => readImage(casePath("folder-skips/lr/3.heic")), ImageError, /3\.heic is a HEIC file/);
      await failure(() => readImage(casePath("cgbi.png")), ImageError, /Apple's CgBI variant.*sips -s format png/);
      const made: readonly [string, Buffer, RegExp][] = [
        ["a.jxl", Buffer.from([0xff, 0x0a, 0, 0]), /a\.jxl is a JPEG XL file/],
        ["a.psd", Buffer.from("8BPS\0\x01"), /a\.psd is a Photoshop \(PSD\) file/],
        ["a.mov", Buffer.from("\0\0\0\x14ftypqt  \0\0\0\0qt  "), /a\.mov is a QuickTime video file/],
        ["a.xyz", Buffer.from("\0\0\0\x14ftypzzzz\0\0\0\0zzzz"), /a\.xyz is a container of the brand "zzzz"/],
      ];
      for (const [name, bytes, message] of made) {
        await writeFile(join(folder, name), bytes);
        await failure(() => readImage(join(folder, name)), ImageError, message);
      }
    }));

  it("the name of a file does not matter", () =>
    inFolder(async (folder) => {
      await copyFile(casePath("still.gif"), join(folder, "a.png"));
      expect((await readImage(join(folder, "a.png"))).width).to.equal(32);
    }));

  it("images of too many pixels are refused before they are decoded", () =>
    inFolder(async (folder) => {
      const image = fillNoise(createImage(20, 10, 3, 8), 1);
      for (const extension of ["png", "webp", "tif", "jpg"]) {
        const path = join(folder, `a.${extension}`);
        await writeImage(path, image);
        await failure(
          () => readImage(path, { maxPixels: 199 }),
          ImageError,
          /20×10 pixels, more than the 199 that are read/,
        );
        await readImage(path, { maxPixels: 200 });
      }
    }));
});

describe("files of cameras: what is written", () => {
  const rgba = createImage(2, 1, 4, 8, Uint8Array.of(255, 0, 0, 255, 0, 0, 0, 0));

  it("transparency goes into JPEG on a ground only, which is known beforehand", () =>
    inFolder(async (folder) => {
      const path = join(folder, "a.jpg");
      expect(() => checkImagePath(path, rgba)).to.throw(ImageError, /cannot hold transparency.*--background white/);
      checkImagePath(path, rgba, { background: [255, 255, 255] });
      checkImagePath(join(folder, "a.webp"), rgba);
      await failure(() => writeImage(path, rgba), ImageError, /cannot hold transparency/);
      await writeImage(path, rgba, { background: [0, 255, 0] });
      const { channels, data } = await readImage(path);
      expect(channels).to.equal(3);
      expect(data[4]).to.be.above(200);
      await writeImage(join(folder, "a.png"), rgba, { background: [0, 255, 0] });
      expect([...(await readImage(join(folder, "a.png"))).data]).to.deep.equal([255, 0, 0, 0, 255, 0]);
    }));

  it("quality makes JPEG and WebP smaller", () =>
    inFolder(async (folder) => {
      const image = fillNoise(createImage(64, 64, 3, 8), 1);
      for (const extension of ["jpg", "webp"]) {
        const sizes: number[] = [];
        for (const quality of [10, 60, undefined]) {
          const path = join(folder, `${quality}.${extension}`);
          await writeImage(path, image, { quality });
          const { size } = await sharp(path).metadata();
          sizes.push(size ?? (await import("node:fs")).statSync(path).size);
        }
        expect(sizes).to.deep.equal([...sizes].sort((a, b) => a - b));
        expect(new Set(sizes).size).to.equal(3);
      }
    }));
});
