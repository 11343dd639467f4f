import { expect } from "chai";
import sharp from "sharp";
import { exifBlock, exifFor, exifOrientation, xmpFor } from "../../src/formats/exif.js";

/** What a phone writes: orientation, maker, size, exposure and position. */
async function phone(): Promise<Uint8Array> {
  const jpeg = await sharp({ create: { width: 8, height: 8, channels: 3, background: "red" } })
    .withExif({
      IFD0: { Copyright: "someone", Make: "a maker of phones" },
      IFD2: { ExposureTime: "1/60" },
      IFD3: {
        GPSLatitudeRef: "N",
        GPSLatitude: "51/1 30/1 3230/100",
        GPSLongitudeRef: "W",
        GPSLongitude: "0/1 7/1 4366/100",
      },
    })
    .jpeg()
    .toBuffer();
  const exif = (await sharp(jpeg).metadata()).exif as Buffer;
  // sharp sets the orientation to 1: here it becomes 6, in the entry with the tag 0x0112.
  const little = exif.indexOf(Buffer.from([0x12, 0x01, 3, 0, 1, 0, 0, 0]));
  if (little >= 0) exif.writeUInt16LE(6, little + 8);
  else exif.writeUInt16BE(6, exif.indexOf(Buffer.from([0x01, 0x12, 0, 3, 0, 0, 0, 1])) + 8);
  return new Uint8Array(exif);
}

const asText = (bytes: Uint8Array | undefined) => Buffer.from(bytes ?? []).toString("latin1");
const SIZE = { width: 70000, height: 400 };

/** Whether the 32-bit fraction 3230/100 of the latitude is somewhere in the block. */
const hasPosition = (bytes: Uint8Array | undefined) =>
  Buffer.from(bytes ?? []).includes(Buffer.from([0x9e, 0x0c, 0, 0, 100, 0, 0, 0])) ||
  Buffer.from(bytes ?? []).includes(Buffer.from([0, 0, 0x0c, 0x9e, 0, 0, 0, 100]));

describe("EXIF", () => {
  it("is kept upright, without position", async () => {
    const exif = await phone();
    expect(hasPosition(exif)).to.equal(true);
    const copy = exifFor(exif, { ...SIZE, keepGps: false }) as Uint8Array;
    expect(exifOrientation(exif)).to.equal(6);
    expect(exifOrientation(copy)).to.equal(1);
    expect(asText(copy)).to.include("someone").and.include("a maker of phones");
    expect(hasPosition(copy)).to.equal(false);
    expect(hasPosition(exifFor(exif, { ...SIZE, keepGps: true }))).to.equal(true);
  });

  it("states the size of the new image", async () => {
    const copy = exifFor(await phone(), { ...SIZE, keepGps: false }) as Uint8Array;
    const little = copy[0] === 0x49;
    const bytes = Buffer.alloc(4);
    little ? bytes.writeUInt32LE(70000) : bytes.writeUInt32BE(70000);
    expect(Buffer.from(copy).includes(bytes)).to.equal(true);
  });

  it("is dropped where it is damaged, whatever the damage", async () => {
    const exif = exifBlock(await phone());
    expect(exifFor(new Uint8Array(10), { ...SIZE, keepGps: false })).to.equal(undefined);
    for (let length = 0; length < exif.length; length++) exifFor(exif.slice(0, length), { ...SIZE, keepGps: false });
    for (let i = 0; i < exif.length; i++) {
      const changed = exif.slice();
      changed[i] = 255;
      exifFor(changed, { ...SIZE, keepGps: false });
      exifOrientation(changed);
    }
  });

  it("has XMP beside it, which loses the position as attribute and as element", () => {
    const packet = `<rdf:Description tiff:Orientation="6" exif:GPSLatitude="51,30.5N" exif:GPSAltitude='7' dc:rights="me">
<exif:GPSLongitude>0,7W</exif:GPSLongitude><exif:GPSVersionID/></rdf:Description>`;
    expect(xmpFor(packet, false)).to.equal(`<rdf:Description tiff:Orientation="1" dc:rights="me">\n</rdf:Description>`);
    expect(xmpFor(packet, true)).to.include("51,30.5N").and.include("0,7W").and.include(`tiff:Orientation="1"`);
  });
});
