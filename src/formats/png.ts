/**
 * PNG from and to bytes wherever JavaScript runs. In Node files/png.ts reads PNG with pngjs and the native zlib; the pixels
 * are the same, and so are the refusals (png_structure.ts).
 */
import { encode } from "fast-png";
import { Unzlib } from "fflate";
import { ImageError } from "../image/errors.js";
import { createImage, type Image, newSamples } from "../image/image.js";
import {
  channelsOf,
  GREY,
  PALETTE,
  type Pass,
  type PngStructure,
  passesOf,
  pixelBytes,
  pngChunk,
  readPngStructure,
  withChunks,
} from "./png_structure.js";

export { isPng } from "./png_structure.js";

/** Compressed bytes that are inflated at once: a kilobyte holds at most a megabyte. */
const PIECE = 2 ** 14;

/**
 * Decodes a PNG in its own colours: grey stays grey, 16 bits stay 16, palettes become RGB; colour profile and orientation
 * are not applied. `name` is what errors call it. Throws `ImageError`.
 */
export function decodePng(bytes: Uint8Array, name: string): Image {
  return decodeStructure(readPngStructure(bytes, name), name);
}

/** The pixels of a file that `readPngStructure` has read. Throws `ImageError`. */
export function decodeStructure(structure: PngStructure, name: string): Image {
  try {
    return unpack(structure, inflate(structure.pixels, pixelBytes(structure.header)));
  } catch (cause) {
    const problem = cause instanceof Error ? cause.message : "pixel data";
    throw new ImageError(`${name} is a damaged PNG (${problem})`, "Copy or download the file again", { cause });
  }
}

/** Encodes an image in its own colour type and depth, tagged as sRGB. */
export function encodePng({ width, height, channels, bitDepth, data }: Image): Uint8Array {
  return withChunks(encode({ width, height, channels, depth: bitDepth, data }), [pngChunk("sRGB", Uint8Array.of(0))]);
}

/**
 * Decompresses zlib data that must have `expected` bytes, or with `atMost` up to as many. What would become more is
 * refused before it takes memory. Throws `Error`.
 */
export function inflate(compressed: Uint8Array, expected: number, atMost = false): Uint8Array {
  const parts: Uint8Array[] = [];
  let length = 0;
  let ended = false;
  const stream = new Unzlib((part, final) => {
    parts.push(part);
    length += part.length;
    ended ||= final;
    if (length > expected) throw new Error(`more than ${expected} bytes of data`);
  });
  for (let at = 0; at < compressed.length; at += PIECE)
    stream.push(compressed.subarray(at, at + PIECE), at + PIECE >= compressed.length);
  if (!ended || (length !== expected && !atMost)) throw new Error(`${length} bytes of data instead of ${expected}`);
  const whole = new Uint8Array(length);
  let to = 0;
  for (const part of parts) {
    whole.set(part, to);
    to += part.length;
  }
  const view = new DataView(compressed.buffer, compressed.byteOffset, compressed.byteLength);
  if (adler32(whole) !== view.getUint32(compressed.length - 4)) throw new Error("checksum of the compressed data");
  return whole;
}

/** RFC 1950, section 9. */
function adler32(bytes: Uint8Array): number {
  let [a, b] = [1, 0];
  for (let at = 0; at < bytes.length; ) {
    // The largest number of bytes whose sums stay below 2³².
    for (const end = Math.min(at + 3800, bytes.length); at < end; at++) {
      a += bytes[at] as number;
      b += a;
    }
    a %= 65521;
    b %= 65521;
  }
  return ((b << 16) | a) >>> 0;
}

