/**
 * The chunks of a PNG file: header, palette, compressed pixels, and what the file says about its colours, orientation and
 * resolution. Checksums, order and sizes are checked here, so the decoders in Node and in browsers refuse the same files
 * with the same words. Chunk layouts follow the PNG specification, third edition.
 */
import { ImageError } from "../image/errors.js";
import type { Channels } from "../image/image.js";

/** Largest image that is decoded, in pixels: 16384×8192, more than the largest phone cameras have. */
export const MAX_PIXELS = 2 ** 27;
export const PNG_MAGIC = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a] as const;
/** Limits for metadata; longer ones are dropped. A CMYK profile has up to 2 MB, an XMP packet some kilobytes. */
const MAX_METADATA = 2 ** 24;

export const GREY = 0;
export const RGB = 2;
export const PALETTE = 3;
export const GREY_ALPHA = 4;
export const RGB_ALPHA = 6;

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

export interface PngHeader {
  readonly width: number;
  readonly height: number;
  readonly depth: number;
  readonly colourType: number;
  /** Samples per pixel in the file; a palette's index is one. */
  readonly samples: number;
  readonly interlaced: boolean;
}

export interface PngStructure {
  readonly header: PngHeader;
  readonly palette: Uint8Array | undefined;
  /** The chunk tRNS: which colour, or which entries of the palette, are transparent. */
  readonly transparency: Uint8Array | undefined;
  /** The compressed pixel data. */
  readonly pixels: Uint8Array;
  /** Where the last chunk ends; what follows does not belong to the image. */
  readonly end: number;
  /** Contents of the optional chunks iCCP, sRGB, eXIf, pHYs and iTXt, if present. */
  readonly optional: ReadonlyMap<string, Uint8Array>;
}

/** A part of an interlaced image, or the whole of another. */
export interface Pass {
  readonly left: number;
  readonly top: number;
  readonly stepX: number;
  readonly stepY: number;
  readonly columns: number;
  readonly rows: number;
  /** Bytes of a scan line without its filter byte. */
  readonly stride: number;
}

export function isPng(bytes: Uint8Array): boolean {
  return PNG_MAGIC.every((byte, i) => bytes[i] === byte);
}

/** Walks the chunks to the end of the image. `name` is what errors call the file. Throws `ImageError`. */
export function readPngStructure(bytes: Uint8Array, name: string, maxPixels = MAX_PIXELS): PngStructure {
  const fail: Fail = (problem, advice = "Copy or download the file again") => {
    throw new ImageError(`${name} ${problem}`, advice);
  };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const optional = new Map<string, Uint8Array>();
  const pixels: Uint8Array[] = [];
  let header: PngHeader | undefined;
  let palette: Uint8Array | undefined;
  let transparency: Uint8Array | undefined;
  for (let at: number = PNG_MAGIC.length; ; ) {
    if (at + 12 > bytes.length) fail("is a PNG that ends too early");
    const length = view.getUint32(at);
    const end = at + 12 + length;
    if (end > bytes.length) fail("is a PNG that ends too early");
    const type = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    if (crc32(bytes.subarray(at + 4, end - 4)) !== view.getUint32(end - 4))
      fail(`is a damaged PNG (checksum of its part ${JSON.stringify(type)})`);
    const content = bytes.subarray(at + 8, end - 4);
    if (header === undefined) {
      if (type === "CgBI")
        fail(
          "is a PNG in Apple's CgBI variant, which only Apple's programs can read",
          "Convert it on a Mac: sips -s format png FILE --out NEW, or pngcrush -revert-iphone-optimizations",
        );
      if (type !== "IHDR") fail("is a damaged PNG (its header is not where it belongs)");
      header = readHeader(content, maxPixels, fail);
    } else if (type === "IHDR") fail("is a damaged PNG (its header is not where it belongs)");
    else if (type === "PLTE") palette = content;
    else if (type === "tRNS") transparency = content;
    else if (type === "IDAT") pixels.push(content);
    else if (type === "IEND") {
      checkColours(header, palette, transparency, fail);
      const forbidden = header.colourType === GREY_ALPHA || header.colourType === RGB_ALPHA;
      if (forbidden) transparency = undefined;
      return { header, palette, transparency, pixels: concatenated(pixels), end, optional };
    } else if (/^[A-Z]/.test(type))
      // An upper-case letter: a program that does not know this part cannot show the image.
      fail(`is a PNG with the unknown part ${type}`, "Save it again with another program");
    else if (length <= MAX_METADATA && !optional.has(type) && isWanted(type, content)) optional.set(type, content);
    at = end;
  }
}

