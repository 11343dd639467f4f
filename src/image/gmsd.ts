/**
 * GMSD, a perceptual metric without weights: W. Xue et al., "Gradient magnitude similarity deviation: a highly efficient
 * perceptual image quality index", IEEE TIP 2014. Edges are compared where they are, and the score is how unevenly they
 * agree, so it sees blur and false texture that hardly move PSNR.
 *
 * As the authors' code: luma is halved by means of 2×2 pixels, gradients are Prewitt's over 3, both with zeros outside
 * the image; T = 170 for samples in 0…255; the deviation is that of a sample (n − 1).
 */
import { ImageError } from "./errors.js";
import type { Image } from "./image.js";
import { lumaPlane, type Plane, sameSize } from "./ycbcr.js";

const T = 170;
/** Of one pixel there is no deviation. */
const LEAST_SIDE = 3;

/** Gradient magnitude similarity deviation of luma: 0 for equal images, higher is worse. Throws `ImageError`. */
export function gmsd(a: Image, b: Image): number {
  sameSize(a, b);
  const { width, height } = a;
  if (Math.min(width, height) < LEAST_SIDE)
    throw new ImageError(
      `GMSD needs ${LEAST_SIDE}×${LEAST_SIDE} pixels, the image has ${width}×${height}`,
      "Compare larger images",
    );
  const [ga, gb] = [a, b].map((image) => gradients(halved(fullRange(lumaPlane(image)), width, height))) as [
    Plane,
    Plane,
  ];
  const similarity = ga.map((x, i) => (2 * x * gb[i]! + T) / (x * x + gb[i]! ** 2 + T));
  const mean = similarity.reduce((sum, value) => sum + value, 0) / similarity.length;
  const squares = similarity.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return Math.sqrt(squares / (similarity.length - 1));
}

/** The authors' code takes MATLAB's `rgb2gray`, which is Y stretched from 16…235 to 0…255. */
function fullRange(luma: Plane): Plane {
  return luma.map((value) => ((value - 16) * 255) / 219);
}

interface Grid {
  readonly width: number;
  readonly height: number;
  readonly data: Plane;
}

/** Means of 2×2 pixels; the last of an odd side is averaged with zeros. */
function halved(plane: Plane, width: number, height: number): Grid {
  const half = { width: Math.ceil(width / 2), height: Math.ceil(height / 2) };
  const at = (x: number, y: number) => (x < width && y < height ? plane[y * width + x]! : 0);
  const data = new Float64Array(half.width * half.height).map((_, i) => {
    const [x, y] = [2 * (i % half.width), 2 * Math.floor(i / half.width)];
    return (at(x, y) + at(x + 1, y) + at(x, y + 1) + at(x + 1, y + 1)) / 4;
  });
  return { ...half, data };
}

/** Magnitudes of Prewitt's gradient over 3. */
function gradients({ width, height, data }: Grid): Plane {
  const at = (x: number, y: number) => (x >= 0 && y >= 0 && x < width && y < height ? data[y * width + x]! : 0);
  return data.map((_, i) => {
    const [x, y] = [i % width, Math.floor(i / width)];
    let [dx, dy] = [0, 0];
    for (let k = -1; k <= 1; k++) {
      dx += at(x + 1, y + k) - at(x - 1, y + k);
      dy += at(x + k, y + 1) - at(x + k, y - 1);
    }
    return Math.hypot(dx / 3, dy / 3);
  });
}
