/** Enlarging by less than four: the network's result, reduced. */
import type { Image } from "../image/image.js";
import { SCALE } from "../image/pairs.js";
import { resizeBicubic } from "../image/resize.js";

/** Width and height of `image` enlarged `scale` times, rounded to whole pixels. */
export function scaledSize(
  { width, height }: Pick<Image, "width" | "height">,
  scale: number,
): { readonly width: number; readonly height: number } {
  return { width: Math.max(1, Math.round(scale * width)), height: Math.max(1, Math.round(scale * height)) };
}

/**
 * An image of four times the size of `lr`, reduced to `scale` times it by bicubic interpolation with antialiasing. Scale 4
 * leaves it as it is.
 */
export function reduceTo(image: Image, lr: Pick<Image, "width" | "height">, scale: number): Image {
  if (scale === SCALE) return image;
  const { width, height } = scaledSize(lr, scale);
  return resizeBicubic(image, width, height);
}
