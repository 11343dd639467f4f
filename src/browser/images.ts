/**
 * Images of a page. PNG does not go through a canvas, which has 8 bits, multiplies colours by alpha, and in some browsers
 * gives back noise, lest it be told apart from others.
 */
import { decodePng, encodePng, isPng } from "../formats/png.js";
import { ImageError } from "../image/errors.js";
import { createImage, type Image } from "../image/image.js";

/**
 * Reads PNG (grey stays grey, 16 bits stay 16), or what else the browser shows (JPEG, WebP, AVIF …), turned as its EXIF
 * orientation says, converted to sRGB, at 8 bits, colours where it is transparent being lost. `name` is what errors call it.
 * Throws `ImageError`.
 */
export async function readImage(file: Blob, name = file instanceof File ? file.name : "the image"): Promise<Image> {
  const bytes = new Uint8Array(await file.arrayBuffer());
  if (bytes.length === 0) throw new ImageError(`${name} is empty`, "Copy or download the file again");
  return isPng(bytes) ? decodePng(bytes, name) : decodeByBrowser(file, name);
}

/** The image as a PNG file, its kind and depth kept. */
export function pngFile(image: Image): Blob {
  return new Blob([encodePng(image) as Uint8Array<ArrayBuffer>], { type: "image/png" });
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
