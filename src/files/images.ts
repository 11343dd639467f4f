/**
 * Image files. PNG goes through pngjs (all kinds, 8 and 16 bits, colour profiles ignored as OpenCV ignores them); JPEG,
 * WebP and TIFF go through sharp, turned as their EXIF orientation says and converted to sRGB.
 */
import { extname } from "node:path";
import sharp, { type Sharp } from "sharp";
import { isPng, MAX_PIXELS } from "../formats/png.js";
import { type Channels, createImage, type Image, toBitDepth } from "../image/image.js";
import { writeFileAtomic } from "./atomic.js";
import { ImageError } from "./errors.js";
import { decodePng, encodePng, inspectPng } from "./png.js";
import { readBytes } from "./read.js";

/** Beginnings of the formats sharp is asked to read; "?" stands for any byte. */
const SHARP_MAGIC = ["\xff\xd8\xff", "RIFF????WEBP", "II*\0", "MM\0*", "II+\0", "MM\0+"];
const JPEG_QUALITY = 95;

/** Reads PNG, JPEG, WebP or TIFF, told apart by content. Grey stays grey, 16 bits stay 16. Throws `ImageError`. */
export async function readImage(path: string): Promise<Image> {
  return decode(await readBytes(path, ImageError), path);
}

/**
 * Width and height of an image that can be read. A PNG's checksums and its amount of pixel data are tested, which takes
 * a quarter of the time of decoding it; other formats are decoded. Throws the errors of `readImage`.
 */
export async function inspectImage(path: string): Promise<{ readonly width: number; readonly height: number }> {
  const bytes = await readBytes(path, ImageError);
  return isPng(bytes) ? inspectPng(bytes, path).header : decode(bytes, path);
}

function decode(bytes: Uint8Array, path: string): Image | Promise<Image> {
  if (isPng(bytes)) return decodePng(bytes, path);
  if (SHARP_MAGIC.some((magic) => startsWith(bytes, magic))) return decodeWithSharp(bytes, path);
  throw new ImageError(`${path} is no image of a known format`, "Give a PNG, JPEG, WebP or TIFF file");
}

/**
 * Writes the format that the extension names, whole or not at all. PNG and TIFF keep kind and depth, WebP is lossless at
 * 8 bits and knows no grey, JPEG has 8 bits and quality 95. Throws `ImageError` for what the format cannot hold, and
 * `OutputError`.
 */
export async function writeImage(path: string, image: Image): Promise<void> {
  await writeFileAtomic(path, await encoderOf(path)(image));
}

/** Throws `ImageError` unless `writeImage` knows the extension: to be asked before hours of work. */
export function checkImagePath(path: string): void {
  encoderOf(path);
}

type Encoder = (image: Image) => Uint8Array | Promise<Uint8Array>;

function encoderOf(path: string): Encoder {
  switch (extname(path).toLowerCase()) {
    case ".png":
      return encodePng;
    case ".jpg":
    case ".jpeg":
      return (image) => {
        if (image.channels % 2 === 0)
          throw new ImageError(`${path} cannot hold transparency`, "Write a .png or .webp file");
        return toSharp(toBitDepth(image, 8)).jpeg({ quality: JPEG_QUALITY, chromaSubsampling: "4:4:4" }).toBuffer();
      };
    case ".webp":
      return (image) => toSharp(toBitDepth(image, 8)).webp({ lossless: true, exact: true }).toBuffer();
    case ".tif":
    case ".tiff":
      return (image) => toSharp(image).tiff({ compression: "deflate", predictor: "horizontal" }).toBuffer();
    default:
      throw new ImageError(`${path} names no image format`, "End the name in .png, .jpg, .webp or .tif");
  }
}

/** An image as the beginning of a sharp pipeline that keeps its kind and depth. */
export function toSharp({ width, height, channels, bitDepth, data }: Image): Sharp {
  return sharp(data, { raw: { width, height, channels } }).toColourspace(colourspace(channels < 3, bitDepth));
}

async function decodeWithSharp(bytes: Uint8Array, path: string): Promise<Image> {
  try {
    const { space, depth, hasAlpha } = await sharp(bytes).metadata();
    if (depth !== "uchar" && depth !== "ushort") {
      throw new ImageError(`${path} has samples of the type ${depth}`, "Save it with 8 or 16 bits per sample");
    }
    const bitDepth = depth === "ushort" ? 16 : 8;
    const grey = space === "b-w" || space === "grey16";
    // sharp would drop the alpha of 8-bit grey; as RGB it keeps it.
    const asRgb = grey && hasAlpha && bitDepth === 8;
    const { data, info } = await sharp(bytes, { limitInputPixels: MAX_PIXELS })
      .autoOrient()
      .toColourspace(colourspace(grey && !asRgb, bitDepth))
      .raw({ depth })
      .toBuffer({ resolveWithObject: true });
    const samples = bitDepth === 8 ? new Uint8Array(data) : new Uint16Array(new Uint8Array(data).buffer);
    const image = createImage(info.width, info.height, info.channels as Channels, bitDepth, samples);
    return asRgb ? greyWithAlpha(image) : image;
  } catch (cause) {
    if (cause instanceof ImageError) throw cause;
    const problem = cause instanceof Error ? (cause.message.split("\n")[0] ?? "") : String(cause);
    throw new ImageError(`${path} cannot be decoded (${problem})`, "Copy or download the file again", { cause });
  }
}

function colourspace(grey: boolean, bitDepth: number): string {
  if (bitDepth === 16) return grey ? "grey16" : "rgb16";
  return grey ? "b-w" : "srgb";
}

/** RGBA of equal colours → grey and alpha. */
function greyWithAlpha({ width, height, channels, bitDepth, data }: Image): Image {
  const grey = createImage(width, height, 2, bitDepth);
  for (let i = 0; i < width * height; i++) {
    grey.data[2 * i] = data[channels * i]!;
    grey.data[2 * i + 1] = data[channels * i + channels - 1]!;
  }
  return grey;
}

function startsWith(bytes: Uint8Array, magic: string): boolean {
  return [...magic].every((character, i) => character === "?" || bytes[i] === character.charCodeAt(0));
}
