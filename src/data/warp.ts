/**
 * What a virtual camera sees of a photograph: the quadrilateral under its square image. Between the two lies a
 * homography, the map of one view of a plane onto another.
 */
import { createImage, type Image } from "../image/image.js";
import { resizeBicubic } from "../image/resize.js";

export type Point = readonly [x: number, y: number];
/** Upper left, upper right, lower right, lower left, in pixels of the photo; the first pixel's centre is (0.5, 0.5). */
export type Quad = readonly [Point, Point, Point, Point];

export interface View {
  readonly corners: Quad;
  /** Exponent of each colour in [0, 1]. */
  readonly gamma: number;
  /** Factors of red, green and blue, after gamma. */
  readonly gain: readonly [number, number, number];
}

/**
 * The view is sampled at least this many times finer than the image, and as finely as the photo, so that no pixel of the
 * photo is skipped; then a filter shrinks it that removes all finer detail.
 */
const SUPERSAMPLING = 2;

/** The view as an image of `size`×`size`, 8-bit RGB as `photo`. The corners lie inside the photo. */
export function renderView(photo: Image, { corners, gamma, gain }: View, size: number): Image {
  const fine = size * Math.max(SUPERSAMPLING, Math.ceil(longestSide(corners) / size));
  const project = homography(corners);
  const samples = createImage(fine, fine, 3, 8);
  for (let y = 0; y < fine; y++) {
    for (let x = 0; x < fine; x++) {
      const [px, py] = project((x + 0.5) / fine, (y + 0.5) / fine);
      sampleBicubic(photo, px - 0.5, py - 0.5, samples.data, 3 * (y * fine + x));
    }
  }
  const image = resizeBicubic(samples, size, size);
  const tables = gain.map((factor) =>
    Uint8ClampedArray.from({ length: 256 }, (_, v) => 255 * factor * (v / 255) ** gamma),
  );
  for (let i = 0; i < image.data.length; i++) image.data[i] = tables[i % 3]![image.data[i]!]!;
  return image;
}

/** The length of the longest side, in pixels of the photo. */
export function longestSide(corners: Quad): number {
  const lengths = corners.map(([x, y], i) => {
    const [nextX, nextY] = corners[(i + 1) % 4]!;
    return Math.hypot(nextX - x, nextY - y);
  });
  return Math.max(...lengths);
}

/** The map of the unit square onto the corners (P. Heckbert, "Fundamentals of texture mapping and image warping", 1989, 2.2.3). */
export function homography([[x0, y0], [x1, y1], [x2, y2], [x3, y3]]: Quad): (u: number, v: number) => Point {
  const [dx1, dx2, sx] = [x1 - x2, x3 - x2, x0 - x1 + x2 - x3];
  const [dy1, dy2, sy] = [y1 - y2, y3 - y2, y0 - y1 + y2 - y3];
  const determinant = dx1 * dy2 - dx2 * dy1;
  const g = (sx * dy2 - dx2 * sy) / determinant;
  const h = (dx1 * sy - sx * dy1) / determinant;
  return (u, v) => {
    const w = g * u + h * v + 1;
    const x = (x1 - x0 + g * x1) * u + (x3 - x0 + h * x3) * v + x0;
    const y = (y1 - y0 + g * y1) * u + (y3 - y0 + h * y3) * v + y0;
    return [x / w, y / w];
  };
}

const weightsX = new Float64Array(4);
const weightsY = new Float64Array(4);

/** Keys' cubic interpolation at (x, y), where whole numbers are pixels, into `target` at `to`; the border is repeated. */
function sampleBicubic({ width, height, data }: Image, x: number, y: number, target: Image["data"], to: number): void {
  const [left, top] = [Math.floor(x) - 1, Math.floor(y) - 1];
  cubicWeights(x - left - 1, weightsX);
  cubicWeights(y - top - 1, weightsY);
  let [r, g, b] = [0.5, 0.5, 0.5];
  for (let j = 0; j < 4; j++) {
    const row = Math.min(Math.max(top + j, 0), height - 1) * width;
    for (let i = 0; i < 4; i++) {
      const from = 3 * (row + Math.min(Math.max(left + i, 0), width - 1));
      const weight = weightsX[i]! * weightsY[j]!;
      r += weight * data[from]!;
      g += weight * data[from + 1]!;
      b += weight * data[from + 2]!;
    }
  }
  // Halves were added before: assignment to a byte cuts off what follows the point.
  target[to] = Math.min(Math.max(r, 0), 255);
  target[to + 1] = Math.min(Math.max(g, 0), 255);
  target[to + 2] = Math.min(Math.max(b, 0), 255);
}

/** Of the four neighbours of a place that lies `t` in [0, 1) after the second (a = −0.5). */
function cubicWeights(t: number, weights: Float64Array): void {
  weights[0] = ((-0.5 * t + 1) * t - 0.5) * t;
  weights[1] = (1.5 * t - 2.5) * t * t + 1;
  weights[2] = ((-1.5 * t + 2) * t + 0.5) * t;
  weights[3] = (0.5 * t - 0.5) * t * t;
}
