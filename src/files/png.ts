/**
 * PNG through the package pngjs. The package trusts headers and reports damage in many ways (it may throw `undefined`, or
 * speak of unread requests), so the file's structure, its checksums and the size of its pixel data are checked here
 * first: what pngjs then sees is a whole file whose pixels fit the header.
 */
import { crc32, inflateSync } from "node:zlib";
import { PNG } from "pngjs";
import { MAX_PIXELS, PNG_MAGIC } from "../formats/png.js";
import { type BitDepth, type Channels, createImage, type Image, newSamples } from "../image/image.js";
import { ImageError } from "./errors.js";

const GREY = 0;
const RGB = 2;
const PALETTE = 3;
const GREY_ALPHA = 4;
const RGB_ALPHA = 6;

/** Samples per pixel in the file, and the bit depths the format allows, by colour type. */
const COLOUR_TYPES = new Map([
  [GREY, { samples: 1, depths: [1, 2, 4, 8, 16] }],
  [RGB, { samples: 3, depths: [8, 16] }],
  [PALETTE, { samples: 1, depths: [1, 2, 4, 8] }],
  [GREY_ALPHA, { samples: 2, depths: [8, 16] }],
  [RGB_ALPHA, { samples: 4, depths: [8, 16] }],
]);

/** First column and row and the steps of the seven passes of an interlaced image (PNG specification, 8.2). */
const ADAM7 = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2],
] as const;

export interface Header {
  readonly width: number;
  readonly height: number;
  readonly depth: number;
  readonly colourType: number;
  readonly samples: number;
  readonly interlaced: boolean;
}

export interface Structure {
  readonly header: Header;
  /** The chunk tRNS: which colour, or which entries of the palette, are transparent. */
  readonly transparency: Buffer | undefined;
  readonly pixels: Buffer;
  /** Where the last chunk ends; what follows does not belong to the image. */
  readonly end: number;
}

/** Decodes a PNG in its own colours: grey stays grey, 16 bits stay 16, palettes become RGB. Throws `ImageError`. */
export function decodePng(bytes: Uint8Array, path: string): Image {
  const structure = inspectPng(bytes, path);
  try {
    return unpack(Buffer.from(bytes.buffer, bytes.byteOffset, structure.end), structure);
  } catch (cause) {
    const problem = cause instanceof Error ? cause.message : "pixel data";
    throw new ImageError(`${path} is a damaged PNG (${problem})`, "Copy or download the file again", { cause });
  }
}

/** The parts of a PNG whose checksums are right and whose pixel data fit its header. Throws `ImageError`. */
export function inspectPng(bytes: Uint8Array, path: string): Structure {
  const fail: Fail = (problem, advice = "Copy or download the file again") => {
    throw new ImageError(`${path} ${problem}`, advice);
  };
  const structure = readStructure(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), fail);
  checkPixels(structure, fail);
  return structure;
}

/** Encodes an image in its own colour type and depth. */
export function encodePng({ width, height, channels, bitDepth, data }: Image): Uint8Array {
  const colorType = ([GREY, GREY_ALPHA, RGB, RGB_ALPHA] as const)[channels - 1]!;
  const png = new PNG();
  // At 16 bits pngjs takes the whole memory behind the view it is given: a copy has nothing else there.
  png.data = Buffer.from(data.slice().buffer);
  png.width = width;
  png.height = height;
  return PNG.sync.write(png, { colorType, inputColorType: colorType, bitDepth, inputHasAlpha: channels % 2 === 0 });
}

type Fail = (problem: string, advice?: string) => never;

/** Walks the chunks to the end of the image, with their checksums. */
function readStructure(file: Buffer, fail: Fail): Structure {
  let header: Header | undefined;
  let transparency: Buffer | undefined;
  const pixels: Buffer[] = [];
  for (let at: number = PNG_MAGIC.length; ; ) {
    if (at + 12 > file.length) fail("is a PNG that ends too early");
    const length = file.readUInt32BE(at);
    const end = at + 12 + length;
    if (end > file.length) fail("is a PNG that ends too early");
    const type = file.toString("latin1", at + 4, at + 8);
    if (crc32(file.subarray(at + 4, end - 4)) !== file.readUInt32BE(end - 4))
      fail(`is a damaged PNG (checksum of its part ${JSON.stringify(type)})`);
    const content = file.subarray(at + 8, end - 4);
    if ((header === undefined) !== (type === "IHDR")) fail("is a damaged PNG (its header is not where it belongs)");
    if (header === undefined) header = readHeader(content, fail);
    else if (type === "tRNS") transparency = content;
    else if (type === "IDAT") pixels.push(content);
    else if (type === "IEND") return { header, transparency, pixels: Buffer.concat(pixels), end };
    // A capital letter: who does not know this part cannot show the image.
    else if (/^[A-Z]/.test(type) && type !== "PLTE")
      fail(`is a PNG with the unknown part ${type}`, "Save it again with another program");
    at = end;
  }
}