function unpack(structure: PngStructure, lines: Uint8Array): Image {
  const { header } = structure;
  const channels = channelsOf(structure);
  const bitDepth = header.depth === 16 ? 16 : 8;
  const data = newSamples(bitDepth, header.width * header.height * channels);
  const bytesPerPixel = Math.max(1, (header.samples * header.depth) / 8);
  const put = writer(structure, data, channels);
  let at = 0;
  for (const pass of passesOf(header)) {
    at = unfilter(lines, at, pass, bytesPerPixel);
    const { left, top, stepX, stepY, columns, rows, stride } = pass;
    for (let row = 0; row < rows; row++) {
      const line = at - (rows - row) * (stride + 1) + 1;
      for (let column = 0; column < columns; column++) {
        const pixel = (top + row * stepY) * header.width + left + column * stepX;
        put(lines, line, column, pixel * channels);
      }
    }
  }
  return createImage(header.width, header.height, channels, bitDepth, data);
}

type Put = (lines: Uint8Array, line: number, column: number, to: number) => void;

/** Writes a pixel of a scan line to its place in the image. */
function writer({ header, palette, transparency }: PngStructure, data: Image["data"], channels: number): Put {
  const { depth, samples, colourType } = header;
  const mask = 2 ** depth - 1;
  const sample = (lines: Uint8Array, line: number, index: number): number => {
    if (depth === 8) return lines[line + index] as number;
    if (depth === 16) return 256 * (lines[line + 2 * index] as number) + (lines[line + 2 * index + 1] as number);
    const bit = index * depth;
    return ((lines[line + (bit >> 3)] as number) >> (8 - depth - (bit & 7))) & mask;
  };
  if (colourType === PALETTE) {
    const colours = palette as Uint8Array;
    return (lines, line, column, to) => {
      const index = sample(lines, line, column);
      if (3 * index >= colours.length) throw new Error(`the palette has no entry ${index}`);
      for (let c = 0; c < 3; c++) data[to + c] = colours[3 * index + c] as number;
      if (channels === 4) data[to + 3] = transparency?.[index] ?? 255;
    };
  }
  const key = Array.from(
    { length: (transparency?.length ?? 0) / 2 },
    (_, c) => 256 * (transparency?.[2 * c] as number) + (transparency?.[2 * c + 1] as number),
  );
  const scale = colourType === GREY && depth < 8 ? 255 / mask : 1;
  return (lines, line, column, to) => {
    let isKey = key.length > 0;
    for (let c = 0; c < samples; c++) {
      const value = sample(lines, line, column * samples + c);
      isKey &&= value === key[c];
      data[to + c] = scale * value;
    }
    if (key.length > 0) data[to + samples] = isKey ? 0 : depth === 16 ? 65535 : 255;
  };
}

/** Undoes the filters of a pass in place (PNG specification, 9.2); where the pass ends. */
function unfilter(lines: Uint8Array, start: number, { rows, stride }: Pass, bytesPerPixel: number): number {
  for (let row = 0; row < rows; row++) {
    const line = start + row * (stride + 1) + 1;
    const filter = lines[line - 1] as number;
    if (filter > 4) throw new Error(`unrecognised filter type ${filter}`);
    if (filter === 0) continue;
    for (let i = 0; i < stride; i++) {
      const left = i >= bytesPerPixel ? (lines[line + i - bytesPerPixel] as number) : 0;
      const up = row > 0 ? (lines[line + i - stride - 1] as number) : 0;
      const corner = i >= bytesPerPixel && row > 0 ? (lines[line + i - stride - 1 - bytesPerPixel] as number) : 0;
      const predicted =
        filter === 1 ? left : filter === 2 ? up : filter === 3 ? (left + up) >> 1 : paeth(left, up, corner);
      lines[line + i] = (lines[line + i] as number) + predicted;
    }
  }
  return start + rows * (stride + 1);
}

function paeth(left: number, up: number, corner: number): number {
  const estimate = left + up - corner;
  const [byLeft, byUp, byCorner] = [Math.abs(estimate - left), Math.abs(estimate - up), Math.abs(estimate - corner)];
  if (byLeft <= byUp && byLeft <= byCorner) return left;
  return byUp <= byCorner ? up : corner;
}
