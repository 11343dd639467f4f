/**
 * PNG through the package pngjs. The package trusts headers and reports damage in many ways (it may throw `undefined`, or
 * speak of unread requests), so the file's structure, its checksums and the size of its pixel data are checked first: what
 * pngjs then sees is a whole file whose pixels fit the header.
 */
import { inflateSync } from "node:zlib";
import { PNG } from "pngjs";
import {
  channelsOf,
  concatenated,
  GREY,
  GREY_ALPHA,
  PALETTE,
  PNG_MAGIC,
  type PngStructure,
  pixelBytes,
  pngChunk,
  RGB,
  RGB_ALPHA,
  readPngStructure,
  withChunks,
} from "../formats/png_structure.js";
import { type BitDepth, createImage, type Image, newSamples } from "../image/image.js";
import { ImageError } from "./errors.js";

const AGAIN = "Copy or download the file again";

/**
 * Decodes a PNG in its own colours: grey stays grey, 16 bits stay 16, palettes become RGB; colour profile and orientation
 * are not applied. Throws `ImageError`.
 */
export function decodePng(bytes: Uint8Array, path: string): Image {
  return decodeStructure(inspectPng(bytes, path), path);
}

/** The pixels of a file that `inspectPng` has read. Throws `ImageError`. */
export function decodeStructure(structure: PngStructure, path: string): Image {
  try {
    return unpack(structure);
  } catch (cause) {
    const problem = cause instanceof Error ? cause.message : "pixel data";
    throw new ImageError(`${path} is a damaged PNG (${problem})`, AGAIN, { cause });
  }
}

/** The parts of a PNG whose checksums are right and whose pixel data fit its header. Throws `ImageError`. */
export function inspectPng(bytes: Uint8Array, path: string, maxPixels?: number): PngStructure {
  const structure = readPngStructure(bytes, path, maxPixels);
  checkPixels(structure, path);
  return structure;
}

/** Encodes an image in its own colour type and depth, tagged as sRGB. `chunks` are added behind the header. */
export function encodePng(
  { width, height, channels, bitDepth, data }: Image,
  chunks: readonly Uint8Array[] = [pngChunk("sRGB", Uint8Array.of(0))],
): Uint8Array {
  const colorType = ([GREY, GREY_ALPHA, RGB, RGB_ALPHA] as const)[channels - 1]!;
  const png = new PNG();
  // At 16 bits pngjs takes the whole memory behind the view it is given: a copy has nothing else there.
  png.data = Buffer.from(data.slice().buffer);
  png.width = width;
  png.height = height;
  const options = { colorType, inputColorType: colorType, bitDepth, inputHasAlpha: channels % 2 === 0 } as const;
  return withChunks(PNG.sync.write(png, options), chunks);
}

/** Decompresses the pixel data once only to see that they are whole, and no more than the header promises. */
function checkPixels({ header, pixels }: PngStructure, path: string): void {
  const expected = pixelBytes(header);
  let length = 0;
  try {
    length = inflateSync(pixels, { maxOutputLength: expected, chunkSize: 2 ** 16 }).length;
  } catch (cause) {
    const problem = cause instanceof Error ? cause.message : String(cause);
    throw new ImageError(`${path} is a damaged PNG (pixel data: ${problem})`, AGAIN, { cause });
  }
  if (length !== expected)
    throw new ImageError(`${path} is a damaged PNG (${length} bytes of pixel data instead of ${expected})`, AGAIN);
}

/** Only the chunks that pixels are made of: others, such as a profile that inflates to gigabytes, are not for pngjs. */
function bareFile({ header, palette, transparency, pixels }: PngStructure): Buffer {
  const fields = new Uint8Array(13);
  const view = new DataView(fields.buffer);
  view.setUint32(0, header.width);
  view.setUint32(4, header.height);
  fields.set([header.depth, header.colourType, 0, 0, header.interlaced ? 1 : 0], 8);
  const file = concatenated([
    Uint8Array.from(PNG_MAGIC),
    pngChunk("IHDR", fields),
    ...(palette && header.colourType === PALETTE ? [pngChunk("PLTE", palette)] : []),
    ...(transparency ? [pngChunk("tRNS", transparency)] : []),
    pngChunk("IDAT", pixels),
    pngChunk("IEND", new Uint8Array()),
  ]);
  return Buffer.from(file.buffer, file.byteOffset, file.byteLength);
}

/** pngjs gives RGBA at 8 bits, or at 16 where `skipRescale` is set; this takes the channels the file has. */
function unpack(structure: PngStructure): Image {
  const { header, transparency } = structure;
  const { width, height, depth, colourType } = header;
  const rgba: ArrayLike<number> = PNG.sync.read(bareFile(structure), { skipRescale: depth === 16 }).data;
  const bitDepth: BitDepth = depth === 16 ? 16 : 8;
  const channels = channelsOf(structure);
  const hasAlpha = channels % 2 === 0;
  const colours = hasAlpha ? channels - 1 : channels;
  const data = newSamples(bitDepth, width * height * channels);
  for (let i = 0; i < width * height; i++) {
    for (let c = 0; c < colours; c++) data[i * channels + c] = rgba[4 * i + c]!;
    if (hasAlpha) data[i * channels + colours] = rgba[4 * i + 3]!;
  }
  if (transparency !== undefined && colourType !== PALETTE) restoreKey(data, channels, transparency, depth);
  return createImage(width, height, channels, bitDepth, data);
}

/** pngjs makes the one transparent colour black; this gives it back its own, as other decoders do. */
function restoreKey(data: Image["data"], channels: number, transparency: Uint8Array, depth: number): void {
  const scale = depth < 8 ? 255 / (2 ** depth - 1) : 1;
  const key = (c: number) => 256 * transparency[2 * c]! + transparency[2 * c + 1]!;
  for (let i = 0; i < data.length; i += channels) {
    if (data[i + channels - 1] !== 0) continue;
    for (let c = 0; c < channels - 1; c++) data[i + c] = Math.round(key(c) * scale);
  }
}
