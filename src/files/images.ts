/**
 * Image files. PNG goes through pngjs; JPEG, WebP, TIFF, AVIF and GIF go through sharp. All are turned as their EXIF
 * orientation says and converted to sRGB, at 8 and 16 bits: formats/icc.ts computes the profiles of cameras and screens,
 * sharp those that are made of tables.
 */
import { extname } from "node:path";
import sharp, { type Metadata as Found, type Sharp } from "sharp";
import { exifOrientation } from "../formats/exif.js";
import { fitsProfile, parseIcc, toSrgb } from "../formats/icc.js";
import { metadataChunks, pngExif, pngProfile } from "../formats/png_metadata.js";
import { isPng, MAX_PIXELS, type PngStructure, pngChunk } from "../formats/png_structure.js";
import { type Channels, createImage, type Image, toBitDepth } from "../image/image.js";
import { orientImage } from "../image/orient.js";
import { type Colour, flatten } from "../image/transparency.js";
import { writeFileAtomic } from "./atomic.js";
import { ImageError } from "./errors.js";
import { foreignFormat, isReadBySharp } from "./image_kinds.js";
import { type Metadata, metadataFor } from "./metadata.js";
import { decodeStructure, encodePng, inspectPng } from "./png.js";
import { readBytes } from "./read.js";
import { srgbProfile, taggedPng } from "./srgb.js";

const JPEG_QUALITY = 95;

/** How `readImage` reads. */
export interface ReadOptions {
  /** "raw" takes the file's values as they are, whatever its colour profile, as OpenCV does. Default "srgb". */
  readonly colours?: "srgb" | "raw" | undefined;
  /** Most pixels; larger images are refused before they are decoded. Default 2²⁷. */
  readonly maxPixels?: number | undefined;
}

/**
 * Reads PNG, JPEG, WebP, TIFF, AVIF or GIF (its first frame), told apart by content: upright, in sRGB. Grey stays grey, 16
 * bits stay 16. Throws `ImageError`, which names the format where it is another.
 */
export async function readImage(path: string, options: ReadOptions = {}): Promise<Image> {
  return decode(await readBytes(path, ImageError), path, options);
}

/**
 * Width and height of an image that can be read. A PNG's checksums and its amount of pixel data are tested, which takes
 * a quarter of the time of decoding it; other formats are decoded. Throws the errors of `readImage`.
 */
export async function inspectImage(path: string): Promise<{ readonly width: number; readonly height: number }> {
  const bytes = await readBytes(path, ImageError);
  if (!isPng(bytes)) return decode(bytes, path, {});
  const structure = inspectPng(bytes, path);
  const { width, height } = structure.header;
  const exif = pngExif(structure);
  return exif && exifOrientation(exif) >= 5 ? { width: height, height: width } : { width, height };
}

function decode(bytes: Uint8Array, path: string, options: ReadOptions): Promise<Image> {
  const { colours = "srgb", maxPixels = MAX_PIXELS } = options;
  if (isPng(bytes)) return finishPng(inspectPng(bytes, path, maxPixels), path, colours);
  if (isReadBySharp(bytes)) return decodeWithSharp(bytes, path, colours, maxPixels);
  const format = foreignFormat(bytes);
  if (format !== undefined)
    throw new ImageError(`${path} is a ${format} file, which is not read here`, "Save it as PNG, JPEG, WebP or TIFF");
  throw new ImageError(`${path} is no image of a known format`, "Give a PNG, JPEG, WebP, TIFF, AVIF or GIF file");
}

/** The image of a PNG in sRGB and upright. */
async function finishPng(structure: PngStructure, path: string, colours: "srgb" | "raw"): Promise<Image> {
  const stored = decodeStructure(structure, path);
  const exif = pngExif(structure);
  const icc = colours === "raw" ? undefined : pngProfile(structure);
  const image = icc ? await convert(stored, icc, path) : stored;
  return exif ? orientImage(image, exifOrientation(exif)) : image;
}

function convert(image: Image, icc: Uint8Array, path: string): Image | Promise<Image> {
  const profile = parseIcc(icc);
  if (profile) return fitsProfile(image, profile) ? toSrgb(image, profile) : image;
  return decodeWithSharp(taggedPng(image, icc), path, "srgb", MAX_PIXELS);
}

/** How `writeImage` writes. */
export interface WriteOptions {
  /** 1 to 100, for JPEG (default 95) and WebP, which is lossless by default. */
  readonly quality?: number | undefined;
  /** The ground that transparent pixels are laid on; without it, JPEG refuses them. */
  readonly background?: Colour | undefined;
  /** What `readMetadata` found in the source; it is written as it is true of `image`. */
  readonly metadata?: Metadata | undefined;
  /** Keeps the GPS position of `metadata`, which otherwise is removed. */
  readonly keepGps?: boolean | undefined;
}

/**
 * Writes the format that the extension names, atomically, tagged as sRGB. PNG and TIFF keep kind and depth, WebP is
 * lossless at 8 bits and knows no grey, JPEG has 8 bits and quality 95. TIFF holds no EXIF. Throws `ImageError` for what
 * the format cannot hold, and `OutputError`.
 */
export async function writeImage(path: string, image: Image, options: WriteOptions = {}): Promise<void> {
  await writeFileAtomic(path, await encodeImage(path, image, options));
}

