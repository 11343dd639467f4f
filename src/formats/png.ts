/**
 * PNG from and to bytes by the package fast-png, which runs wherever JavaScript does. In Node files/png.ts does the same with
 * the native zlib, which writes smaller files, and looks for more kinds of damage.
 */
import { convertIndexedToRgb, type DecodedPng, decode, encode } from "fast-png";
import { ImageError } from "../image/errors.js";
import { type Channels, createImage, type Image } from "../image/image.js";

/** Largest image that is decoded, in pixels: 16384×16384. */
export const MAX_PIXELS = 2 ** 28;
export const PNG_MAGIC = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a] as const;
/** Where a file has its width, and behind it its height. */
const SIZE_AT = 16;
/** Where it has its colour type, and the one of palettes. */
const COLOUR_TYPE_AT = 25;
const PALETTE = 3;

export function isPng(bytes: Uint8Array): boolean {
  return PNG_MAGIC.every((byte, i) => bytes[i] === byte);
}

/**
 * Decodes a PNG in its own colours: grey stays grey, 16 bits stay 16, palettes become RGB; colour profiles are ignored.
 * `name` is what errors call it. Throws `ImageError`.
 */
export function decodePng(bytes: Uint8Array, name: string): Image {
  checkSize(bytes, name);
  try {
    const png = decode(bytes, { checkCrc: true });
    if (bytes[COLOUR_TYPE_AT] === PALETTE && !png.palette) throw new Error("it has no palette");
    return unpack(png);
  } catch (cause) {
    const problem = cause instanceof Error ? cause.message.replace(/\.$/, "") : "pixel data";
    throw new ImageError(`${name} is a damaged PNG (${problem})`, "Copy or download the file again", { cause });
  }
}

/** Encodes an image in its own colour type and depth. */
export function encodePng({ width, height, channels, bitDepth, data }: Image): Uint8Array {
  return encode({ width, height, channels, depth: bitDepth, data });
}

/** A header may promise more than a memory holds. */
function checkSize(bytes: Uint8Array, name: string): void {
  if (bytes.length < SIZE_AT + 8) throw new ImageError(`${name} is a PNG that ends too early`, "Copy the file again");
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const [width, height] = [view.getUint32(SIZE_AT), view.getUint32(SIZE_AT + 4)];
  if (width * height > MAX_PIXELS)
    throw new ImageError(
      `${name} is a PNG of ${width}×${height} pixels, more than the ${MAX_PIXELS} that are read`,
      "Crop or shrink it",
    );
}

function unpack(png: DecodedPng): Image {
  const { width, height, depth } = png;
  const palette = png.palette ?? (depth < 8 ? greys(png) : undefined);
  if (palette) {
    const data = convertIndexedToRgb({ ...png, palette });
    return createImage(width, height, (data.length / (width * height)) as Channels, 8, data);
  }
  const data = png.data instanceof Uint16Array ? png.data : new Uint8Array(png.data);
  const image = createImage(width, height, png.channels as Channels, depth === 16 ? 16 : 8, data);
  return png.transparency ? withKey(image, png.transparency) : image;
}

/** The palette that greys of less than 8 bits stand for; with alpha where one of them is transparent. */
function greys({ depth, transparency }: DecodedPng): number[][] {
  const white = 2 ** depth - 1;
  return Array.from({ length: white + 1 }, (_, level) => {
    const grey = (255 * level) / white;
    return transparency ? [grey, level === transparency[0] ? 0 : 255] : [grey];
  });
}

/** The image with alpha: 0 where its colour is `key`. */
function withKey(image: Image, key: Uint16Array): Image {
  const { width, height, channels, bitDepth, data } = image;
  const keyed = createImage(width, height, (channels + 1) as Channels, bitDepth);
  for (let i = 0; i < width * height; i++) {
    const colour = data.subarray(i * channels, (i + 1) * channels);
    keyed.data.set(colour, i * (channels + 1));
    const isKey = colour.every((sample, c) => sample === key[c]);
    keyed.data[i * (channels + 1) + channels] = isKey ? 0 : 2 ** bitDepth - 1;
  }
  return keyed;
}
