/**
 * PSNR and SSIM as the official evaluation computes them: on the luma Y of MATLAB's YCbCr (not rounded, no border cut)
 * or on the three colours. SSIM after Z. Wang et al., "Image quality assessment: from error visibility to structural
 * similarity", 2004: 11×11 Gaussian window of σ = 1.5, only where the window lies inside the image.
 *
 * Grey counts as three equal colours, alpha is ignored; 16-bit images are scaled to 0…255.
 */
import { ImageError } from "./errors.js";
import { describeImage, type Image, maxValue, roundHalfEven, toRgb } from "./image.js";

/** Rows Y, Cb, Cr: weights of R, G, B (each over 255) and the offset. */
const YCBCR = [
  { r: 65.481, g: 128.553, b: 24.966, offset: 16 },
  { r: -37.797, g: -74.203, b: 112.0, offset: 128 },
  { r: 112.0, g: -93.786, b: -18.214, offset: 128 },
] as const;

/** Side of SSIM's window: the smallest image it can compare. */
export const SSIM_WINDOW = 11;
const SIGMA = 1.5;
const C1 = (0.01 * 255) ** 2;
const C2 = (0.03 * 255) ** 2;

/** A channel with samples in 0…255. */
type Plane = Float64Array;

/** Peak signal-to-noise ratio of Y in dB; Infinity for equal images. Throws `ImageError` where the sizes differ. */
export function psnrY(a: Image, b: Image): number {
  sameSize(a, b);
  return psnrOf([lumaPlane(a)], [lumaPlane(b)]);
}

/** Structural similarity of Y, at most 1. Throws `ImageError` where the sizes differ or are below 11×11. */
export function ssimY(a: Image, b: Image): number {
  sameSize(a, b);
  return ssimOf(lumaPlane(a), lumaPlane(b), a.width, a.height);
}

/** PSNR over the three colours in dB. */
export function psnr(a: Image, b: Image): number {
  sameSize(a, b);
  return psnrOf(colourPlanes(a), colourPlanes(b));
}

/** Mean SSIM of the three colours. */
export function ssim(a: Image, b: Image): number {
  sameSize(a, b);
  const planes = colourPlanes(b);
  const values = colourPlanes(a).map((plane, c) => ssimOf(plane, planes[c]!, a.width, a.height));
  return values.reduce((sum, v) => sum + v, 0) / values.length;
}

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

/** Y in 0…255, by the same detour. */
function lumaPlane(image: Image): Plane {
  const rgb = samples255(image);
  const plane = new Float64Array(image.width * image.height);
  for (let i = 0; i < plane.length; i++) plane[i] = Math.fround(Math.fround(ycbcr(rgb, 3 * i) / 255) * 255);
  return plane;
}

function colourPlanes(image: Image): Plane[] {
  const { data } = toRgb(image);
  const scale = 255 / maxValue(image);
  return [0, 1, 2].map((c) => new Float64Array(image.width * image.height).map((_, i) => data[3 * i + c]! * scale));
}

function psnrOf(a: readonly Plane[], b: readonly Plane[]): number {
  let sum = 0;
  let count = 0;
  for (const [c, plane] of a.entries()) {
    for (let i = 0; i < plane.length; i++) sum += (plane[i]! - b[c]![i]!) ** 2;
    count += plane.length;
  }
  return sum === 0 ? Number.POSITIVE_INFINITY : 20 * Math.log10(255 / Math.sqrt(sum / count));
}

function ssimOf(a: Plane, b: Plane, width: number, height: number): number {
  if (width < SSIM_WINDOW || height < SSIM_WINDOW) {
    throw new ImageError(
      `SSIM needs ${SSIM_WINDOW}×${SSIM_WINDOW} pixels, the image has ${width}×${height}`,
      "Compare larger images",
    );
  }
  const blur = (value: (i: number) => number) =>
    gaussian(
      a.map((_, i) => value(i)),
      width,
      height,
    );
  const [meanA, meanB] = [blur((i) => a[i]!), blur((i) => b[i]!)];
  const [squareA, squareB, product] = [blur((i) => a[i]! ** 2), blur((i) => b[i]! ** 2), blur((i) => a[i]! * b[i]!)];
  let sum = 0;
  for (let i = 0; i < meanA.length; i++) {
    const [ma, mb] = [meanA[i]!, meanB[i]!];
    const variances = squareA[i]! - ma * ma + (squareB[i]! - mb * mb);
    const covariance = product[i]! - ma * mb;
    sum += ((2 * ma * mb + C1) * (2 * covariance + C2)) / ((ma * ma + mb * mb + C1) * (variances + C2));
  }
  return sum / meanA.length;
}

/** The window's weighted mean at each place where it lies inside: [height − 10, width − 10]. The Gaussian separates. */
function gaussian(plane: Plane, width: number, height: number): Plane {
  const weights = Array.from({ length: SSIM_WINDOW }, (_, k) =>
    Math.exp(-((k - (SSIM_WINDOW - 1) / 2) ** 2) / (2 * SIGMA ** 2)),
  );
  const total = weights.reduce((sum, w) => sum + w, 0);
  const pass = (source: Plane, stride: number, columns: number, rows: number, step: number) => {
    const target = new Float64Array(columns * rows);
    for (let y = 0; y < rows; y++) {
      for (let x = 0; x < columns; x++) {
        let sum = 0;
        for (let k = 0; k < SSIM_WINDOW; k++) sum += source[y * stride + x + k * step]! * weights[k]!;
        target[y * columns + x] = sum / total;
      }
    }
    return target;
  };
  const inner = width - SSIM_WINDOW + 1;
  return pass(pass(plane, width, inner, height, 1), inner, inner, height - SSIM_WINDOW + 1, inner);
}

function sameSize(a: Image, b: Image): void {
  if (a.width !== b.width || a.height !== b.height) {
    throw new ImageError(
      `${describeImage(a)} and ${describeImage(b)} cannot be compared`,
      "Give two images of the same size",
    );
  }
}
