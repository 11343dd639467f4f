/** sRGB's profile, and images as files that carry a profile. */
import { deflateSync } from "node:zlib";
import sharp from "sharp";
import { concatenated, PNG_MAGIC, pngChunk } from "../formats/png_structure.js";
import type { Image } from "../image/image.js";

let profile: Promise<Uint8Array> | undefined;

/** The ICC profile of sRGB that sharp brings along. */
export function srgbProfile(): Promise<Uint8Array> {
  profile ??= sharp({ create: { width: 1, height: 1, channels: 3, background: "black" } })
    .withIccProfile("srgb")
    .png()
    .toBuffer()
    .then((png) => sharp(png).metadata())
    .then(({ icc }) => icc as Uint8Array);
  return profile;
}

/** A PNG that is made to be read at once: barely compressed, with a profile and further chunks. */
export function taggedPng(
  { width, height, channels, bitDepth, data }: Image,
  icc: Uint8Array | undefined,
  chunks: readonly Uint8Array[] = [],
): Uint8Array {
  const bytesPerSample = bitDepth / 8;
  const stride = width * channels * bytesPerSample;
  const lines = Buffer.alloc(height * (stride + 1));
  for (let y = 0; y < height; y++) {
    for (let i = 0; i < width * channels; i++) {
      const sample = data[y * width * channels + i]!;
      const at = y * (stride + 1) + 1 + i * bytesPerSample;
      if (bitDepth === 16) lines.writeUInt16BE(sample, at);
      else lines[at] = sample;
    }
  }
  const header = new Uint8Array(13);
  const view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  header.set([bitDepth, [0, 4, 2, 6][channels - 1]!], 8);
  return concatenated([
    Uint8Array.from(PNG_MAGIC),
    pngChunk("IHDR", header),
    ...(icc ? [pngChunk("iCCP", Buffer.concat([Buffer.from("icc\0\0", "latin1"), deflateSync(icc)]))] : []),
    ...chunks,
    pngChunk("IDAT", deflateSync(lines, { level: 0 })),
    pngChunk("IEND", new Uint8Array()),
  ]);
}