type Fail = (problem: string, advice?: string) => never;

/** Of iTXt there may be many; only XMP is kept. */
function isWanted(type: string, content: Uint8Array): boolean {
  if (type === "iTXt") return latin1(content.subarray(0, XMP_KEYWORD.length)) === XMP_KEYWORD;
  return ["iCCP", "sRGB", "eXIf", "pHYs"].includes(type);
}

export const XMP_KEYWORD = "XML:com.adobe.xmp\0";

function readHeader(content: Uint8Array, maxPixels: number, fail: Fail): PngHeader {
  if (content.length !== 13) fail("is a damaged PNG (the length of its header)");
  const view = new DataView(content.buffer, content.byteOffset);
  const [width, height] = [view.getUint32(0), view.getUint32(4)];
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
  if (width * height > maxPixels)
    fail(`is a PNG of ${width}×${height} pixels, more than the ${maxPixels} that are read`, "Crop or shrink it");
  return { width, height, depth, colourType, samples: kind.samples, interlaced: interlace === 1 };
}

function checkColours(
  { colourType }: PngHeader,
  palette: Uint8Array | undefined,
  transparency: Uint8Array | undefined,
  fail: Fail,
): void {
  if (colourType === PALETTE && palette === undefined) fail("is a damaged PNG (it has no palette)");
  const entries = (palette?.length ?? 0) / 3;
  if (colourType === PALETTE && !(Number.isInteger(entries) && entries >= 1 && entries <= 256))
    fail(`is a damaged PNG (a palette of ${palette?.length} bytes)`);
  const length = transparency?.length;
  if (length === undefined) return;
  const fits =
    colourType === GREY
      ? length === 2
      : colourType === RGB
        ? length === 6
        : colourType !== PALETTE || length <= entries;
  if (!fits) fail(`is a damaged PNG (${length} bytes of transparency)`);
}

/** The passes that have pixels. */
export function passesOf({ width, height, depth, samples, interlaced }: PngHeader): Pass[] {
  return (interlaced ? ADAM7 : ([[0, 0, 1, 1]] as const))
    .map(([left, top, stepX, stepY]) => {
      const columns = Math.ceil((width - left) / stepX);
      const rows = Math.ceil((height - top) / stepY);
      return { left, top, stepX, stepY, columns, rows, stride: Math.ceil((columns * samples * depth) / 8) };
    })
    .filter(({ columns, rows }) => columns > 0 && rows > 0);
}

/** Bytes of the pixel data once they are decompressed, filter bytes included. */
export function pixelBytes(header: PngHeader): number {
  return passesOf(header).reduce((sum, { rows, stride }) => sum + rows * (1 + stride), 0);
}

/** Channels of the decoded image: a palette becomes RGB, transparency becomes alpha. */
export function channelsOf({ header: { colourType }, transparency }: PngStructure): Channels {
  const hasAlpha = colourType === GREY_ALPHA || colourType === RGB_ALPHA || transparency !== undefined;
  const colours = colourType === GREY || colourType === GREY_ALPHA ? 1 : 3;
  return (hasAlpha ? colours + 1 : colours) as Channels;
}

/** A chunk with its length and checksum. */
export function pngChunk(type: string, content: Uint8Array): Uint8Array {
  const chunk = new Uint8Array(12 + content.length);
  const view = new DataView(chunk.buffer);
  view.setUint32(0, content.length);
  for (let i = 0; i < 4; i++) chunk[4 + i] = type.charCodeAt(i);
  chunk.set(content, 8);
  view.setUint32(8 + content.length, crc32(chunk.subarray(4, 8 + content.length)));
  return chunk;
}

/** The file with these chunks behind its header. */
export function withChunks(png: Uint8Array, chunks: readonly Uint8Array[]): Uint8Array {
  const header = PNG_MAGIC.length + 25;
  return concatenated([png.subarray(0, header), ...chunks, png.subarray(header)]);
}

export function concatenated(parts: readonly Uint8Array[]): Uint8Array {
  const [first] = parts;
  if (parts.length === 1 && first) return first;
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

export function latin1(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let remainder = byte;
  for (let bit = 0; bit < 8; bit++) remainder = remainder & 1 ? 0xedb88320 ^ (remainder >>> 1) : remainder >>> 1;
  return remainder;
});

/** The checksum of PNG's annex D. */
function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (let i = 0; i < bytes.length; i++) crc = (CRC_TABLE[(crc ^ (bytes[i] as number)) & 255] as number) ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}
