/**
 * Images of a page. PNG does not go through a canvas, which has 8 bits, multiplies colours by alpha, and in some browsers
 * gives back noise, lest it be told apart from others.
 */
import { exifOrientation } from "../formats/exif.js";
import { fitsProfile, parseIcc, toSrgb } from "../formats/icc.js";
import { decodeStructure, encodePng, isPng } from "../formats/png.js";
import { pngExif, pngProfile } from "../formats/png_metadata.js";
import { type PngStructure, readPngStructure } from "../formats/png_structure.js";
import { ImageError } from "../image/errors.js";
import { createImage, type Image, toBitDepth, toRgb } from "../image/image.js";
import { orientImage } from "../image/orient.js";
import { flatten } from "../image/transparency.js";

/**
 * Reads PNG (grey stays grey, 16 bits stay 16), or what else the browser shows (JPEG, WebP, AVIF …) at 8 bits, colours where
 * it is transparent being lost. The image is upright, as its EXIF orientation says, and in sRGB. `name` is what errors call
 * it. Throws `ImageError`.
 */
export async function readImage(file: Blob, name = file instanceof File ? file.name : "the image"): Promise<Image> {
  const bytes = new Uint8Array(await file.arrayBuffer());
  if (bytes.length === 0) throw new ImageError(`${name} is empty`, "Copy or download the file again");
  if (!isPng(bytes)) return decodeByBrowser(file, name);
  const structure = readPngStructure(bytes, name);
  const image = inSrgb(decodeStructure(structure, name), structure, name);
  const exif = pngExif(structure);
  return exif ? orientImage(image, exifOrientation(exif)) : image;
}

/** As Node's `readImage` converts, but for profiles made of tables, which only sharp can compute. */
function inSrgb(image: Image, structure: PngStructure, name: string): Image {
  const icc = pngProfile(structure);
  if (!icc) return image;
  const profile = parseIcc(icc);
  if (!profile)
    throw new ImageError(`${name} has a colour profile made of tables, which is not read here`, "Save it as sRGB");
  return fitsProfile(image, profile) ? toSrgb(image, profile) : image;
}

/** The image as a PNG file, its kind and depth kept. */
export function pngFile(image: Image): Blob {
  return new Blob([encodePng(image) as Uint8Array<ArrayBuffer>], { type: "image/png" });
}

/** File types that `imageFile` writes. */
export type ImageFileType = "image/png" | "image/jpeg" | "image/webp";

/**
 * The image as a file. JPEG and WebP are encoded by the browser, at 8 bits; `quality` is 1 to 100. JPEG has transparent pixels
 * on white. Throws `ImageError` where this browser does not write the type.
 */
export async function imageFile(image: Image, type: ImageFileType = "image/png", quality = 95): Promise<Blob> {
  if (type === "image/png") return pngFile(image);
  const shown = toBitDepth(type === "image/jpeg" ? flatten(image, [255, 255, 255]) : image, 8);
  const { width, height } = shown;
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d");
  if (!context) throw new ImageError(`${width}×${height} pixels are too many for this browser`, "Save it as PNG");
  context.putImageData(new ImageData(rgbaOf(shown), width, height), 0, 0);
  const file = await canvas.convertToBlob({ type, quality: quality / 100 });
  if (file.type !== type) throw new ImageError(`this browser does not write ${type}`, "Save it as PNG");
  return file;
}

/** The 8-bit samples that a canvas takes. */
function rgbaOf(image: Image): Uint8ClampedArray<ArrayBuffer> {
  const { width, height, channels, data } = image;
  const { data: rgb } = toRgb(image);
  const rgba = new Uint8ClampedArray(4 * width * height).fill(255);
  for (let i = 0; i < width * height; i++) {
    for (let c = 0; c < 3; c++) rgba[4 * i + c] = rgb[3 * i + c]!;
    if (channels % 2 === 0) rgba[4 * i + 3] = data[channels * i + channels - 1]!;
  }
  return rgba;
}

async function decodeByBrowser(file: Blob, name: string): Promise<Image> {
  let bitmap: ImageBitmap;
  try {
    bitmap = await createImageBitmap(file, { imageOrientation: "from-image", premultiplyAlpha: "none" });
  } catch (cause) {
    throw new ImageError(`${name} is no image that this browser can read`, "Give a PNG, JPEG, WebP or AVIF file", {
      cause,
    });
  }
  const { width, height } = bitmap;
  try {
    const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
    if (!context) throw new ImageError(`${name} is too large for this browser`, "Crop or shrink it");
    context.drawImage(bitmap, 0, 0);
    return fromRgba(context.getImageData(0, 0, width, height).data, width, height);
  } finally {
    bitmap.close();
  }
}

/** RGB, with alpha where a pixel has any. */
function fromRgba(rgba: Uint8ClampedArray, width: number, height: number): Image {
  const opaque = rgba.every((sample, i) => i % 4 !== 3 || sample === 255);
  const channels = opaque ? 3 : 4;
  const image = createImage(width, height, channels, 8);
  for (let i = 0; i < width * height; i++)
    for (let c = 0; c < channels; c++) image.data[i * channels + c] = rgba[4 * i + c]!;
  return image;
}
