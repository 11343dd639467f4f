/**
 * PSNR and SSIM as the official evaluation computes them: on the luma Y of MATLAB's YCbCr (not rounded, no border cut)
 * or on the three colours. `psnrCbCr` is ours, for what Y cannot see. SSIM after Z. Wang et al., "Image quality
 * assessment: from error visibility to structural similarity", 2004: 11×11 Gaussian window of σ = 1.5, only where the
 * window lies inside the image.
 *
 * Grey counts as three equal colours, alpha is ignored; 16-bit images are scaled to 0…255.
 */
import { ImageError } from "./errors.js";
import { type Image, maxValue, toRgb } from "./image.js";
import { chromaPlanes, lumaPlane, type Plane, sameSize } from "./ycbcr.js";

/** Side of SSIM's window: the smallest image it can compare. */
export const SSIM_WINDOW = 11;
const SIGMA = 1.5;
const C1 = (0.01 * 255) ** 2;
const C2 = (0.03 * 255) ** 2;

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

/** PSNR in dB of the mean squared error over Cb and Cr together: how well the colours agree, whatever the brightness. */
export function psnrCbCr(a: Image, b: Image): number {
  sameSize(a, b);
  return psnrOf(chromaPlanes(a), chromaPlanes(b));
}

/** Mean SSIM of the three colours. */
export function ssim(a: Image, b: Image): number {
  sameSize(a, b);
  const planes = colourPlanes(b);
  const values = colourPlanes(a).map((plane, c) => ssimOf(plane, planes[c]!, a.width, a.height));
  return values.reduce((sum, v) => sum + v, 0) / values.length;
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
