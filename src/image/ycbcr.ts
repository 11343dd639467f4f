/**
 * MATLAB's YCbCr (BT.601, studio range: Y 16…235, Cb and Cr 16…240), which the official evaluation and all published
 * figures of super-resolution use. Grey counts as three equal colours, alpha is ignored, 16-bit images are scaled to
 * 0…255.
 */
import { ImageError } from "./errors.js";
import { describeImage, type Image, maxValue, roundHalfEven, toRgb } from "./image.js";

/** Rows Y, Cb, Cr: weights of R, G, B (each over 255) and the offset. */
const YCBCR = [
  { r: 65.481, g: 128.553, b: 24.966, offset: 16 },
  { r: -37.797, g: -74.203, b: 112.0, offset: 128 },
  { r: 112.0, g: -93.786, b: -18.214, offset: 128 },
] as const;

/** A channel with samples in 0…255. */
export type Plane = Float64Array;

/** YCbCr of an 8-bit image, interleaved [H, W, 3], rounded half to even: the official `bgr2ycbcr` of integers. */
export function toYcbcr8(image: Image): Uint8Array {
  const rgb = toRgb(image).data;
  return new Uint8Array(rgb).map((_, i) => roundHalfEven(ycbcr(rgb, i)));
}

/** YCbCr in [0, 1], interleaved [H, W, 3], of colours in [0, 1]: the official `bgr2ycbcr` of floats. */
export function toYcbcrFloat(image: Image): Float32Array {
  const rgb = samples255(image);
  return rgb.map((_, i) => ycbcr(rgb, i) / 255);
}

/** Y in 0…255, by the official detour over float32 in [0, 1]. */
export function lumaPlane(image: Image): Plane {
  return plane(image, 0, (y) => Math.fround(Math.fround(y / 255) * 255));
}

/** Cb and Cr in 0…255, not rounded. */
export function chromaPlanes(image: Image): [cb: Plane, cr: Plane] {
  return [plane(image, 1), plane(image, 2)];
}

/** Throws `ImageError` where the two images differ in width or height. */
export function sameSize(a: Image, b: Image): void {
  if (a.width !== b.width || a.height !== b.height) {
    throw new ImageError(
      `${describeImage(a)} and ${describeImage(b)} cannot be compared`,
      "Give two images of the same size",
    );
  }
}

/** Component `i % 3` of pixel `i / 3`. */
function ycbcr(rgb: Uint8Array | Uint16Array | Float32Array, i: number): number {
  const at = i - (i % 3);
  const { r, g, b, offset } = YCBCR[i % 3]!;
  return (b * rgb[at + 2]! + g * rgb[at + 1]! + r * rgb[at]!) / 255 + offset;
}

/** Colours in 0…255 by the official detour over float32 in [0, 1]. */
function samples255(image: Image): Float32Array {
  const white = maxValue(image);
  return new Float32Array(toRgb(image).data).map((v) => Math.fround(v / white) * 255);
}

function plane(image: Image, component: 0 | 1 | 2, round = (value: number) => value): Plane {
  const rgb = samples255(image);
  const values = new Float64Array(image.width * image.height);
  for (let i = 0; i < values.length; i++) values[i] = round(ycbcr(rgb, 3 * i + component));
  return values;
}