/** Throws `ImageError` unless `writeImage` can write such an image: to be asked before hours of work. */
export function checkImagePath(path: string, source?: Pick<Image, "channels">, options: WriteOptions = {}): void {
  const format = formatOf(path);
  if (format === "jpeg" && source && source.channels % 2 === 0 && !options.background)
    throw new ImageError(
      `${path} cannot hold transparency`,
      "Write a .png or .webp file, or lay the image on a ground: --background white",
    );
}

async function encodeImage(path: string, source: Image, options: WriteOptions): Promise<Uint8Array> {
  checkImagePath(path, source, options);
  const format = formatOf(path);
  const image = options.background ? flatten(source, options.background) : source;
  const metadata = metadataFor(options.metadata ?? {}, image, options.keepGps);
  if (format === "png") return encodePng(image, [pngChunk("sRGB", Uint8Array.of(0)), ...metadataChunks(metadata)]);
  const { quality } = options;
  const reduced = format === "tiff" ? image : toBitDepth(image, 8);
  // sharp takes metadata only from a file that has them: an uncompressed PNG.
  const tagged = taggedPng(reduced, reduced.channels < 3 ? undefined : await srgbProfile(), metadataChunks(metadata));
  const pipeline = sharp(tagged, { ignoreIcc: true, limitInputPixels: false })
    .toColourspace(colourspace(reduced.channels < 3, reduced.bitDepth))
    .keepMetadata();
  if (format === "jpeg")
    return pipeline.jpeg({ quality: quality ?? JPEG_QUALITY, chromaSubsampling: "4:4:4" }).toBuffer();
  if (format === "webp")
    return pipeline.webp(quality === undefined ? { lossless: true, exact: true } : { quality }).toBuffer();
  // sharp takes TIFF's resolution in pixels per millimetre.
  const perMillimetre =
    metadata.density === undefined ? {} : { xres: metadata.density / 25.4, yres: metadata.density / 25.4 };
  return pipeline
    .tiff({ compression: "deflate", predictor: "horizontal", resolutionUnit: "inch", ...perMillimetre })
    .toBuffer();
}

type Format = "png" | "jpeg" | "webp" | "tiff";

function formatOf(path: string): Format {
  switch (extname(path).toLowerCase()) {
    case ".png":
      return "png";
    case ".jpg":
    case ".jpeg":
      return "jpeg";
    case ".webp":
      return "webp";
    case ".tif":
    case ".tiff":
      return "tiff";
    default:
      throw new ImageError(`${path} names no image format`, "End the name in .png, .jpg, .webp or .tif");
  }
}

/** An image as the beginning of a sharp pipeline that keeps its kind and depth. */
export function toSharp({ width, height, channels, bitDepth, data }: Image): Sharp {
  return sharp(data, { raw: { width, height, channels } }).toColourspace(colourspace(channels < 3, bitDepth));
}

async function decodeWithSharp(
  bytes: Uint8Array,
  path: string,
  colours: "srgb" | "raw",
  maxPixels: number,
): Promise<Image> {
  try {
    const found = await sharp(bytes, { limitInputPixels: false }).metadata();
    const { width, height, space, icc, hasAlpha } = found;
    if (width * height > maxPixels)
      throw new ImageError(
        `${path} has ${width}×${height} pixels, more than the ${maxPixels} that are read`,
        "Crop or shrink it",
      );
    const bitDepth = depthOf(found, path);
    const grey = space === "b-w" || space === "grey16";
    const isRgb = space === "srgb" || space === "rgb" || space === "rgb16";
    // sharp would drop the alpha of 8-bit grey; as RGB it keeps it.
    const asRgb = grey && hasAlpha === true && bitDepth === 8;
    const profile = icc && (grey || isRgb) ? parseIcc(icc) : undefined;
    // Colours that no camera writes (CMYK, Lab, tables) are left to sharp.
    const bySharp = !profile && !(colours === "raw" && (grey || isRgb));
    const opened = sharp(bytes, { limitInputPixels: maxPixels, ignoreIcc: !bySharp }).autoOrient();
    const { data, info } = await (bySharp && icc && bitDepth === 16 ? opened.withIccProfile("srgb") : opened)
      .toColourspace(colourspace(grey && !asRgb, bitDepth))
      .raw({ depth: bitDepth === 16 ? "ushort" : "uchar" })
      .toBuffer({ resolveWithObject: true });
    const samples = bitDepth === 8 ? new Uint8Array(data) : new Uint16Array(new Uint8Array(data).buffer);
    const image = createImage(info.width, info.height, info.channels as Channels, bitDepth, samples);
    const result = asRgb ? greyWithAlpha(image) : image;
    return profile && colours === "srgb" && fitsProfile(result, profile) ? toSrgb(result, profile) : result;
  } catch (cause) {
    if (cause instanceof ImageError) throw cause;
    const problem = cause instanceof Error ? (cause.message.split("\n")[0] ?? "") : String(cause);
    throw new ImageError(`${path} cannot be decoded (${problem})`, "Copy or download the file again", { cause });
  }
}

/** The depth to decode at. Lab is stored in other types, which become 8 or 16 bits of sRGB. */
function depthOf({ space, depth }: Found, path: string): 8 | 16 {
  if (space === "lab") return 8;
  if (space === "labs") return 16;
  if (depth === "uchar") return 8;
  if (depth === "ushort") return 16;
  throw new ImageError(`${path} has samples of the type ${depth}`, "Save it with 8 or 16 bits per sample");
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
