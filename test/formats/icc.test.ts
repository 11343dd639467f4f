import { expect } from "chai";
import sharp from "sharp";
import { srgbProfile, taggedPng } from "../../src/files/srgb.js";
import { fitsProfile, type Profile, parseIcc, toSrgb } from "../../src/formats/icc.js";
import { createImage, toBitDepth } from "../../src/image/image.js";
import { fillNoise } from "../files/golden.js";

async function profileOf(name: "srgb" | "p3"): Promise<Uint8Array> {
  const made = sharp({ create: { width: 1, height: 1, channels: 3, background: "red" } }).withIccProfile(name);
  return (await sharp(await made.png().toBuffer()).metadata()).icc as Uint8Array;
}

/** A profile of the given colour space whose tags hold these bytes. */
function made(space: string, tags: Readonly<Record<string, Uint8Array>>): Uint8Array {
  const entries = Object.entries(tags);
  const parts = [Buffer.alloc(128 + 4 + 12 * entries.length)];
  const head = parts[0] as Buffer;
  head.write(space, 16, "latin1");
  head.write("XYZ ", 20, "latin1");
  head.write("acsp", 36, "latin1");
  head.writeUInt32BE(entries.length, 128);
  let at = head.length;
  for (const [i, [tag, content]] of entries.entries()) {
    head.write(tag, 132 + 12 * i, "latin1");
    head.writeUInt32BE(at, 136 + 12 * i);
    head.writeUInt32BE(content.length, 140 + 12 * i);
    parts.push(Buffer.from(content));
    at += content.length;
  }
  return new Uint8Array(Buffer.concat(parts));
}

function curve(...samples: number[]): Uint8Array {
  const bytes = Buffer.alloc(12 + 2 * samples.length);
  bytes.write("curv", 0, "latin1");
  bytes.writeUInt32BE(samples.length, 8);
  for (const [i, sample] of samples.entries()) bytes.writeUInt16BE(sample, 12 + 2 * i);
  return bytes;
}

function parametric(kind: number, ...numbers: number[]): Uint8Array {
  const bytes = Buffer.alloc(12 + 4 * numbers.length);
  bytes.write("para", 0, "latin1");
  bytes.writeUInt16BE(kind, 8);
  for (const [i, number] of numbers.entries()) bytes.writeInt32BE(Math.round(number * 65536), 12 + 4 * i);
  return bytes;
}

const curveOf = (tag: Uint8Array) =>
  (parseIcc(made("GRAY", { kTRC: tag })) as Profile).curves[0] as (v: number) => number;

describe("ICC profiles", () => {
  it("recognises sRGB, and leaves its values as they are", async () => {
    const profile = parseIcc(await srgbProfile()) as Profile;
    expect(profile.isSrgb).to.equal(true);
    const image = fillNoise(createImage(5, 5, 3, 16), 1);
    expect(toSrgb(image, profile)).to.equal(image);
  });

  it("converts Display P3 as Little CMS does, at 8 and 16 bits", async () => {
    const icc = await profileOf("p3");
    const profile = parseIcc(icc) as Profile;
    expect(profile.isSrgb).to.equal(false);
    const image = fillNoise(createImage(40, 30, 3, 8), 2);
    const theirs = await sharp(taggedPng(image, icc)).raw().toBuffer();
    const most = (ours: ArrayLike<number>, scale: number) =>
      Math.max(...Array.from(ours, (value, i) => Math.abs(value / scale - (theirs[i] as number))));
    // Little CMS rounds to 15 bits on its way. At 16 bits nothing is rounded to 8 here.
    expect(most(toSrgb(image, profile).data, 1)).to.be.at.most(1);
    expect(most(toSrgb(toBitDepth(image, 16), profile).data, 257)).to.be.at.most(1);
  });

  it("keeps alpha, black and white", async () => {
    const profile = parseIcc(await profileOf("p3")) as Profile;
    const image = createImage(3, 1, 4, 8, Uint8Array.of(0, 0, 0, 7, 255, 255, 255, 0, 128, 128, 128, 255));
    expect([...toSrgb(image, profile).data]).to.deep.equal([...image.data]);
  });

  it("reads all kinds of tone curves", () => {
    expect(curveOf(curve())(0.3)).to.equal(0.3);
    expect(curveOf(curve(2 * 256))(0.5)).to.equal(0.25);
    const sampled = curveOf(curve(0, 10000, 65535));
    expect([0, 0.25, 0.5, 1].map(sampled)).to.deep.equal([0, 5000 / 65535, 10000 / 65535, 1]);
    expect(curveOf(parametric(0, 2))(0.5)).to.equal(0.25);
    expect(curveOf(parametric(1, 2, 1, -0.25))(0.75)).to.equal(0.25);
    expect(curveOf(parametric(1, 2, 1, -0.25))(0.1)).to.equal(0);
    expect(curveOf(parametric(2, 2, 1, -0.25, 0.5))(0.75)).to.equal(0.75);
    expect(curveOf(parametric(2, 2, 1, -0.25, 0.5))(0.1)).to.equal(0.5);
    expect(curveOf(parametric(3, 2, 1, 0, 0.5, 0.5))(0.25)).to.equal(0.125);
    expect(curveOf(parametric(3, 2, 1, 0, 0.5, 0.5))(0.75)).to.equal(0.5625);
    expect(curveOf(parametric(4, 2, 1, 0, 0.5, 0.5, 0.25, 0.125))(0.75)).to.equal(0.8125);
    expect(curveOf(parametric(4, 2, 1, 0, 0.5, 0.5, 0.25, 0.125))(0.25)).to.equal(0.25);
  });

  it("converts grey by its curve alone", () => {
    const linear = parseIcc(made("GRAY", { kTRC: curve() })) as Profile;
    const grey = createImage(3, 1, 1, 8, Uint8Array.of(0, 55, 255));
    // 55/255 of linear light is 0.5 and a bit in sRGB's encoding.
    expect([...toSrgb(grey, linear).data]).to.deep.equal([0, 128, 255]);
    expect(fitsProfile(createImage(1, 1, 3, 8), linear)).to.equal(false);
    expect(fitsProfile(createImage(1, 1, 2, 8), linear)).to.equal(true);
  });

  it("takes no profile that is damaged or made of tables", async () => {
    const p3 = await profileOf("p3");
    for (let length = 0; length < p3.length; length += 7) parseIcc(p3.subarray(0, length));
    expect(parseIcc(p3.subarray(0, 200))).to.equal(undefined);
    expect(parseIcc(made("CMYK", {}))).to.equal(undefined);
    expect(parseIcc(made("RGB ", { A2B0: new Uint8Array(8) }))).to.equal(undefined);
    const bytes = Buffer.from(curve(0, 1));
    bytes.writeUInt32BE(2 ** 31, 8);
    expect(parseIcc(made("GRAY", { kTRC: bytes }))).to.equal(undefined);
  });
});