function readHeader(content: Buffer, fail: Fail): Header {
  if (content.length !== 13) fail("is a damaged PNG (the length of its header)");
  const [width, height] = [content.readUInt32BE(0), content.readUInt32BE(4)];
  const [depth, colourType, compression, filter, interlace] = content.subarray(8) as unknown as [
    number,
    number,
    number,
    number,
    number,
  ];
  const kind = COLOUR_TYPES.get(colourType);
  if (kind === undefined || !kind.depths.includes(depth) || compression !== 0 || filter !== 0 || interlace > 1) {
    return fail(
      `is a PNG of an unknown kind (colour type ${colourType}, ${depth} bits)`,
      "Save it again with another program",
    );
  }
  if (width === 0 || height === 0) fail(`is a PNG of ${width}×${height} pixels`);
  if (width * height > MAX_PIXELS)
    fail(`is a PNG of ${width}×${height} pixels, more than the ${MAX_PIXELS} that are read`, "Crop or shrink it");
  return { width, height, depth, colourType, samples: kind.samples, interlaced: interlace === 1 };
}

/** Unpacks the pixel data once only to see that they are whole, and no more than the header promises. */
function checkPixels({ header, pixels }: Structure, fail: Fail): void {
  const { width, height, depth, samples, interlaced } = header;
  let expected = 0;
  for (const [left, top, stepX, stepY] of interlaced ? ADAM7 : ([[0, 0, 1, 1]] as const)) {
    const columns = Math.ceil((width - left) / stepX);
    const rows = Math.ceil((height - top) / stepY);
    if (columns > 0 && rows > 0) expected += rows * (1 + Math.ceil((columns * samples * depth) / 8));
  }
  let length = 0;
  try {
    length = inflateSync(pixels, { maxOutputLength: expected, chunkSize: 2 ** 16 }).length;
  } catch (cause) {
    fail(`is a damaged PNG (pixel data: ${cause instanceof Error ? cause.message : cause})`);
  }
  if (length !== expected) fail(`is a damaged PNG (${length} bytes of pixel data instead of ${expected})`);
}

/** pngjs gives RGBA at 8 bits, or at 16 where `skipRescale` is set; this takes the channels the file has. */
function unpack(file: Buffer, { header, transparency }: Structure): Image {
  const { width, height, depth, colourType } = header;
  const rgba: ArrayLike<number> = PNG.sync.read(file, { skipRescale: depth === 16 }).data;
  const bitDepth: BitDepth = depth === 16 ? 16 : 8;
  const hasAlpha = colourType === GREY_ALPHA || colourType === RGB_ALPHA || transparency !== undefined;
  const colours = colourType === GREY || colourType === GREY_ALPHA ? 1 : 3;
  const channels = (hasAlpha ? colours + 1 : colours) as Channels;
  const data = newSamples(bitDepth, width * height * channels);
  for (let i = 0; i < width * height; i++) {
    for (let c = 0; c < colours; c++) data[i * channels + c] = rgba[4 * i + c]!;
    if (hasAlpha) data[i * channels + colours] = rgba[4 * i + 3]!;
  }
  if (transparency !== undefined && colourType !== PALETTE) restoreKey(data, channels, transparency, depth);
  return createImage(width, height, channels, bitDepth, data);
}

/** pngjs makes the one transparent colour black; its own colour keeps dark rims away when the image is enlarged. */
function restoreKey(data: Uint8Array | Uint16Array, channels: Channels, transparency: Buffer, depth: number): void {
  const scale = depth < 8 ? 255 / (2 ** depth - 1) : 1;
  for (let i = 0; i < data.length; i += channels) {
    if (data[i + channels - 1] !== 0) continue;
    for (let c = 0; c < channels - 1; c++) data[i + c] = Math.round(transparency.readUInt16BE(2 * c) * scale);
  }
}
